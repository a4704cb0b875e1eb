import type { ErrorCode as ServerCode } from './protocol.gen.ts';

/** What may go wrong on this side of the wire, in words that stay the same over versions. */
export type ClientCode =
  /** The server could not be reached in time. */
  | 'unreachable'
  /** The address does not name a room. */
  | 'bad_url'
  /** The server's answer was lost: it may have done what was asked, or refused it. */
  | 'unknown_outcome'
  /** The session is over; the call can no longer be used. */
  | 'closed'
  /** This browser has no WebRTC. */
  | 'unsupported_browser'
  /** The page was not loaded over HTTPS (or from this machine), so the browser gives no camera, microphone or screen. */
  | 'insecure_origin'
  /** The person or the system refused the device. */
  | 'permission_denied'
  /** There is no such device. */
  | 'no_device'
  /** Another program uses the device. */
  | 'device_in_use'
  /** No device can do what was asked. */
  | 'overconstrained'
  /** The device failed for another reason. */
  | 'device_failed'
  /** The person closed the browser's screen picker. */
  | 'screen_cancelled'
  /** The other side declined the file. */
  | 'file_declined'
  /** One side cancelled the transfer. */
  | 'file_cancelled'
  /** The file changed or vanished while it was sent. */
  | 'file_unreadable'
  /** What arrived is not what was sent. */
  | 'file_corrupt'
  /** The file could not be stored. */
  | 'file_unwritable'
  /** The other participant left. */
  | 'peer_gone';

/** How a session may end, as the server says it. */
export type EndCode = 'left' | 'timeout' | 'kicked' | 'rejected' | 'ended' | 'replaced' | 'expired' | 'misbehaved';

/** Every word that {@link ParlourError.code} may be. */
export type ErrorCode = ServerCode | ClientCode | EndCode;

/** What was refused or failed. `code` is for programs and stays the same; `message` is English and tells a person what to do. */
export class ParlourError extends Error {
  override readonly name = 'ParlourError';
  /** What was wrong. */
  readonly code: ErrorCode;
  /** When to try again, in milliseconds, where the server says so. */
  readonly retryMs: number | undefined;

  constructor(code: ErrorCode, message: string, options?: { retryMs?: number | undefined; cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryMs = options?.retryMs;
  }
}
