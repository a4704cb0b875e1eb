// The sending end: offers, reads, hashes and sends, no faster than the path and the receiver can take it.

import { ParlourError } from '../errors.ts';
import { deferred } from '../util.ts';
import { BlockHash } from './hash.ts';
import { encodeFrame, FRAME, HEADER, WINDOW, type Control } from './protocol.ts';
import { AnyTransfer, type Pipe, type TransferContext } from './transfer.ts';

/** Bytes read from the file at once. */
const READ = 1024 * 1024;
/** Nothing more is put into the channel's buffer above this… */
const HIGH_WATER = 2 * 1024 * 1024;
/** … until it has fallen to this. */
const LOW_WATER = 512 * 1024;

export class Sender extends AnyTransfer {
  readonly direction = 'send';
  readonly #file: Blob;
  readonly #hash = new BlockHash();
  #digest: Promise<string> | undefined;
  #pipe: Pipe | null = null;
  /** Grows with each channel and each answer, so that a pump for an older one stops. */
  #epoch = 0;
  #sent = 0;
  #stored = 0;
  #moved = deferred<void>();

  constructor(context: TransferContext, file: Blob) {
    super(context);
    this.#file = file;
  }

  connected(pipe: Pipe | null): void {
    this.#pipe = pipe;
    this.#epoch += 1;
    this.#move();
    if (this.over) {
      // The end of it may not have been heard.
      if (this.state === 'failed') this.context.send({ t: 'cancel', id: this.id, code: 'cancelled' });
    } else if (pipe) {
      pipe.channel.bufferedAmountLowThreshold = LOW_WATER;
      const { id, n, name, size, type } = this.context;
      this.context.send({ t: 'offer', v: 1, id, n, name, size, type });
    } else if (this.state !== 'offered') this.setState('interrupted');
  }

  protected override handle(message: Control): void {
    switch (message.t) {
      case 'accept':
        if (!Number.isInteger(message.offset) || message.offset < 0 || message.offset > this.size) return;
        if (this.pausedByYou) this.context.send({ t: 'pause', id: this.id });
        this.#sent = this.#stored = message.offset;
        this.setState(this.paused ? 'paused' : 'active');
        this.setBytes(message.offset);
        void this.#pump(++this.#epoch);
        return;
      case 'decline':
        return this.fail(new ParlourError('file_declined', `${this.context.peerName} declined the file.`));
      case 'ack':
        if (message.offset <= this.#stored || message.offset > this.#sent) return;
        this.#stored = message.offset;
        this.setBytes(message.offset);
        return this.#move();
      case 'done':
        this.setBytes(this.size);
        return this.finish(null);
    }
  }

  protected override pauseChanged(): void {
    super.pauseChanged();
    this.#move();
  }

  protected override stopped(): void {
    this.#epoch += 1;
    this.#move();
  }

  #move(): void {
    this.#moved.resolve();
    this.#moved = deferred();
  }

  async #pump(epoch: number): Promise<void> {
    const current = () => epoch === this.#epoch && !this.over;
    try {
      while (this.#hash.length < this.#sent && current()) this.#hash.update(await this.#read(this.#hash.length, this.#sent));
      while (this.#sent < this.size && current()) {
        await this.#room(current);
        if (!current()) return;
        const block = await this.#read(this.#sent, this.size);
        if (!current()) return;
        // After a step back the first bytes of the block have been hashed before.
        const known = this.#hash.length - this.#sent;
        if (known < block.length) this.#hash.update(block.subarray(known));
        this.#sendBlock(block);
      }
    } catch (error) {
      if (current()) this.giveUp('unreadable', error);
      return;
    }
    if (!current()) return;
    this.setState('checking');
    const hash = await (this.#digest ??= this.#hash.digest());
    if (current()) this.context.send({ t: 'end', id: this.id, hash });
  }

  async #read(from: number, to: number): Promise<Uint8Array> {
    const end = Math.min(from + READ, to);
    const bytes = new Uint8Array(await this.#file.slice(from, end).arrayBuffer());
    if (bytes.length !== end - from) throw new Error('The file became shorter.');
    return bytes;
  }

  #sendBlock(block: Uint8Array): void {
    const pipe = this.#pipe;
    if (!pipe) return;
    const piece = Math.min(FRAME, pipe.maxMessage) - HEADER;
    for (let at = 0; at < block.length; at += piece) {
      const bytes = block.subarray(at, at + piece);
      try {
        pipe.channel.send(encodeFrame(this.context.n, this.#sent, bytes));
      } catch {
        // The channel is closing; its end, and the next one, will be told.
        this.#epoch += 1;
        return;
      }
      this.#sent += bytes.length;
    }
  }

  /** Waits until neither side holds it, the channel's buffer has room, and the receiver keeps up. */
  async #room(current: () => boolean): Promise<void> {
    while (current()) {
      const channel = this.#pipe?.channel;
      if (this.paused || this.#sent - this.#stored >= WINDOW) await this.#moved.promise;
      else if (channel && channel.bufferedAmount > HIGH_WATER) await this.#drained(channel);
      else return;
    }
  }

  #drained(channel: RTCDataChannel): Promise<void> {
    const low = new Promise<void>((resolve) => channel.addEventListener('bufferedamountlow', () => resolve(), { once: true }));
    return Promise.race([low, this.#moved.promise]);
  }
}
