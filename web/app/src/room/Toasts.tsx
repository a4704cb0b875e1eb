import { useEffect, useRef } from 'react';
import { useT } from '../i18n/index.ts';
import { Button } from '../ui/Button.tsx';
import { cx } from '../ui/cx.ts';
import { Icon } from '../ui/Icon.tsx';
import { IconButton } from '../ui/IconButton.tsx';
import styles from './Toasts.module.css';
import type { Toast } from './ui.ts';

const SHOWN_MS = 5_000;
const SHOWN_WITH_ACTION_MS = 10_000;

/** Short messages over the stage, read aloud. */
export function Toasts({ toasts, onClose }: { toasts: Toast[]; onClose: (id: number) => void }) {
  return (
    <div className={styles['stack']} role="status">
      {toasts.map((toast) => (
        <OneToast key={toast.id} toast={toast} onClose={onClose} />
      ))}
    </div>
  );
}

function OneToast({ toast, onClose }: { toast: Toast; onClose: (id: number) => void }) {
  const t = useT();
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (toast.sticky) return;
    const period = toast.action ? SHOWN_WITH_ACTION_MS : SHOWN_MS;
    let timer: ReturnType<typeof setTimeout>;
    const close = (): void => {
      // It does not vanish under the pointer or the keyboard focus.
      if (ref.current?.matches(':hover, :focus-within')) timer = setTimeout(close, 1_000);
      else onClose(toast.id);
    };
    timer = setTimeout(close, period);
    return () => clearTimeout(timer);
  }, [toast, onClose]);
  return (
    <div ref={ref} className={cx(styles['toast'], toast.tone === 'warn' && styles['warn'])}>
      <Icon name={toast.icon} size={20} />
      <p>{toast.text}</p>
      {toast.action && (
        <Button
          variant="quiet"
          onClick={() => {
            toast.action?.run();
            onClose(toast.id);
          }}
        >
          {toast.action.label}
        </Button>
      )}
      <IconButton icon="close" size={18} label={t('dismiss')} onClick={() => onClose(toast.id)} />
    </div>
  );
}
