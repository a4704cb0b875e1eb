import { hueOf, initials } from '../lib/format.ts';
import styles from './Avatar.module.css';

/** Initials on a colour of the name's own, where there is no picture. */
export function Avatar({ name, size }: { name: string; size?: number }) {
  const style = { '--hue': hueOf(name), ...(size ? { width: size, height: size, fontSize: size * 0.38 } : {}) };
  return (
    <span className={styles['avatar']} style={style} aria-hidden="true">
      {initials(name) || '?'}
    </span>
  );
}
