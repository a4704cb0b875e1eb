// The receiving end: stores in order, says how far it is, and checks the whole.

import { call } from '../emitter.ts';
import { ParlourError } from '../errors.ts';
import type { FileSink } from '../types.ts';
import { BlockHash } from './hash.ts';
import { ACK_EVERY, type Control } from './protocol.ts';
import { AnyTransfer, type Pipe, type TransferContext } from './transfer.ts';

/** Bytes given to the sink at once. */
const WRITE = 1024 * 1024;

export class Receiver extends AnyTransfer {
  readonly direction = 'receive';
  readonly #hash = new BlockHash();
  #sink: Promise<FileSink> | null = null;
  #pending: Uint8Array<ArrayBuffer>[] = [];
  #received = 0;
  #stored = 0;
  #acked = 0;
  #writing = false;
  #expected: string | null = null;

  constructor(context: TransferContext) {
    super(context);
  }

  get accepted(): boolean {
    return this.#sink !== null;
  }

  /** Takes it, into `sink`. */
  accept(sink: Promise<FileSink>): void {
    this.#sink = sink;
    sink.catch((error) => this.giveUp('unwritable', error));
    this.setState('active');
    this.#go();
  }

  decline(): void {
    this.context.send({ t: 'decline', id: this.id });
    this.fail(new ParlourError('file_declined', 'You declined the file.'));
  }

  connected(pipe: Pipe | null): void {
    if (!pipe && this.#sink && !this.over) this.setState('interrupted');
  }

  /** The sender offers it (again): says what is to be done. */
  offered(): void {
    if (this.state === 'done') this.context.send({ t: 'done', id: this.id });
    else if (this.over) this.context.send({ t: 'cancel', id: this.id, code: 'cancelled' });
    else if (this.#sink) this.#go();
  }

  frame(offset: number, bytes: Uint8Array<ArrayBuffer>): void {
    if (this.over || !this.#sink || offset !== this.#received || offset + bytes.length > this.size) return;
    this.#received += bytes.length;
    this.#pending.push(bytes);
    void this.#store();
  }

  protected override handle(message: Control): void {
    if (message.t !== 'end') return;
    this.#expected = message.hash;
    this.setState('checking');
    void this.#store();
  }

  protected override stopped(): void {
    this.#pending = [];
    void this.#sink?.then((sink) => sink.abort()).catch(() => {});
  }

  #go(): void {
    this.setState(this.paused ? 'paused' : 'active');
    this.#expected = null;
    this.context.send({ t: 'accept', id: this.id, offset: this.#received });
    if (this.pausedByYou) this.context.send({ t: 'pause', id: this.id });
  }

  /** Stores what is pending, one piece after another, and ends when all is there. */
  async #store(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    try {
      const sink = await this.#sink!;
      while (this.#pending.length && !this.over) {
        const piece = this.#take();
        this.#hash.update(piece);
        await sink.write(piece);
        this.#stored += piece.length;
        this.setBytes(this.#stored);
        if (this.#stored - this.#acked >= ACK_EVERY || this.#stored === this.size) {
          this.#acked = this.#stored;
          this.context.send({ t: 'ack', id: this.id, offset: this.#stored });
        }
      }
      if (!this.over && this.#expected !== null && this.#stored === this.size) await this.#check(sink, this.#expected);
    } catch (error) {
      this.giveUp('unwritable', error);
    } finally {
      this.#writing = false;
    }
  }

  async #check(sink: FileSink, expected: string): Promise<void> {
    if ((await this.#hash.digest()) !== expected) return this.giveUp('corrupt');
    const result = await sink.close();
    if (this.over) return;
    this.finish(result);
    this.context.send({ t: 'done', id: this.id });
  }

  /** Joins pending pieces, so that the sink is called less often. */
  #take(): Uint8Array<ArrayBuffer> {
    let length = 0;
    let count = 0;
    while (count < this.#pending.length && (count === 0 || length + this.#pending[count]!.length <= WRITE)) length += this.#pending[count++]!.length;
    const pieces = this.#pending.splice(0, count);
    if (count === 1) return pieces[0]!;
    const joined = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces) {
      joined.set(piece, at);
      at += piece.length;
    }
    return joined;
  }
}

/** Calls back when a signal aborts, now if it has. */
export function onAbort(signal: AbortSignal | undefined, run: () => void): void {
  if (signal?.aborted) call(run);
  else signal?.addEventListener('abort', run, { once: true });
}
