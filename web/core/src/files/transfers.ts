// All file transfers with one participant, over whichever data channel there is now.

import { call } from '../emitter.ts';
import type { ParlourError } from '../errors.ts';
import type { IncomingFile, Peer, SendFileOptions, Transfer, TransferSnapshot } from '../types.ts';
import { randomHex } from '../util.ts';
import { decodeControl, decodeFrame, type Control } from './protocol.ts';
import { onAbort, Receiver } from './receiver.ts';
import { Sender } from './sender.ts';
import { defaultSink } from './sinks.ts';
import type { AnyTransfer, Pipe, TransferContext } from './transfer.ts';

export interface TransfersHandlers {
  changed(): void;
  /** The other side wants to send a file. */
  offered(file: IncomingFile): void;
}

export class Transfers {
  readonly #peer: Peer;
  readonly #handlers: TransfersHandlers;
  #all = new Map<string, AnyTransfer>();
  #receivers = new Map<number, Receiver>();
  #offers = new Map<string, IncomingFile>();
  #pipe: Pipe | null = null;
  #next = 1;

  constructor(peer: Peer, handlers: TransfersHandlers) {
    this.#peer = peer;
    this.#handlers = handlers;
  }

  /** Another channel takes the place of the one before; with `null` there is none for now. `early` arrived on it before. */
  setPipe(pipe: Pipe | null, early: readonly (string | ArrayBuffer)[] = []): void {
    if (this.#pipe) this.#pipe.channel.onmessage = null;
    if (this.#pipe && pipe) for (const transfer of this.#all.values()) transfer.connected(null);
    this.#pipe = pipe;
    if (pipe) {
      pipe.channel.binaryType = 'arraybuffer';
      pipe.channel.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => this.#receive(data);
    }
    for (const transfer of this.#all.values()) transfer.connected(pipe);
    for (const data of early) this.#receive(data);
  }

  send(file: File | Blob, { name, onProgress, signal }: SendFileOptions): Transfer {
    const fileName = name ?? ('name' in file ? file.name : 'file');
    const transfer = new Sender(this.#context(randomHex(8), this.#next++, fileName, file.size, file.type), file);
    this.#add(transfer, onProgress, signal);
    if (this.#pipe) transfer.connected(this.#pipe);
    return transfer;
  }

  get(id: string): Transfer | undefined {
    return this.#all.get(id);
  }

  incoming(id: string): IncomingFile | undefined {
    return this.#offers.get(id);
  }

  snapshots(): TransferSnapshot[] {
    return [...this.#all.values()].map((transfer) => transfer.getSnapshot());
  }

  /** The other side is gone: nothing can go on. */
  close(error: ParlourError): void {
    this.setPipe(null);
    this.#offers.clear();
    for (const transfer of this.#all.values()) transfer.fail(error);
  }

  #context(id: string, n: number, name: string, size: number, type: string): TransferContext {
    return {
      id, n, name, size, type,
      peer: this.#peer.id,
      peerName: this.#peer.name,
      send: (message) => this.#send(message),
      changed: () => this.#handlers.changed(),
    };
  }

  #add(transfer: AnyTransfer, onProgress: SendFileOptions['onProgress'], signal: AbortSignal | undefined): void {
    this.#all.set(transfer.id, transfer);
    this.#watch(transfer, onProgress, signal);
    this.#handlers.changed();
  }

  #watch(transfer: AnyTransfer, onProgress: SendFileOptions['onProgress'], signal: AbortSignal | undefined): void {
    if (onProgress) transfer.onProgress((progress) => call(() => onProgress(progress)));
    onAbort(signal, () => transfer.cancel());
  }

  #send(message: Control): void {
    try {
      this.#pipe?.channel.send(JSON.stringify(message));
    } catch {
      // The channel is closing; what matters is said again on the next one.
    }
  }

  #receive(data: string | ArrayBuffer): void {
    if (typeof data !== 'string') {
      const frame = decodeFrame(data);
      if (frame) this.#receivers.get(frame.n)?.frame(frame.offset, frame.bytes);
      return;
    }
    const message = decodeControl(data);
    if (!message) return;
    if (message.t === 'offer') return this.#offered(message);
    if (message.t === 'cancel') this.#offers.delete(message.id);
    this.#all.get(message.id)?.control(message);
  }

  #offered(offer: Extract<Control, { t: 'offer' }>): void {
    const known = this.#all.get(offer.id);
    if (known) {
      if (known instanceof Receiver) known.offered();
      return;
    }
    const { id, n, name, size, type } = offer;
    if (!Number.isSafeInteger(n) || !Number.isSafeInteger(size) || size < 0) return;
    const receiver = new Receiver(this.#context(id, n, cleanName(String(name)), size, String(type ?? '')));
    this.#receivers.set(n, receiver);
    this.#add(receiver, undefined, undefined);
    const file: IncomingFile = {
      id,
      from: this.#peer,
      name: receiver.name,
      size,
      type: receiver.getSnapshot().type,
      accept: ({ sink, onProgress, signal } = {}) => {
        if (this.#offers.delete(id)) {
          this.#watch(receiver, onProgress, signal);
          if (!receiver.over) receiver.accept(sink ? Promise.resolve(sink) : defaultSink(receiver.name, file.type, size));
        }
        return receiver;
      },
      decline: () => {
        if (this.#offers.delete(id)) receiver.decline();
      },
    };
    this.#offers.set(id, file);
    this.#handlers.offered(file);
  }
}

/** The last part of a path, without what a file system could take for something else. */
function cleanName(name: string): string {
  const last = name.split(/[/\\]/).pop()?.replace(/[\u0000-\u001f\u007f<>:"|?*]/g, '_').replace(/^\.+/, '').trim();
  return last?.slice(0, 255) || 'file';
}
