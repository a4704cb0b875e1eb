// What both ends of a transfer have in common: state, progress and its end.

import { ParlourError } from '../errors.ts';
import type { Progress, Transfer, TransferSnapshot, TransferState } from '../types.ts';
import { deferred } from '../util.ts';
import type { CancelCode, Control } from './protocol.ts';

/** The data channel now. */
export interface Pipe {
  readonly channel: RTCDataChannel;
  /** Longest message that the other side takes. */
  readonly maxMessage: number;
}

export interface TransferContext {
  readonly id: string;
  readonly n: number;
  readonly name: string;
  readonly size: number;
  readonly type: string;
  readonly peer: string;
  readonly peerName: string;
  /** Sends a control message, if there is a channel. */
  send(message: Control): void;
  changed(): void;
}

const CODES = { cancelled: 'file_cancelled', corrupt: 'file_corrupt', unwritable: 'file_unwritable', unreadable: 'file_unreadable' } as const;
const WORDS: Record<CancelCode, string> = {
  cancelled: 'The transfer was cancelled.',
  corrupt: 'What arrived is not what was sent. Send the file again.',
  unwritable: 'The file could not be stored. Make room on the disk, then ask for it again.',
  unreadable: 'The file changed or vanished while it was sent. Choose it again.',
};

/** How far back the rate looks. */
const RATE_MS = 3_000;
const TELL_MS = 100;

export abstract class AnyTransfer implements Transfer {
  abstract readonly direction: 'send' | 'receive';
  protected readonly context: TransferContext;
  readonly #done = deferred<Blob | null>();
  #state: TransferState = 'offered';
  #bytes = 0;
  #error: ParlourError | null = null;
  #marks: { at: number; bytes: number }[] = [];
  #snapshot: TransferSnapshot | null = null;
  #teller: ReturnType<typeof setTimeout> | undefined;
  #news = deferred<void>();
  #listeners = new Set<(progress: Progress) => void>();
  protected result: Blob | null = null;
  protected pausedByYou = false;
  protected pausedByThem = false;

  constructor(context: TransferContext) {
    this.context = context;
  }

  get id(): string {
    return this.context.id;
  }

  get name(): string {
    return this.context.name;
  }

  get size(): number {
    return this.context.size;
  }

  get done(): Promise<Blob | null> {
    return this.#done.promise;
  }

  get state(): TransferState {
    return this.#state;
  }

  get over(): boolean {
    return this.#state === 'done' || this.#state === 'failed';
  }

  protected get paused(): boolean {
    return this.pausedByYou || this.pausedByThem;
  }

  getSnapshot(): TransferSnapshot {
    return (this.#snapshot ??= this.#makeSnapshot());
  }

  async *progress(): AsyncIterable<Progress> {
    for (;;) {
      const news = this.#news.promise;
      if (this.#error) throw this.#error;
      yield this.getSnapshot();
      if (this.over) return;
      await news;
    }
  }

  onProgress(listener: (progress: Progress) => void): void {
    this.#listeners.add(listener);
  }

  pause(): void {
    if (this.over || this.pausedByYou) return;
    this.pausedByYou = true;
    this.context.send({ t: 'pause', id: this.id });
    this.pauseChanged();
  }

  resume(): void {
    if (this.over || !this.pausedByYou) return;
    this.pausedByYou = false;
    this.context.send({ t: 'go', id: this.id });
    this.pauseChanged();
  }

  cancel(): void {
    this.giveUp('cancelled');
  }

  async save(): Promise<void> {
    const blob = await this.done;
    if (!blob) return;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = this.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  /** A control message for this transfer. */
  control(message: Control): void {
    if (this.over) return;
    if (message.t === 'cancel') this.fail(new ParlourError(CODES[message.code] ?? 'file_cancelled', WORDS[message.code] ?? WORDS.cancelled));
    else if (message.t === 'pause' || message.t === 'go') {
      this.pausedByThem = message.t === 'pause';
      this.pauseChanged();
    } else this.handle(message);
  }

  /** There is a channel, or there is none any more. */
  abstract connected(pipe: Pipe | null): void;

  /** Ends it here without telling the other side. */
  fail(error: ParlourError): void {
    if (this.over) return;
    this.#error = error;
    this.setState('failed');
    this.#done.reject(error);
    this.stopped();
  }

  protected abstract handle(message: Control): void;

  /** It failed: let go of what it holds. */
  protected abstract stopped(): void;

  protected pauseChanged(): void {
    if (this.#state === 'active' && this.paused) this.setState('paused');
    else if (this.#state === 'paused' && !this.paused) this.setState('active');
    else this.changed(true);
  }

  /** Ends it and tells the other side why. */
  protected giveUp(code: CancelCode, cause?: unknown): void {
    if (this.over) return;
    this.context.send({ t: 'cancel', id: this.id, code });
    this.fail(new ParlourError(CODES[code], WORDS[code], { cause }));
  }

  protected finish(result: Blob | null): void {
    this.result = result;
    this.setState('done');
    this.#done.resolve(result);
  }

  protected setState(state: TransferState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#marks = [];
    this.changed(true);
  }

  protected setBytes(bytes: number): void {
    const now = Date.now();
    if (bytes < this.#bytes) this.#marks = [];
    this.#bytes = bytes;
    const last = this.#marks.at(-1);
    if (!last || now - last.at >= TELL_MS) this.#marks.push({ at: now, bytes });
    while (this.#marks.length > 2 && now - this.#marks[0]!.at > RATE_MS) this.#marks.shift();
    this.changed(false);
  }

  /** Tells of the change: now, or with others at most ten times a second. */
  protected changed(now: boolean): void {
    this.#snapshot = null;
    if (!now) {
      this.#teller ??= setTimeout(() => this.changed(true), TELL_MS);
      return;
    }
    clearTimeout(this.#teller);
    this.#teller = undefined;
    this.context.changed();
    for (const listener of this.#listeners) listener(this.getSnapshot());
    this.#news.resolve();
    this.#news = deferred();
  }

  #makeSnapshot(): TransferSnapshot {
    const { id, peer, peerName, name, size, type } = this.context;
    const rate = this.#rate();
    return {
      id, peer, peerName, name, size, type, rate,
      direction: this.direction,
      state: this.#state,
      bytes: this.#bytes,
      remaining: rate > 0 ? (size - this.#bytes) / rate : null,
      pausedBy: this.pausedByYou ? 'you' : this.pausedByThem ? 'them' : null,
      error: this.#error,
    };
  }

  #rate(): number {
    const first = this.#marks[0];
    const last = this.#marks.at(-1);
    if (this.#state !== 'active' || !first || !last || last.at - first.at < TELL_MS) return 0;
    return ((last.bytes - first.bytes) * 1_000) / (last.at - first.at);
  }
}
