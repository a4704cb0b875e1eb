import { useSyncExternalStore } from 'react';

/** Where the person is: one value for each kind of page. */
export type Route =
  | { page: 'home' }
  | { page: 'room'; room: string; query: URLSearchParams }
  | { page: 'check' }
  | { page: 'unknown'; path: string };

const ROOM_NAME = /^[\p{L}\p{N}._-]{1,128}$/u;

/** Reads a route out of a path and query. */
export function parseRoute(path: string, search = ''): Route {
  if (path === '/' || path === '') return { page: 'home' };
  if (path === '/check' || path === '/check/') return { page: 'check' };
  const room = /^\/r\/([^/]+)\/?$/.exec(path)?.[1];
  if (room !== undefined) {
    const name = decode(room).toLowerCase();
    if (ROOM_NAME.test(name)) return { page: 'room', room: name, query: new URLSearchParams(search) };
  }
  return { page: 'unknown', path };
}

/** The path of a room. */
export function roomPath(room: string): string {
  return `/r/${encodeURIComponent(room)}`;
}

/** The link that others open to come into a room. */
export function roomLink(room: string): string {
  return new URL(roomPath(room), location.origin).href;
}

/**
 * What a person means who types `text` where a room is asked for: a link to a room of any server, or a room's name.
 * Spaces become dashes. `null` when it cannot be a room.
 */
export function readRoomInput(text: string): { room: string; origin: string | null } | null {
  const trimmed = text.trim();
  const link = /^https?:\/\//i.test(trimmed) ? tryUrl(trimmed) : null;
  if (link) {
    const route = parseRoute(link.pathname);
    return route.page === 'room' ? { room: route.room, origin: link.origin } : null;
  }
  const name = (/\/r\/([^/?#]+)/.exec(trimmed)?.[1] ?? trimmed).replace(/\s+/g, '-').toLowerCase();
  return ROOM_NAME.test(name) ? { room: name, origin: null } : null;
}

function tryUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  addEventListener('popstate', listener);
  return () => {
    listeners.delete(listener);
    removeEventListener('popstate', listener);
  };
}

/** Goes to a path of this app without loading the page again. */
export function navigate(path: string, options: { replace?: boolean } = {}): void {
  if (options.replace) history.replaceState(null, '', path);
  else history.pushState(null, '', path);
  for (const listener of listeners) listener();
}

/** The path and query of the page, kept up to date. */
export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname + location.search);
}
