import { type ReactNode, useId } from 'react';
import { cx } from './cx.ts';
import { Icon, type IconName } from './Icon.tsx';
import styles from './Select.module.css';

/** A choice among few, by the browser's own list. */
export function Select({
  label,
  value,
  options,
  onChange,
  icon,
  hideLabel,
  disabled,
  hint,
}: {
  label: string;
  value: string;
  options: { value: string; label: string }[];
  onChange: (value: string) => void;
  icon?: IconName;
  hideLabel?: boolean;
  disabled?: boolean;
  hint?: ReactNode;
}) {
  const id = useId();
  return (
    <div className={styles['field']}>
      <label htmlFor={id} className={hideLabel ? 'visually-hidden' : undefined}>
        {label}
      </label>
      <div className={cx(styles['box'], icon && styles['withIcon'])}>
        {icon && (
          <span className={styles['icon']}>
            <Icon name={icon} size={20} />
          </span>
        )}
        <select id={id} value={value} disabled={disabled} onChange={(event) => onChange(event.target.value)}>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
        <span className={styles['arrow']}>
          <Icon name="down" size={18} />
        </span>
      </div>
      {hint && <p className={styles['hint']}>{hint}</p>}
    </div>
  );
}
