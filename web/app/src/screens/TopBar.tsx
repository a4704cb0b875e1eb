import { useT } from '../i18n/index.ts';
import { navigate } from '../lib/router.ts';
import { Logo } from '../ui/Logo.tsx';
import { AppMenu } from './AppMenu.tsx';
import styles from './Page.module.css';

/** The line above a page outside of a call: the way home, and the menu. */
export function TopBar() {
  const t = useT();
  return (
    <header className={styles['top']}>
      <a
        href="/"
        className={styles['home']}
        onClick={(event) => {
          event.preventDefault();
          navigate('/');
        }}
      >
        <Logo />
        <span className="visually-hidden"> – {t('home.go')}</span>
      </a>
      <AppMenu />
    </header>
  );
}
