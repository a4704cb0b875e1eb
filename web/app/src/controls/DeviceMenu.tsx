import { useDevices } from '@parlour/react';
import { useT } from '../i18n/index.ts';
import { canChooseSpeaker } from '../lib/media.ts';
import { setPrefs, usePrefs } from '../lib/prefs.ts';
import { useRoomUi } from '../room/ui.ts';
import { Icon } from '../ui/Icon.tsx';
import { Menu, type MenuItem } from '../ui/Menu.tsx';
import styles from './DeviceMenu.module.css';
import { useControls } from './useControls.ts';

/** Changes the microphone and speaker, or the camera, during the call. */
export function DeviceMenu({ kind }: { kind: 'mic' | 'camera' }) {
  const t = useT();
  const ui = useRoomUi();
  const prefs = usePrefs();
  const controls = useControls();
  const devices = useDevices(kind);
  const speakers = useDevices('speaker');
  const chosen = kind === 'mic' ? prefs.micId : prefs.cameraId;

  const choice = (id: string, label: string, checked: boolean, onSelect: () => void): MenuItem => ({ kind: 'choice', id, label, checked, onSelect });
  const items = (): MenuItem[] => [
    { kind: 'heading', id: 'devices', label: t(kind === 'mic' ? 'device.mic' : 'device.camera') },
    ...devices
      .filter((device) => device.id)
      .map((device, index) =>
        choice(device.id, device.label || `${t('device.unnamed')} ${index + 1}`, device.id === chosen || (!chosen && index === 0), () => {
          setPrefs(kind === 'mic' ? { micId: device.id } : { cameraId: device.id });
          void controls.useDevice(kind);
        }),
      ),
    ...(kind === 'mic' && canChooseSpeaker && speakers.length > 0
      ? [
          { kind: 'heading' as const, id: 'speakers', label: t('device.speaker') },
          ...speakers.map((device, index) =>
            choice(`s-${device.id}`, device.label || `${t('device.unnamed')} ${index + 1}`, device.id === prefs.speakerId || (!prefs.speakerId && index === 0), () =>
              setPrefs({ speakerId: device.id }),
            ),
          ),
        ]
      : []),
    { kind: 'line', id: 'line' },
    { id: 'settings', icon: 'settings', label: t('settings'), onSelect: () => ui.openDialog('settings') },
  ];
  return (
    <Menu label={t(kind === 'mic' ? 'device.chooseMic' : 'device.chooseCamera')} className={styles['button']} items={items}>
      <Icon name="up" size={16} />
    </Menu>
  );
}
