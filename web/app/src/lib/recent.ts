import { readStored, writeStored } from './prefs.ts';

/** A room that was visited from this device. */
export interface RecentRoom {
  room: string;
  /** When it was left last, in milliseconds since the Unix epoch. */
  time: number;
}

const KEY = 'parlour.recent';
const KEEP = 6;

/** The rooms visited last, newest first. */
export function recentRooms(): RecentRoom[] {
  const stored = readStored(KEY);
  if (!Array.isArray(stored)) return [];
  return stored.filter(
    (entry): entry is RecentRoom => typeof entry?.room === 'string' && typeof entry?.time === 'number',
  );
}

/** Puts a room at the top of the list. */
export function rememberRoom(room: string, time = Date.now()): void {
  const others = recentRooms().filter((entry) => entry.room !== room);
  writeStored(KEY, [{ room, time }, ...others].slice(0, KEEP));
}

/** Takes a room off the list. */
export function forgetRoom(room: string): void {
  writeStored(
    KEY,
    recentRooms().filter((entry) => entry.room !== room),
  );
}
