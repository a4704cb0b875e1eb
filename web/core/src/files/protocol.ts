// The messages on the data channel `parlour-file`, version 1. FILES.md specifies them for other implementations.

/** What is sent as text, in JSON. */
export type Control =
  | { t: 'offer'; v: 1; id: string; n: number; name: string; size: number; type: string }
  | { t: 'accept'; id: string; offset: number }
  | { t: 'decline'; id: string }
  | { t: 'ack'; id: string; offset: number }
  | { t: 'pause'; id: string }
  | { t: 'go'; id: string }
  | { t: 'end'; id: string; hash: string }
  | { t: 'done'; id: string }
  | { t: 'cancel'; id: string; code: CancelCode };

export type CancelCode = 'cancelled' | 'corrupt' | 'unwritable' | 'unreadable';

/** Longest frame, header included. */
export const FRAME = 65_536;
export const HEADER = 16;
/** How far the sender may run ahead of what the receiver has stored. */
export const WINDOW = 8 * 1024 * 1024;
/** How often the receiver says what it has stored. */
export const ACK_EVERY = 512 * 1024;

/**
 * A piece of a file:
 *
 *     | 1 (u8) | 0 0 0 | transfer number n (u32) | offset in the file (u64) | bytes … |
 */
export function encodeFrame(n: number, offset: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(HEADER + bytes.length);
  const view = new DataView(frame.buffer);
  view.setUint8(0, 1);
  view.setUint32(4, n);
  view.setBigUint64(8, BigInt(offset));
  frame.set(bytes, HEADER);
  return frame;
}

/** The parts of a frame; `bytes` borrows from `data`. `null` for what is none of this version. */
export function decodeFrame(data: ArrayBuffer): { n: number; offset: number; bytes: Uint8Array<ArrayBuffer> } | null {
  if (data.byteLength < HEADER) return null;
  const view = new DataView(data);
  if (view.getUint8(0) !== 1) return null;
  return { n: view.getUint32(4), offset: Number(view.getBigUint64(8)), bytes: new Uint8Array(data, HEADER) };
}

/** A control message, if `text` is one. */
export function decodeControl(text: string): Control | null {
  try {
    const message = JSON.parse(text) as Control | null;
    return typeof message?.t === 'string' && typeof message.id === 'string' ? message : null;
  } catch {
    return null;
  }
}
