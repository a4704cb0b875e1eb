import { type KeyboardEvent, type ReactNode, useId, useRef, useState } from 'react';
import { cx } from './cx.ts';
import { Icon, type IconName } from './Icon.tsx';
import styles from './Menu.module.css';

/** One line of a menu. */
export type MenuItem =
  | { kind?: 'action'; id: string; label: string; icon?: IconName; danger?: boolean; disabled?: boolean; hint?: string; onSelect: () => void }
  | { kind: 'choice'; id: string; label: string; checked: boolean; onSelect: () => void }
  | { kind: 'heading'; id: string; label: string }
  | { kind: 'line'; id: string };

const GAP = 8;

/** Puts the popover above or below its button, whichever has room, inside the window. */
function place(popover: HTMLElement, button: HTMLElement): void {
  const anchor = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = popover;
  const above = anchor.top - GAP - height;
  const below = anchor.bottom + GAP;
  const top = anchor.top > innerHeight / 2 && above > GAP ? above : Math.min(below, innerHeight - height - GAP);
  const left = anchor.left + anchor.width / 2 > innerWidth / 2 ? anchor.right - width : anchor.left;
  popover.style.top = `${Math.max(GAP, top)}px`;
  popover.style.left = `${Math.max(GAP, Math.min(left, innerWidth - width - GAP))}px`;
}

/** A button that opens a menu (WAI-ARIA menu button). */
export function Menu({
  label,
  items,
  className,
  children,
  onOpen,
}: {
  label: string;
  items: MenuItem[] | (() => MenuItem[]);
  className?: string;
  children: ReactNode;
  onOpen?: () => void;
}) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const popover = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);

  const entries = (): HTMLElement[] => [
    ...(popover.current?.querySelectorAll<HTMLElement>('[role^=menuitem]:not(:disabled)') ?? []),
  ];

  const move = (event: KeyboardEvent): void => {
    const list = entries();
    const at = list.indexOf(document.activeElement as HTMLElement);
    const next =
      event.key === 'ArrowDown' ? at + 1 : event.key === 'ArrowUp' ? at - 1 : event.key === 'Home' ? 0 : event.key === 'End' ? -1 : null;
    if (event.key === 'Tab') {
      event.preventDefault();
      popover.current?.hidePopover();
    }
    if (next === null) return;
    event.preventDefault();
    list.at(next % list.length)?.focus();
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        className={className}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open}
        popoverTarget={id}
      >
        {children}
      </button>
      <div
        ref={popover}
        id={id}
        popover="auto"
        role="menu"
        aria-label={label}
        className={styles['menu']}
        onKeyDown={move}
        onToggle={(event) => {
          const opened = event.newState === 'open';
          setOpen(opened);
          if (opened) {
            onOpen?.();
            requestAnimationFrame(() => {
              if (popover.current && button.current) place(popover.current, button.current);
              entries()[0]?.focus({ preventScroll: true });
            });
          }
        }}
      >
        {open &&
          (typeof items === 'function' ? items() : items).map((item) => (
            <MenuLine key={item.id} item={item} close={() => popover.current?.hidePopover()} />
          ))}
      </div>
    </>
  );
}

function MenuLine({ item, close }: { item: MenuItem; close: () => void }) {
  if (item.kind === 'line') return <hr className={styles['line']} />;
  if (item.kind === 'heading') {
    return (
      <div role="presentation" className={styles['heading']}>
        {item.label}
      </div>
    );
  }
  const select = (): void => {
    close();
    item.onSelect();
  };
  if (item.kind === 'choice') {
    return (
      <button type="button" role="menuitemradio" aria-checked={item.checked} tabIndex={-1} className={styles['item']} onClick={select}>
        <span className={styles['mark']}>{item.checked && <Icon name="check" size={18} />}</span>
        <span className={styles['label']}>{item.label}</span>
      </button>
    );
  }
  return (
    <button
      type="button"
      role="menuitem"
      tabIndex={-1}
      disabled={item.disabled}
      className={cx(styles['item'], item.danger && styles['danger'])}
      onClick={select}
    >
      <span className={styles['mark']}>{item.icon && <Icon name={item.icon} size={20} />}</span>
      <span className={styles['label']}>{item.label}</span>
      {item.hint && (
        <kbd className={styles['hint']} aria-hidden="true">
          {item.hint}
        </kbd>
      )}
    </button>
  );
}
