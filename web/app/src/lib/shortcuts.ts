/** What a key does in a call. */
export type Action = 'mic' | 'camera' | 'hand' | 'chat' | 'screen' | 'fullscreen' | 'help';

const KEYS: Record<string, Action> = {
  m: 'mic',
  v: 'camera',
  h: 'hand',
  c: 'chat',
  s: 'screen',
  f: 'fullscreen',
  '?': 'help',
};

const TYPING = 'input:not([type=checkbox]):not([type=radio]):not([type=range]),textarea,select,[contenteditable=true]';
const PRESSABLE = 'button,a[href],summary,input,select,textarea,[role=button],[role=menuitem],[role=option],[role=tab]';

export interface ShortcutHandlers {
  onAction(action: Action): void;
  /** Push to talk: `true` while the space bar is held. */
  onTalk(talking: boolean): void;
}

function inside(event: KeyboardEvent, selector: string): boolean {
  const target = event.composedPath()[0] ?? event.target;
  return target instanceof Element && target.closest(selector) !== null;
}

/**
 * Listens for the shortcuts of a call on `target`. Returns what stops it.
 *
 * Keys with a modifier, keys typed into a field and keys in an open dialog are left alone. The space bar still presses a focused button.
 * Talking ends with the key, and also when the window loses the keyboard, because then no key-up comes.
 */
export function listenForShortcuts(target: Window, handlers: ShortcutHandlers): () => void {
  let talking = false;
  const endTalk = (): void => {
    if (!talking) return;
    talking = false;
    handlers.onTalk(false);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (inside(event, TYPING) || inside(event, 'dialog[open]')) return;
    if (event.key === ' ') {
      if (inside(event, PRESSABLE)) return;
      event.preventDefault();
      if (event.repeat || talking) return;
      talking = true;
      handlers.onTalk(true);
      return;
    }
    const action = KEYS[event.key.toLowerCase()];
    if (action === undefined || event.repeat || (event.shiftKey && event.key !== '?')) return;
    event.preventDefault();
    handlers.onAction(action);
  };
  const onKeyUp = (event: KeyboardEvent): void => {
    if (event.key === ' ') endTalk();
  };
  target.addEventListener('keydown', onKeyDown);
  target.addEventListener('keyup', onKeyUp);
  target.addEventListener('blur', endTalk);
  return () => {
    endTalk();
    target.removeEventListener('keydown', onKeyDown);
    target.removeEventListener('keyup', onKeyUp);
    target.removeEventListener('blur', endTalk);
  };
}
