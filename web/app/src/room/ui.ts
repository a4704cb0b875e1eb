import { createContext, useContext } from 'react';
import type { IconName } from '../ui/Icon.tsx';

/** Which panel is open beside the stage. */
export type Panel = 'chat' | 'people' | 'files';

/** How the tiles are laid out. `auto`: two people face to face, a shared screen large, else a grid. */
export type Layout = 'auto' | 'grid' | 'speaker';

/** Which dialog is open. */
export type DialogName = 'invite' | 'settings' | 'stats' | 'shortcuts' | 'end';

/** A short message over the stage. */
export interface Toast {
  id: number;
  icon: IconName;
  text: string;
  tone?: 'info' | 'warn';
  /** A button that does something about it. */
  action?: { label: string; run: () => void };
  /** Stays until it is closed. */
  sticky?: boolean;
  /** The panel that shows the same: the message goes when it opens. */
  panel?: Panel;
}

/** What the parts of the room screen share beside the call itself. */
export interface RoomUi {
  panel: Panel | null;
  openPanel(panel: Panel | null): void;
  layout: Layout;
  setLayout(layout: Layout): void;
  /** The key of the tile that is held large, see `tileKey`. */
  pinned: string | null;
  setPinned(key: string | null): void;
  dialog: DialogName | null;
  openDialog(dialog: DialogName | null): void;
  /** The person to whom the next chat message or file goes; `null` for all. */
  recipient: string | null;
  setRecipient(peer: string | null): void;
  toast(toast: Omit<Toast, 'id'>): void;
  unread: number;
}

export const RoomUiContext = createContext<RoomUi | null>(null);

/** The room screen's own state. */
export function useRoomUi(): RoomUi {
  const ui = useContext(RoomUiContext);
  if (!ui) throw new Error('useRoomUi outside of the room screen');
  return ui;
}
