import { Connection, type ConnectionEvents, type Owner } from './connection.ts';
import { pack, unpack } from './pack.ts';
import { token, type Payload } from './wire.ts';

/** How values become messages: packed in pieces of any size, as JSON, or not at all. */
export type Serialization = 'binary' | 'json' | 'raw';

export interface ConnectOptions {
  label?: string;
  /** Given to the other end along with the connection. */
  metadata?: unknown;
  /** `binary` by default. */
  serialization?: Serialization;
  /** Messages come in order. They always arrive. */
  reliable?: boolean;
}

export interface DataEvents extends ConnectionEvents {
  open: [];
  data: [data: unknown];
}

/** Longest message; what is longer goes in pieces. Every browser takes that many bytes at once. */
const PIECE = 16_300;
/** The channel is given more when it holds less than this. */
const LOW = 1 << 20;
const HIGH = 8 << 20;

/** A piece of a packed value, as PeerJS's clients send it. */
interface Piece { __peerData: number; n: number; total: number; data: ArrayBuffer }

/** A data channel with another peer. */
export class DataConnection extends Connection<DataEvents> {
  override readonly type = 'data';
  readonly label: string;
  readonly reliable: boolean;
  readonly serialization: Serialization;
  dataChannel: RTCDataChannel | null = null;

  #waiting: (ArrayBuffer | string)[] = [];
  #sent = 0;
  #pieces = new Map<number, { parts: ArrayBuffer[]; missing: number }>();

  private constructor(owner: Owner, peer: string, about: Payload) {
    super(owner, peer, about.connectionId, about.metadata);
    this.label = about.label ?? about.connectionId;
    this.reliable = about.reliable ?? false;
    this.serialization = serialization(about.serialization);
  }

  /** @internal */
  static connect(owner: Owner, peer: string, options: ConnectOptions): DataConnection {
    const about = { ...options, connectionId: `dc_${token()}` };
    const connection = new DataConnection(owner, peer, about);
    const { label, reliable, serialization } = connection;
    connection.offer((native) => connection.#use(native.createDataChannel(label, { ordered: reliable })), { label, reliable, serialization });
    return connection;
  }

  /** @internal */
  static incoming(owner: Owner, peer: string, about: Payload): DataConnection {
    const connection = new DataConnection(owner, peer, about);
    if (about.sdp) connection.accept(about.sdp, (native) => { native.ondatachannel = ({ channel }) => connection.#use(channel); });
    return connection;
  }

  /** How many messages wait because the channel is full. */
  get bufferSize(): number { return this.#waiting.length; }

  /** Sends a value. With `binary` anything that can be packed, of any size; with `json` anything that JSON has, up to 16 kB. */
  send(data: unknown): void {
    if (!this.open) return this.fail('not-open-yet', 'The connection is not open. Wait for its event `open`.');
    if (this.serialization === 'raw') return this.#queue(data as ArrayBuffer | string);
    if (this.serialization === 'json') {
      const bytes = new TextEncoder().encode(JSON.stringify(data));
      if (bytes.length >= PIECE) return this.fail('message-too-big', 'The message is too long for JSON. Use the serialization `binary`.');
      return this.#queue(bytes.buffer);
    }
    if (data instanceof Blob) {
      void data.arrayBuffer().then((bytes) => this.send(bytes));
      return;
    }
    const packed = pack(data);
    if (packed.byteLength <= PIECE) return this.#queue(packed);
    const total = Math.ceil(packed.byteLength / PIECE);
    const id = ++this.#sent;
    for (let n = 0; n < total; n++) this.#queue(pack({ __peerData: id, n, total, data: packed.slice(n * PIECE, (n + 1) * PIECE) }));
  }

  /** Closes it; with `flush` only after everything has been sent. */
  override close({ flush = false } = {}): void {
    if (flush) return this.send({ __peerData: { type: 'close' } });
    this.#waiting = [];
    super.close();
  }

  #use(channel: RTCDataChannel): void {
    this.dataChannel = channel;
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = LOW;
    channel.onbufferedamountlow = () => this.#drain();
    channel.onmessage = ({ data }) => this.#take(data as ArrayBuffer | string);
    channel.onclose = () => this.close();
    channel.onopen = () => {
      this.open = true;
      this.emit('open');
    };
    if (channel.readyState === 'open') channel.onopen(new Event('open'));
  }

  #queue(message: ArrayBuffer | string): void {
    this.#waiting.push(message);
    this.#drain();
  }

  #drain(): void {
    const channel = this.dataChannel;
    let sent = 0;
    try {
      while (sent < this.#waiting.length && channel?.readyState === 'open' && channel.bufferedAmount < HIGH) channel.send(this.#waiting[sent++] as ArrayBuffer);
    } finally {
      this.#waiting.splice(0, sent);
    }
  }

  #take(message: ArrayBuffer | string): void {
    if (this.serialization === 'raw') {
      this.emit('data', message);
      return;
    }
    let value: unknown;
    try {
      value = typeof message === 'string' ? JSON.parse(message) : this.serialization === 'json' ? JSON.parse(new TextDecoder().decode(message)) : unpack(message);
    } catch {
      return this.fail('webrtc', `A message from ${this.peer} could not be read.`);
    }
    const mark = (value as { __peerData?: unknown } | null | undefined)?.__peerData;
    if (mark === undefined) this.emit('data', value);
    else if (typeof mark === 'object') this.close();
    else this.#collect(value as Piece);
  }

  #collect({ __peerData: id, n, total, data }: Piece): void {
    const value = this.#pieces.get(id) ?? { parts: [], missing: total };
    this.#pieces.set(id, value);
    value.parts[n] = data;
    if (--value.missing > 0) return;
    this.#pieces.delete(id);
    void new Blob(value.parts).arrayBuffer().then((whole) => this.#take(whole));
  }
}

function serialization(name: string | undefined): Serialization {
  if (name === 'json') return 'json';
  return name === 'raw' || name === 'none' ? 'raw' : 'binary';
}
