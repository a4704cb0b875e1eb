// The messages of PeerJS's server, as far as clients exchange them.

export type Kind = 'data' | 'media';

/** What an offer, an answer or a candidate says about its connection. */
export interface Payload {
  connectionId: string;
  type?: Kind;
  sdp?: RTCSessionDescriptionInit;
  candidate?: RTCIceCandidateInit;
  metadata?: unknown;
  label?: string;
  reliable?: boolean;
  serialization?: string;
}

export type Outgoing =
  | { type: 'OFFER' | 'ANSWER' | 'CANDIDATE'; dst: string; payload: Payload }
  | { type: 'HEARTBEAT' };

export interface Incoming {
  type: string;
  src?: string;
  payload?: Partial<Payload> & { msg?: string };
}

/** A name that nobody else uses. `crypto.randomUUID` is there on secure pages only. */
export function token(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(36).padStart(2, '0')).join('');
}
