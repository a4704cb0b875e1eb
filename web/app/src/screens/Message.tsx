import { type ReactNode, useEffect, useRef } from 'react';
import { Icon, type IconName } from '../ui/Icon.tsx';
import { Logo } from '../ui/Logo.tsx';
import styles from './Page.module.css';

/** A page with one message and what to do next. Takes the focus, so that a screen reader reads it. */
export function Message({ icon, title, text, children }: { icon: IconName; title: string; text?: ReactNode; children?: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), [title]);
  return (
    <div className={styles['page']}>
      <header className={styles['top']}>
        <Logo />
      </header>
      <main className={styles['centre']}>
        <div className={styles['message']}>
          <span className={styles['medal']}>
            <Icon name={icon} size={30} />
          </span>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {text && <p className={styles['lead']}>{text}</p>}
          <div className={styles['actions']}>{children}</div>
        </div>
      </main>
    </div>
  );
}
