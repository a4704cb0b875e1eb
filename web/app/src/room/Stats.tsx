import type { MediaStats, PeerSnapshot } from '@parlour/client';
import { useParticipants, useRoom, useStats } from '@parlour/react';
import { useT } from '../i18n/index.ts';
import { useCopy } from '../lib/useCopy.ts';
import { Button } from '../ui/Button.tsx';
import { Dialog } from '../ui/Dialog.tsx';
import { qualityText } from './QualityMark.tsx';
import styles from './Stats.module.css';

/** The connections in figures, and a report for whoever helps. */
export default function Stats({ onClose }: { onClose: () => void }) {
  const t = useT();
  const room = useRoom();
  const peers = useParticipants();
  const [copied, copy] = useCopy();
  return (
    <Dialog title={t('stats')} wide onClose={onClose}>
      <div className={styles['all']}>
        {peers.length === 0 && <p>{t('stats.nobody')}</p>}
        {peers.map((peer) => (
          <PeerFigures key={peer.id} peer={peer} />
        ))}
        <div className={styles['foot']}>
          <Button icon={copied ? 'check' : 'copy'} onClick={() => void room.diagnostics().then((report) => copy(JSON.stringify(report, null, 2)))}>
            {t('stats.copy')}
          </Button>
          <span role="status">{copied ? t('stats.copied') : ''}</span>
        </div>
      </div>
    </Dialog>
  );
}

/** The versions of DTLS as the browser writes them (the bytes of RFC 9147 §5.3). */
const DTLS: Record<string, string> = { FEFF: 'DTLS 1.0', FEFD: 'DTLS 1.2', FEFC: 'DTLS 1.3' };

function PeerFigures({ peer }: { peer: PeerSnapshot }) {
  const t = useT();
  const stats = useStats(peer.id);
  const number = (value: number, digits = 0): string => value.toLocaleString(t.language, { maximumFractionDigits: digits });
  const rate = (bits: number | null): string => (bits === null ? '–' : bits >= 1e6 ? `${number(bits / 1e6, 1)} Mbit/s` : `${number(bits / 1e3)} kbit/s`);
  const relayed = stats?.path && (stats.path.local === 'relay' || stats.path.remote === 'relay');
  const row = (media: MediaStats, direction: 'in' | 'out') => (
    <tr key={direction + media.source}>
      <th scope="row">
        {t(`source.${media.source}` as const)} <small>{t(`stats.${direction}` as const)}</small>
      </th>
      <td>{media.codec?.split('/')[1] ?? '–'}</td>
      <td>{rate(media.bitrate)}</td>
      <td>{number(media.loss * 100, 1)} %</td>
      <td>{media.width ? `${media.width}×${media.height}${media.fps ? ` · ${number(media.fps)}/s` : ''}` : '–'}</td>
      <td>{media.limited && media.limited !== 'none' ? media.limited : '–'}</td>
    </tr>
  );
  return (
    <section className={styles['peer']} aria-label={peer.name}>
      <header>
        <h3>{peer.name}</h3>
        <span>{qualityText(t, peer.quality)}</span>
      </header>
      {stats && (
        <>
          <dl className={styles['facts']}>
            <div>
              <dt>{t('stats.path')}</dt>
              <dd>
                {stats.path ? `${t(relayed ? 'stats.relayed' : 'stats.direct')}, ${stats.path.protocol.toUpperCase()} (${stats.path.local} → ${stats.path.remote})` : '–'}
              </dd>
            </div>
            <div>
              <dt>{t('stats.rtt')}</dt>
              <dd>{stats.rttMs === null ? '–' : `${number(stats.rttMs)} ms`}</dd>
            </div>
            <div>
              <dt>{t('stats.available')}</dt>
              <dd>{rate(stats.availableOut)}</dd>
            </div>
            <div>
              <dt>{t('stats.encryption')}</dt>
              <dd>{[stats.dtls && (DTLS[stats.dtls.toUpperCase()] ?? stats.dtls), stats.srtp?.replace(/^SRTP_/, '').replaceAll('_', ' ')].filter(Boolean).join(', ') || '–'}</dd>
            </div>
            <div>
              <dt>{t('stats.restarts')}</dt>
              <dd>{stats.restarts}</dd>
            </div>
          </dl>
          <div className={styles['scroll']} tabIndex={0} role="region" aria-label={`${t('stats')}: ${peer.name}`}>
            <table>
              <thead>
                <tr>
                  <th scope="col">{t('stats.source')}</th>
                  <th scope="col">{t('stats.codec')}</th>
                  <th scope="col">{t('stats.rate')}</th>
                  <th scope="col">{t('stats.loss')}</th>
                  <th scope="col">{t('stats.picture')}</th>
                  <th scope="col">{t('stats.limited')}</th>
                </tr>
              </thead>
              <tbody>
                {stats.incoming.map((media) => row(media, 'in'))}
                {stats.outgoing.map((media) => row(media, 'out'))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  );
}
