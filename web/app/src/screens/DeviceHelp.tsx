import { useT } from '../i18n/index.ts';
import { deviceKey, type Troubled } from '../lib/media.ts';
import { helpFor } from '../lib/problems.ts';
import { Button } from '../ui/Button.tsx';
import { Notice } from '../ui/Notice.tsx';

/** Why a microphone, a camera or both do not work, and what to do. The call is possible without. */
export function DeviceHelp({ kind, code, onRetry }: { kind: Troubled; code: string; onRetry: () => void }) {
  const t = useT();
  const help = helpFor(code);
  const device = t(deviceKey(kind));
  return (
    <Notice icon={kind === 'mic' ? 'micOff' : 'cameraOff'} title={t(help.title, { device })} tone="warn" role="status">
      <p>{t(help.text, { device })}</p>
      {help.remedies.includes('retry') && <Button onClick={onRetry}>{t('retry')}</Button>}
    </Notice>
  );
}
