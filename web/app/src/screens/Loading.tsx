import { useT } from '../i18n/index.ts';
import { Spinner } from '../ui/Spinner.tsx';
import styles from './Page.module.css';

/** Shown while a part of the app loads. */
export function Loading() {
  const t = useT();
  return (
    <main className={styles['centre']} role="status">
      <Spinner size={36} />
      <span className="visually-hidden">{t('loading')}</span>
    </main>
  );
}
