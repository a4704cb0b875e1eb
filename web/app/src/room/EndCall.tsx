import { useRoom } from '@parlour/react';
import { useT } from '../i18n/index.ts';
import { Button } from '../ui/Button.tsx';
import { Dialog } from '../ui/Dialog.tsx';
import styles from './EndCall.module.css';

/** Asks once more before the call ends for everybody. */
export default function EndCall({ onClose }: { onClose: () => void }) {
  const t = useT();
  const room = useRoom();
  return (
    <Dialog title={t('host.end')} onClose={onClose}>
      <p>{t('host.endText')}</p>
      <div className={styles['actions']}>
        <Button onClick={onClose}>{t('cancel')}</Button>
        <Button
          variant="danger"
          onClick={() => {
            onClose();
            void room.end().catch(() => undefined);
          }}
        >
          {t('host.endYes')}
        </Button>
      </div>
    </Dialog>
  );
}
