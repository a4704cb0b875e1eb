import { useT } from '../i18n/index.ts';
import { Button } from '../ui/Button.tsx';
import { Spinner } from '../ui/Spinner.tsx';
import styles from './Page.module.css';

/** While the server is asked to let the person in. */
export function Joining({ onCancel }: { onCancel: () => void }) {
  const t = useT();
  return (
    <main className={styles['centre']}>
      <div className={styles['message']} role="status">
        <Spinner size={40} />
        <p className={styles['lead']}>{t('joining')}</p>
        <Button variant="quiet" onClick={onCancel}>
          {t('cancel')}
        </Button>
      </div>
    </main>
  );
}
