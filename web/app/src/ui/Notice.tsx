import type { ReactNode } from 'react';
import { cx } from './cx.ts';
import { Icon, type IconName } from './Icon.tsx';
import styles from './Notice.module.css';

/** A box that says something important in place. */
export function Notice({
  icon,
  title,
  tone = 'info',
  role,
  children,
}: {
  icon: IconName;
  title: ReactNode;
  tone?: 'info' | 'warn' | 'danger';
  role?: 'alert' | 'status';
  children?: ReactNode;
}) {
  return (
    <div className={cx(styles['notice'], styles[tone])} role={role}>
      <Icon name={icon} />
      <div className={styles['body']}>
        <strong>{title}</strong>
        {children}
      </div>
    </div>
  );
}
