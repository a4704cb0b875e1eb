import { cx } from '../ui/cx.ts';
import { Icon, type IconName } from '../ui/Icon.tsx';
import { Spinner } from '../ui/Spinner.tsx';
import styles from './BarButton.module.css';

/** A round button of the control bar. */
export function BarButton({
  icon,
  label,
  hint,
  off,
  active,
  expanded,
  busy,
  disabled,
  alert,
  badge = 0,
  count,
  quiet,
  onClick,
}: {
  icon: IconName;
  label: string;
  /** The key that does the same. */
  hint?: string;
  /** A source that is switched off. */
  off?: boolean;
  /** Something that is going on. */
  active?: boolean;
  /** It opens something, which is open. */
  expanded?: boolean;
  busy?: boolean;
  disabled?: boolean;
  /** Something about it needs a look. */
  alert?: boolean;
  badge?: number;
  count?: number;
  quiet?: boolean;
  onClick: () => void;
}) {
  return (
    <button
      type="button"
      className={cx(styles['button'], off && styles['off'], (active || expanded) && styles['active'], quiet && styles['quiet'])}
      aria-label={label}
      title={hint ? `${label} (${hint})` : label}
      aria-keyshortcuts={hint}
      aria-expanded={expanded}
      aria-busy={busy || undefined}
      disabled={disabled}
      onClick={onClick}
    >
      {busy ? <Spinner size={22} /> : <Icon name={icon} size={24} />}
      {/* Numbers for the eye only: the name says them with what they count. */}
      {count !== undefined && <span className={styles['count']} data-text={count} aria-hidden="true" />}
      {(badge > 0 || alert) && (
        <span className={cx(styles['badge'], alert && styles['alert'])} data-text={alert ? '!' : badge > 99 ? '99+' : badge} aria-hidden="true" />
      )}
    </button>
  );
}
