// Perfect negotiation (W3C webrtc-pc §10.7) on one RTCPeerConnection, with trickled candidates (RFC 8838).

import type { SdpKind } from '../protocol.gen.ts';

export interface NegotiationHandlers {
  /** Sends a description to the other side. */
  sdp(kind: SdpKind, sdp: string): void;
  /** Before an answer is made: the moment to take over what the offer brings. */
  answering(): void;
  /** While an answer is made: the moment to attach what is sent. Before, it would hold the answer up. */
  attach(): void;
  /** The other side answered. */
  answered(): void;
  /**
   * Both sides made a first offer, and this one has to yield. Its transceivers could not be reused for the other's offer (RFC 9429 §5.10),
   * so it has to begin again with a new RTCPeerConnection.
   */
  yield(offer: string): void;
  /** A description (`fatal`: there will be no agreement on this RTCPeerConnection) or a candidate could not be used. */
  failed(error: unknown, fatal: boolean): void;
}

export class Negotiation {
  readonly #pc: RTCPeerConnection;
  readonly #polite: boolean;
  readonly #handlers: NegotiationHandlers;
  #makingOffer = false;
  #ignoring = false;
  #early: (RTCIceCandidateInit | null)[] = [];
  /** Descriptions and candidates are taken one after another, as they came. */
  #queue: Promise<void> = Promise.resolve();

  constructor(pc: RTCPeerConnection, polite: boolean, handlers: NegotiationHandlers) {
    this.#pc = pc;
    this.#polite = polite;
    this.#handlers = handlers;
    pc.onnegotiationneeded = () => void this.#offer();
  }

  /** Makes the first offer at once. The event for it waits until everything else that the connection has been asked for is done. */
  begin(): void {
    void this.#offer();
  }

  receive(kind: SdpKind, sdp: string): void {
    this.#enqueue(() => this.#description(kind, sdp));
  }

  candidate(candidate: RTCIceCandidateInit | null): void {
    this.#enqueue(() => this.#candidate(candidate));
  }

  #enqueue(task: () => Promise<void>): void {
    this.#queue = this.#queue.then(async () => {
      if (this.#pc.signalingState === 'closed') return;
      try {
        await task();
      } catch (error) {
        this.#handlers.failed(error, true);
      }
    });
  }

  async #offer(): Promise<void> {
    try {
      this.#makingOffer = true;
      await this.#pc.setLocalDescription();
      this.#send();
    } catch (error) {
      if (this.#pc.signalingState !== 'closed') this.#handlers.failed(error, true);
    } finally {
      this.#makingOffer = false;
    }
  }

  #send(): void {
    const { localDescription: description, currentLocalDescription: local, currentRemoteDescription: remote } = this.#pc;
    if (description?.type === 'answer') this.#handlers.sdp('answer', withDtx(description.sdp));
    if (description?.type === 'offer') this.#handlers.sdp('offer', withRole(withDtx(description.sdp), local, remote));
  }

  async #description(kind: SdpKind, sdp: string): Promise<void> {
    const pc = this.#pc;
    if (kind === 'rollback') {
      if (pc.signalingState === 'have-remote-offer') await pc.setRemoteDescription({ type: 'rollback', sdp: '' });
      return;
    }
    if (kind === 'answer') {
      // An answer to an offer that was taken back meanwhile means nothing any more.
      if (pc.signalingState !== 'have-local-offer') return;
      await pc.setRemoteDescription({ type: 'answer', sdp });
      this.#handlers.answered();
      return this.#drain();
    }
    const collision = this.#makingOffer || pc.signalingState !== 'stable';
    this.#ignoring = collision && !this.#polite;
    if (this.#ignoring) return;
    if (collision && !pc.currentRemoteDescription) return this.#handlers.yield(sdp);
    await pc.setRemoteDescription({ type: 'offer', sdp });
    this.#handlers.answering();
    const answered = pc.setLocalDescription();
    this.#handlers.attach();
    await answered;
    this.#send();
    await this.#drain();
  }

  async #candidate(candidate: RTCIceCandidateInit | null): Promise<void> {
    if (!this.#pc.remoteDescription) {
      if (!this.#ignoring) this.#early.push(candidate);
      return;
    }
    try {
      await this.#pc.addIceCandidate(candidate ?? undefined);
    } catch (error) {
      // Candidates of an ignored offer, or of the time before an ICE restart, fit nothing here.
      if (!this.#ignoring && this.#pc.signalingState === 'stable' && candidate) this.#handlers.failed(error, false);
    }
  }

  async #drain(): Promise<void> {
    for (const candidate of this.#early.splice(0)) await this.#candidate(candidate);
  }
}

/**
 * Says in a later offer which DTLS role this end has already (RFC 8842 §5.5). Left to choose (`actpass`), Firefox may answer with the role that the other
 * end has, which Chromium refuses.
 */
export function withRole(sdp: string, local: RTCSessionDescription | null | undefined, remote: RTCSessionDescription | null | undefined): string {
  const answer = local?.type === 'answer' ? local : remote;
  const [, chosen] = /^a=setup:(active|passive)/m.exec(answer?.sdp ?? '') ?? [];
  if (!chosen) return sdp;
  const active = (chosen === 'active') === (answer === local);
  return sdp.replace(/^a=setup:actpass/gm, `a=setup:${active ? 'active' : 'passive'}`);
}

/** Asks the other side's Opus encoder to send next to nothing in silence (RFC 7587 §7, `usedtx`). */
export function withDtx(sdp: string): string {
  return sdp.replace(/^(a=fmtp:\d+ (?:.*;)?useinbandfec=1)(?!.*usedtx)/gm, '$1;usedtx=1');
}
