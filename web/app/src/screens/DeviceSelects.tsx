import { useDevices } from '@parlour/react';
import { useT } from '../i18n/index.ts';
import { canChooseSpeaker, type DeviceKind } from '../lib/media.ts';
import { setPrefs, usePrefs } from '../lib/prefs.ts';
import { Select } from '../ui/Select.tsx';

/** Which microphone, camera and speaker are used. `onChange` is told when one that is sent from was chosen. */
export function DeviceSelects({ onChange }: { onChange?: (kind: DeviceKind) => void }) {
  const t = useT();
  const prefs = usePrefs();
  const mics = useDevices('mic');
  const cameras = useDevices('camera');
  const speakers = useDevices('speaker');

  const choices = (devices: readonly { id: string; label: string }[]): { value: string; label: string }[] => [
    { value: '', label: t('device.default') },
    ...devices.filter((device) => device.id && device.id !== 'default').map((device) => ({ value: device.id, label: device.label || t('device.unnamed') })),
  ];
  return (
    <>
      <Select
        label={t('device.mic')}
        icon="mic"
        value={prefs.micId}
        options={choices(mics)}
        onChange={(micId) => {
          setPrefs({ micId });
          onChange?.('mic');
        }}
      />
      <Select
        label={t('device.camera')}
        icon="camera"
        value={prefs.cameraId}
        options={choices(cameras)}
        onChange={(cameraId) => {
          setPrefs({ cameraId });
          onChange?.('camera');
        }}
      />
      {canChooseSpeaker && speakers.length > 0 && (
        <Select label={t('device.speaker')} icon="volume" value={prefs.speakerId} options={choices(speakers)} onChange={(speakerId) => setPrefs({ speakerId })} />
      )}
    </>
  );
}
