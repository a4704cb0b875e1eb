import { ParlourError } from './errors.ts';
import { Call, type Address } from './room.ts';
import type { JoinOptions, Room } from './types.ts';

/**
 * Joins the room that `url` links to (`https://host/r/room`). Resolves when the server has let this participant in, or to its waiting room
 * (then `status` is `waiting`). Rejects with a {@link ParlourError}, or with the reason of `options.signal`.
 *
 * Devices are opened before the room is entered; if one cannot be opened, `join` rejects with that device's error.
 */
export async function join(url: string | URL, options: JoinOptions = {}): Promise<Room> {
  if (typeof RTCPeerConnection === 'undefined') {
    throw new ParlourError('unsupported_browser', 'This browser cannot make calls. Use a current Chrome, Edge, Firefox or Safari.');
  }
  const call = new Call(parse(url), options);
  await call.enter();
  return call;
}

function parse(url: string | URL): Address {
  let link: URL;
  try {
    link = new URL(url, globalThis.location?.href);
  } catch {
    throw new ParlourError('bad_url', `“${String(url)}” is not a link to a room. It looks like https://host/r/room.`);
  }
  const [, base, room] = /^(.*?)\/r\/([^/]+)\/?$/.exec(link.pathname) ?? [];
  if (base === undefined || room === undefined || !/^https?:$/.test(link.protocol)) {
    throw new ParlourError('bad_url', `“${link.href}” is not a link to a room. It looks like https://host/r/room.`);
  }
  const socket = new URL(`${base}/v1/ws`, link);
  socket.protocol = link.protocol === 'https:' ? 'wss:' : 'ws:';
  return { link: `${link.origin}${base}/r/${room}`, room: decodeURIComponent(room), socket: socket.href };
}
