import { useContext } from 'react';
import { ControlsContext } from '../controls/useControls.ts';
import { LANGUAGES, setLanguage, useT } from '../i18n/index.ts';
import type { DeviceKind } from '../lib/media.ts';
import { type Prefs, setPrefs, usePrefs } from '../lib/prefs.ts';
import { Dialog } from '../ui/Dialog.tsx';
import { Select } from '../ui/Select.tsx';
import { Switch } from '../ui/Switch.tsx';
import { DeviceSelects } from './DeviceSelects.tsx';
import styles from './Settings.module.css';

/** What the person prefers on this device. In a call, devices change at once. */
export default function Settings({ onClose }: { onClose: () => void }) {
  const t = useT();
  const prefs = usePrefs();
  const controls = useContext(ControlsContext);
  const use = (kind: DeviceKind): void => void controls?.useDevice(kind);
  const change = (next: Partial<Prefs>, kind?: DeviceKind): void => {
    setPrefs(next);
    if (kind) use(kind);
  };

  return (
    <Dialog title={t('settings')} onClose={onClose}>
      <div className={styles['groups']}>
        <section>
          <h3>{t('settings.devices')}</h3>
          <DeviceSelects onChange={use} />
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
