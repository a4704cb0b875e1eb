import { type ReactNode, useEffect, useId, useRef } from 'react';
import { useT } from '../i18n/index.ts';
import { cx } from './cx.ts';
import styles from './Dialog.module.css';
import { IconButton } from './IconButton.tsx';

/** A modal dialog. Mount it to open it; `onClose` is called when it closes, by its button, Escape or a click beside it. */
export function Dialog({
  title,
  wide,
  onClose,
  children,
}: {
  title: string;
  wide?: boolean;
  onClose: () => void;
  children: ReactNode;
}) {
  const t = useT();
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();

  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);

  return (
    <dialog
      ref={ref}
      className={cx(styles['dialog'], wide && styles['wide'])}
      aria-labelledby={titleId}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === ref.current) ref.current?.close();
      }}
    >
      <div className={styles['frame']}>
        <header className={styles['head']}>
          <h2 id={titleId}>{title}</h2>
          <IconButton icon="close" label={t('close')} onClick={() => ref.current?.close()} />
        </header>
        <div className={styles['body']} tabIndex={-1}>
          {children}
        </div>
      </div>
    </dialog>
  );
}
