import styles from './Logo.module.css';

/** The name of the house. */
export function Logo({ size = 30 }: { size?: number }) {
  return (
    <span className={styles['logo']}>
      <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
        <rect width="32" height="32" rx="9" fill="var(--accent)" />
        <g fill="none" stroke="var(--accent-ink)" strokeWidth="2.6" strokeLinecap="round">
          <path d="M8 22V13a8 8 0 0 1 16 0v9" />
          <path d="M11.2 22a4.8 4.8 0 0 1 9.6 0" />
        </g>
        <circle cx="16" cy="14.5" r="2.7" fill="var(--accent-ink)" />
      </svg>
      <span>Parlour</span>
    </span>
  );
}
