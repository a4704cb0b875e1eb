import { useDevices } from '@parlour/react';
import { useContext } from 'react';
import { ControlsContext } from '../controls/useControls.ts';
import { LANGUAGES, setLanguage, useT } from '../i18n/index.ts';
import { canChooseSpeaker } from '../lib/media.ts';
import { type Prefs, setPrefs, usePrefs } from '../lib/prefs.ts';
import { Dialog } from '../ui/Dialog.tsx';
import { Select } from '../ui/Select.tsx';
import { Switch } from '../ui/Switch.tsx';
import styles from './Settings.module.css';

/** What the person prefers on this device. In a call, devices change at once. */
export default function Settings({ onClose }: { onClose: () => void }) {
  const t = useT();
  const prefs = usePrefs();
  const controls = useContext(ControlsContext);
  const mics = useDevices('mic');
  const cameras = useDevices('camera');
  const speakers = useDevices('speaker');

  const choices = (devices: readonly { id: string; label: string }[]): { value: string; label: string }[] => [
    { value: '', label: t('device.default') },
    ...devices.filter((device) => device.id && device.id !== 'default').map((device) => ({ value: device.id, label: device.label || t('device.unnamed') })),
  ];
  const change = (next: Partial<Prefs>, kind?: 'mic' | 'camera'): void => {
    setPrefs(next);
    if (kind) void controls?.useDevice(kind);
  };

  return (
    <Dialog title={t('settings')} onClose={onClose}>
      <div className={styles['groups']}>
        <section>
          <h3>{t('settings.devices')}</h3>
          <Select label={t('device.mic')} icon="mic" value={prefs.micId} options={choices(mics)} onChange={(micId) => change({ micId }, 'mic')} />
          <Select label={t('device.camera')} icon="camera" value={prefs.cameraId} options={choices(cameras)} onChange={(cameraId) => change({ cameraId }, 'camera')} />
          {canChooseSpeaker && (
            <Select label={t('device.speaker')} icon="volume" value={prefs.speakerId} options={choices(speakers)} onChange={(speakerId) => change({ speakerId })} />
          )}
        </section>
        <section>
          <h3>{t('settings.sound')}</h3>
          <Switch
            label={t('settings.noise')}
            hint={t('settings.noiseHint')}
            checked={prefs.noiseSuppression}
            onChange={(noiseSuppression) => change({ noiseSuppression }, 'mic')}
          />
          <Switch
            label={t('settings.echo')}
            hint={t('settings.echoHint')}
            checked={prefs.echoCancellation}
            onChange={(echoCancellation) => change({ echoCancellation }, 'mic')}
          />
          <Switch label={t('settings.gain')} checked={prefs.autoGain} onChange={(autoGain) => change({ autoGain }, 'mic')} />
        </section>
        <section>
          <h3>{t('settings.view')}</h3>
          <Switch label={t('settings.mirror')} checked={prefs.mirror} onChange={(mirror) => change({ mirror })} />
          <Switch label={t('settings.shortcuts')} checked={prefs.shortcuts} onChange={(shortcuts) => change({ shortcuts })} />
          <Select
            label={t('settings.theme')}
            value={prefs.theme}
            options={(['system', 'light', 'dark'] as const).map((theme) => ({ value: theme, label: t(`settings.theme.${theme}`) }))}
            onChange={(theme) => change({ theme: theme as Prefs['theme'] })}
          />
          <Select
            label={t('settings.language')}
            value={prefs.language}
            options={[{ value: 'auto', label: t('settings.language.auto') }, ...Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }))]}
            onChange={(language) => {
              change({ language });
              void setLanguage(language);
            }}
          />
        </section>
      </div>
    </Dialog>
  );
}
