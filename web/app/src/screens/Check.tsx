import { useCallback, useEffect, useRef, useState } from 'react';
import { checkBrowser, checkSecure } from '../check/browser.ts';
import { checkCamera, checkMic, playNotes } from '../check/devices.ts';
import { checkCall, checkNetwork, checkServer, checkSpeed } from '../check/network.ts';
import { type Finding, SUBJECTS, type Subject, verdict } from '../check/types.ts';
import type { CheckKey } from '../check/texts/en.ts';
import { useCheckTexts } from '../check/useCheckTexts.ts';
import { useT } from '../i18n/index.ts';
import { deviceKey } from '../lib/media.ts';
import { helpFor } from '../lib/problems.ts';
import { useCopy } from '../lib/useCopy.ts';
import { Button } from '../ui/Button.tsx';
import { cx } from '../ui/cx.ts';
import { Icon } from '../ui/Icon.tsx';
import { Meter } from '../ui/Meter.tsx';
import { Notice } from '../ui/Notice.tsx';
import { Spinner } from '../ui/Spinner.tsx';
import styles from './Check.module.css';
import page from './Page.module.css';
import { TopBar } from './TopBar.tsx';

type Findings = Partial<Record<Subject, Finding>>;

const BUSY: Finding = { status: 'busy', detail: '', facts: {} };

/** Tries everything that a call needs, and says in words what is wrong. */
export default function Check() {
  const t = useT();
  const c = useCheckTexts();
  const [findings, setFindings] = useState<Findings>({});
  const [state, setState] = useState<'idle' | 'running' | 'done'>('idle');
  const [level, setLevel] = useState<{ read: () => number } | null>(null);
  const [notes, setNotes] = useState<'silent' | 'playing' | 'asked'>('silent');
  const [copied, copy] = useCopy();
  const alive = useRef(true);

  useEffect(() => {
    alive.current = true;
    document.title = `${t('check.go')} · Parlour`;
    return () => {
      alive.current = false;
    };
  }, [t]);

  const put = useCallback((subject: Subject, finding: Finding): void => {
    if (alive.current) setFindings((before) => ({ ...before, [subject]: finding }));
  }, []);

  const run = useCallback(async () => {
    setState('running');
    setFindings({});
    setNotes('silent');
    const step = async (subject: Subject, work: () => Finding | Promise<Finding>): Promise<Finding | null> => {
      if (!alive.current) return null;
      put(subject, BUSY);
      const finding = await Promise.resolve(work()).catch((error: unknown): Finding => ({ status: 'fail', detail: 'fail', facts: { error: String(error) } }));
      put(subject, finding);
      return finding;
    };
    const browser = await step('browser', checkBrowser);
    const secure = await step('secure', checkSecure);
    await step('server', checkServer);
    if (browser?.status === 'ok') {
      await step('network', checkNetwork);
      await step('call', checkCall);
    }
    await step('speed', checkSpeed);
    if (secure?.status === 'ok') {
      await step('camera', checkCamera);
      await step('mic', () => checkMic((read) => setLevel(read && { read })));
    }
    if (alive.current) setState('done');
  }, [put]);

  const play = async (): Promise<void> => {
    setNotes('playing');
    await playNotes().catch(() => undefined);
    if (alive.current) setNotes('asked');
  };

  const report = (): string =>
    JSON.stringify({ at: new Date().toISOString(), verdict: verdict(findings), findings }, null, 2);

  const words = (subject: Subject, finding: Finding): string => {
    if (finding.status === 'busy') return c('running');
    const code = finding.facts['code'];
    if (finding.detail === 'device' && typeof code === 'string') {
      const device = t(deviceKey(subject === 'mic' ? 'mic' : 'camera'));
      const help = helpFor(code);
      return `${t(help.title, { device })} ${t(help.text, { device })}`;
    }
    return c(`${subject}.${finding.detail}` as CheckKey, finding.facts);
  };

  const result = verdict(findings);
  return (
    <div className={page['page']}>
      <TopBar />
      <main className={styles['main']}>
        <h1>{c('title')}</h1>
        <p className={page['lead']}>{c('lead')}</p>
        <div className={styles['actions']}>
          <Button variant="primary" busy={state === 'running'} onClick={() => void run()}>
            {c(state === 'idle' ? 'start' : state === 'running' ? 'running' : 'again')}
          </Button>
          {state === 'done' && (
            <Button icon={copied ? 'check' : 'copy'} onClick={() => copy(report())}>
              {copied ? t('copied') : c('copy')}
            </Button>
          )}
        </div>
        <div role="status">
          {state === 'done' && (
            <Notice icon={result === 'good' ? 'check' : 'warning'} tone={result === 'good' ? 'info' : result === 'limited' ? 'warn' : 'danger'} title={c(`verdict.${result}` as const)} />
          )}
        </div>
        <ul className={styles['list']}>
          {SUBJECTS.map((subject) => {
            const finding = findings[subject];
            const status = finding?.status ?? 'idle';
            return (
              <li key={subject} className={styles['item']}>
                <span className={cx(styles['mark'], styles[status])} role="img" aria-label={c(`status.${status}` as const)}>
                  {status === 'busy' ? <Spinner size={20} /> : <Icon name={status === 'ok' ? 'check' : status === 'fail' ? 'close' : status === 'warn' ? 'warning' : 'clock'} size={20} />}
                </span>
                <div className={styles['text']}>
                  <h2>{c(`${subject}` as const)}</h2>
                  {finding && <p>{words(subject, finding)}</p>}
                  {subject === 'mic' && level && <Meter read={level.read} label={t('prejoin.level')} />}
                  {subject === 'speaker' && (
                    <div className={styles['speaker']}>
                      <Button icon="volume" busy={notes === 'playing'} onClick={() => void play()}>
                        {c('speaker.play')}
                      </Button>
                      {notes === 'asked' && (
                        <>
                          <span>{c('speaker.ask')}</span>
                          <Button onClick={() => put('speaker', { status: 'ok', detail: 'ok', facts: {} })}>{c('speaker.yes')}</Button>
                          <Button onClick={() => put('speaker', { status: 'fail', detail: 'fail', facts: {} })}>{c('speaker.no')}</Button>
                        </>
                      )}
                    </div>
                  )}
                  {finding?.paths && finding.paths.length > 0 && (
                    <div className={styles['scroll']} tabIndex={0} role="region" aria-label={c('network')}>
                      <table>
                        <thead>
                          <tr>
                            <th scope="col">{c('network.type')}</th>
                            <th scope="col">{c('network.protocol')}</th>
                            <th scope="col">{c('network.address')}</th>
                          </tr>
                        </thead>
                        <tbody>
                          {finding.paths.map((path, index) => (
                            <tr key={index}>
                              <td>{c(`network.type.${path.type}` as CheckKey)}</td>
                              <td>{path.protocol}</td>
                              <td>{path.address}</td>
                            </tr>
                          ))}
                        </tbody>
                      </table>
                    </div>
                  )}
                </div>
              </li>
            );
          })}
        </ul>
      </main>
    </div>
  );
}
