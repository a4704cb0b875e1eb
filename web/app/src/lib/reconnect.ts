import type { Connection, PeerSnapshot } from '@parlour/client';

/** A cut shorter than this is not worth a word. */
export const QUIET_MS = 2_000;
/** After this the person is told that it is offline, and when it is tried again. */
export const OFFLINE_MS = 10_000;

/** What to say about the connection to the server. */
export type Banner = { kind: 'none' } | { kind: 'reconnecting' } | { kind: 'offline'; retryIn: number | null };

/** What to say at `now`: nothing for 2 s, "Reconnecting…" until 10 s, then "Offline", with the seconds to the next try. */
export function bannerFor(connection: Connection, now: number): Banner {
  if (connection.state === 'connected') return { kind: 'none' };
  const lasted = now - connection.since;
  if (lasted < QUIET_MS) return { kind: 'none' };
  if (lasted < OFFLINE_MS) return { kind: 'reconnecting' };
  return {
    kind: 'offline',
    retryIn: connection.retryAt === null ? null : Math.max(0, Math.ceil((connection.retryAt - now) / 1000)),
  };
}

/** Whether a participant's picture is to be dimmed at `now`: its media has been broken for longer than a moment. */
export function mediaIsCut(peer: Pick<PeerSnapshot, 'connection' | 'connectionSince'>, now: number): boolean {
  return peer.connection === 'reconnecting' && now - peer.connectionSince >= QUIET_MS;
}
