// One other participant: what the server says of it, the media connection to it, and its file transfers.

import { Emitter, call } from './emitter.ts';
import { ParlourError } from './errors.ts';
import type { Pipe } from './files/transfer.ts';
import type { Transfers } from './files/transfers.ts';
import type * as Later from './later.ts';
import { UNKNOWN, type Link } from './peer/link.ts';
import type { Peer as PeerInfo } from './protocol.gen.ts';
import type { Peer, PeerEvents, PeerSnapshot, PeerStats, SendFileOptions, Source, Transfer, Unsubscribe, Wanted } from './types.ts';
import { abortable } from './util.ts';

/** How long a change of {@link Participant.want} waits for the next one, so that scrolling sends few messages. */
const WANT_MS = 200;
/** Most messages kept for the part of the library that understands them. Nobody says more before an answer. */
const EARLY = 100;

export interface ParticipantHandlers {
  changed(): void;
  want(peer: string, wanted: Wanted): void;
  link(peer: string): Link;
  /** The part of the library that is loaded later. */
  later(): Promise<typeof Later>;
  transfers(peer: Participant, later: typeof Later): Transfers;
}

export class Participant implements Peer {
  readonly #handlers: ParticipantHandlers;
  readonly #emitter = new Emitter<PeerEvents>();
  #later: typeof Later | null = null;
  #transfers: Transfers | null = null;
  #pipe: Pipe | null = null;
  #early: (string | ArrayBuffer)[] = [];
  #info: PeerInfo;
  #link: Link | null = null;
  #snapshot: PeerSnapshot | null = null;
  #streams: PeerSnapshot['streams'] = {};
  #wanted: Wanted = 'full';
  #wantTimer: ReturnType<typeof setTimeout> | undefined;
  #speaking = false;
  #gone = false;

  constructor(info: PeerInfo, handlers: ParticipantHandlers) {
    this.#info = info;
    this.#handlers = handlers;
  }

  /** The rest of the library is there. */
  equip(later: typeof Later): void {
    this.#later = later;
    this.#transfers = this.#handlers.transfers(this, later);
    this.#transfers.setPipe(this.#pipe, this.#early.splice(0));
    this.#link?.watch(later.Monitor);
  }

  /** The data channel for files is open, or gone. */
  setPipe(pipe: Pipe | null): void {
    this.#pipe = pipe;
    this.#early = [];
    if (this.#transfers) return this.#transfers.setPipe(pipe);
    if (!pipe) return;
    pipe.channel.binaryType = 'arraybuffer';
    pipe.channel.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => this.#early.length < EARLY && this.#early.push(data);
  }

  get id(): string {
    return this.#info.id;
  }

  get name(): string {
    return this.#info.name;
  }

  get info(): PeerInfo {
    return this.#info;
  }

  get link(): Link | null {
    return this.#link;
  }

  on<K extends keyof PeerEvents>(name: K, listener: (event: PeerEvents[K]) => void): Unsubscribe {
    const undo = this.#emitter.on(name, listener);
    if (name === 'stream') {
      const tell = listener as (event: PeerEvents['stream']) => void;
      for (const [source, stream] of Object.entries(this.#streams) as [Source, MediaStream][]) call(() => tell({ source, stream }));
    }
    return undo;
  }

  getSnapshot(): PeerSnapshot {
    return (this.#snapshot ??= this.#makeSnapshot());
  }

  async sendFile(file: File | Blob, options: SendFileOptions = {}): Promise<Transfer> {
    options.signal?.throwIfAborted();
    await this.#handlers.later();
    if (!this.#transfers || this.#gone) throw this.#peerGone();
    return this.#transfers.send(file, options);
  }

  async channel(label: string, { signal, ...options }: RTCDataChannelInit & { signal?: AbortSignal } = {}): Promise<RTCDataChannel> {
    const pc = this.#link?.pc;
    if (!pc) throw new ParlourError('peer_gone', 'There is no connection to this participant now. Try again when it is connected.');
    const channel = pc.createDataChannel(label, options);
    channel.binaryType = 'arraybuffer';
    const opened = new Promise<void>((resolve, reject) => {
      channel.addEventListener('open', () => resolve(), { once: true });
      channel.addEventListener('close', () => reject(new ParlourError('peer_gone', 'The connection broke before the channel was open. Try again.')), { once: true });
    });
    try {
      await abortable(opened, signal);
    } catch (error) {
      channel.close();
      throw error;
    }
    return channel;
  }

  want(camera: Wanted): void {
    if (camera === this.#wanted) return;
    this.#wanted = camera;
    clearTimeout(this.#wantTimer);
    this.#wantTimer = setTimeout(() => this.#handlers.want(this.id, camera), WANT_MS);
  }

  async stats(): Promise<PeerStats> {
    if (this.#link) await this.#handlers.later();
    const stats = await this.#link?.stats();
    if (!stats) throw new ParlourError('peer_gone', 'There is no media connection to this participant.');
    return stats;
  }

  /** Takes in what the server says. */
  update(info: PeerInfo): void {
    this.#info = info;
    if (this.#link) {
      this.#link.presence(info.state !== 'away');
      this.#link.expecting = info.mic || info.cam || info.screen;
    }
    this.invalidate();
  }

  /** The connection, made now if there is none. */
  connect(): Link {
    if (this.#link) return this.#link;
    this.#link = this.#handlers.link(this.id);
    if (this.#later) this.#link.watch(this.#later.Monitor);
    this.update(this.#info);
    return this.#link;
  }

  disconnect(): void {
    this.#link?.close();
    this.#link = null;
    this.setPipe(null);
    this.invalidate();
  }

  /** The other side opened a data channel for the application. */
  channelOpened(channel: RTCDataChannel): void {
    channel.binaryType = 'arraybuffer';
    this.#emitter.emit('channel', channel);
  }

  setSpeaking(speaking: boolean): void {
    if (speaking === this.#speaking) return;
    this.#speaking = speaking;
    this.invalidate();
  }

  /** It is gone for good. */
  gone(): void {
    clearTimeout(this.#wantTimer);
    this.disconnect();
    this.#gone = true;
    this.#transfers?.close(this.#peerGone());
  }

  #peerGone(): ParlourError {
    return new ParlourError('peer_gone', `${this.name} left.`);
  }

  invalidate(): void {
    this.#snapshot = null;
    this.#tellStreams();
    this.#emitter.emit('change', this.getSnapshot());
    this.#handlers.changed();
  }

  #makeSnapshot(): PeerSnapshot {
    const { id, name, role, state, mic, cam, screen, hand, joined } = this.#info;
    const link = this.#link;
    return {
      id, name, role, state, mic, camera: cam, screen, joined,
      hand: hand ?? null,
      connection: link?.state ?? 'none',
      connectionSince: link?.since ?? joined,
      quality: link?.quality ?? UNKNOWN,
      speaking: this.#speaking && mic,
      streams: this.#streams,
    };
  }

  /** Brings the streams up to date and tells what began and ended. Keeps the object if nothing did. */
  #tellStreams(): void {
    const before = this.#streams;
    const { mic, cam, screen } = this.#info;
    const link = this.#link;
    const on: Record<Source, boolean> = { mic, camera: cam, screen, screen_audio: screen && (link?.arrives('screen_audio') ?? false) };
    const sources = Object.keys(on) as Source[];
    const now: { [S in Source]?: MediaStream } = {};
    for (const source of sources) {
      const stream = on[source] ? link?.stream(source) : undefined;
      if (stream) now[source] = stream;
    }
    if (sources.every((source) => before[source] === now[source])) return;
    this.#streams = now;
    for (const source of sources) {
      if (before[source] === now[source]) continue;
      if (before[source]) this.#emitter.emit('stream_ended', { source });
      if (now[source]) this.#emitter.emit('stream', { source, stream: now[source] });
    }
  }
}
