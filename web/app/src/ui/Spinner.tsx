import styles from './Spinner.module.css';

/** Says that something goes on. The text beside it says what. */
export function Spinner({ size = 24 }: { size?: number }) {
  return <span className={styles['spinner']} style={{ width: size, height: size }} aria-hidden="true" />;
}
