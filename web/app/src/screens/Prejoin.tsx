import { captureSupport, levelMeter } from '@parlour/client';
import { Video } from '@parlour/react';
import { type FormEvent, useEffect, useMemo, useState } from 'react';
import { useT } from '../i18n/index.ts';
import { joinProblems } from '../lib/media.ts';
import { setPrefs, usePrefs } from '../lib/prefs.ts';
import { type Preview, usePreview } from '../lib/usePreview.ts';
import { Avatar } from '../ui/Avatar.tsx';
import { Button } from '../ui/Button.tsx';
import { cx } from '../ui/cx.ts';
import { Field } from '../ui/Field.tsx';
import { Icon } from '../ui/Icon.tsx';
import { Meter } from '../ui/Meter.tsx';
import { Spinner } from '../ui/Spinner.tsx';
import { DeviceHelp } from './DeviceHelp.tsx';
import { DeviceSelects } from './DeviceSelects.tsx';
import page from './Page.module.css';
import styles from './Prejoin.module.css';
import { SecureHint } from './SecureHint.tsx';
import { TopBar } from './TopBar.tsx';

/** What the person decided before the call. */
export interface Entry {
  name: string;
  camera: MediaStreamTrack | null;
  mic: MediaStreamTrack | null;
}

/** Before the call: how one looks and sounds, which devices, which name. */
export function Prejoin({ room, name: suggested, onJoin }: { room: string; name?: string | null; onJoin: (entry: Entry) => void }) {
  const t = useT();
  const prefs = usePrefs();
  const capture = captureSupport() === 'ok';
  const [name, setName] = useState(suggested || prefs.name);
  const [missing, setMissing] = useState(false);
  const camera = usePreview('camera', capture && prefs.camera);
  const mic = usePreview('mic', capture && prefs.mic);
  const stream = useMemo(() => (camera.track ? new MediaStream([camera.track]) : null), [camera.track]);

  const join = (event: FormEvent): void => {
    event.preventDefault();
    const trimmed = name.trim();
    if (!trimmed) {
      setMissing(true);
      return;
    }
    setPrefs({ name: trimmed });
    onJoin({ name: trimmed, camera: camera.take(), mic: mic.take() });
  };

  return (
    <div className={page['page']}>
      <TopBar />
      <main className={styles['main']}>
        <section className={styles['preview']} aria-label={t('prejoin.preview')}>
          <div className={styles['picture']}>
            <Video stream={stream} mirror={prefs.mirror} className={cx(styles['video'], !stream && styles['hidden'])} />
            {!stream && (
              <div className={styles['empty']}>
                {camera.busy ? <Spinner size={36} /> : <Avatar name={name} size={96} />}
                <p>{camera.busy ? t('prejoin.starting') : prefs.camera && capture ? t('prejoin.noPicture') : t('prejoin.cameraOff')}</p>
              </div>
            )}
            {capture && (
              <div className={styles['toggles']}>
                <DeviceToggle kind="mic" on={prefs.mic} preview={mic} />
                <DeviceToggle kind="camera" on={prefs.camera} preview={camera} />
              </div>
            )}
          </div>
          {capture && <MicLevel track={mic.track} />}
        </section>

        <form className={styles['form']} onSubmit={join} noValidate>
          <div>
            <h1>{t('prejoin.title')}</h1>
            <p className={styles['room']}>
              <Icon name="door" size={18} /> {room}
            </p>
          </div>
          <SecureHint />
          <Field
            label={t('prejoin.name')}
            value={name}
            maxLength={64}
            autoComplete="nickname"
            enterKeyHint="go"
            error={missing ? t('prejoin.nameMissing') : null}
            onChange={(event) => {
              setName(event.target.value);
              setMissing(false);
            }}
          />
          {joinProblems(camera.problem, mic.problem).map(({ kind, code }) => (
            <DeviceHelp
              key={kind}
              kind={kind}
              code={code}
              onRetry={() => {
                if (kind !== 'mic') camera.retry();
                if (kind !== 'camera') mic.retry();
              }}
            />
          ))}
          <Button type="submit" variant="primary" wide className={styles['join']}>
            {capture && (prefs.camera || prefs.mic) ? t('prejoin.join') : t('prejoin.joinOff')}
          </Button>
          {capture && (prefs.camera || prefs.mic) && (
            <Button
              type="submit"
              variant="quiet"
              wide
              onClick={() => {
                camera.take()?.stop();
                mic.take()?.stop();
              }}
            >
              {t('prejoin.joinOff')}
            </Button>
          )}
          {capture && (
            <details className={styles['devices']}>
              <summary>
                <Icon name="settings" size={20} /> {t('prejoin.devices')}
                <Icon name="down" size={18} />
              </summary>
              <div>
                <DeviceSelects />
              </div>
            </details>
          )}
        </form>
      </main>
    </div>
  );
}

function DeviceToggle({ kind, on, preview }: { kind: 'mic' | 'camera'; on: boolean; preview: Preview }) {
  const t = useT();
  const label = t(kind === 'mic' ? (on ? 'mic.off' : 'mic.on') : on ? 'camera.off' : 'camera.on');
  const icon = kind === 'mic' ? (on ? 'mic' : 'micOff') : on ? 'camera' : 'cameraOff';
  return (
    <button
      type="button"
      className={cx(styles['toggle'], !on && styles['off'])}
      aria-label={label}
      title={label}
      onClick={() => setPrefs(kind === 'mic' ? { mic: !on } : { camera: !on })}
    >
      <Icon name={icon} />
      {on && preview.problem && (
        <span className={styles['alert']}>
          <Icon name="warning" size={14} />
        </span>
      )}
    </button>
  );
}

function MicLevel({ track }: { track: MediaStreamTrack | null }) {
  const t = useT();
  const [meter, setMeter] = useState<{ level(): number; close(): void } | null>(null);
  useEffect(() => {
    if (!track) return;
    const opened = levelMeter(track);
    setMeter(opened);
    return () => {
      setMeter(null);
      opened.close();
    };
  }, [track]);
  const read = useMemo(() => () => meter?.level() ?? 0, [meter]);
  return (
    <div className={styles['level']}>
      <Icon name={track ? 'mic' : 'micOff'} size={18} />
      <Meter read={read} label={t('prejoin.level')} />
    </div>
  );
}
