import type { Connection, Owner } from './connection.ts';
import { DataConnection, type ConnectOptions } from './data.ts';
import { Events } from './events.ts';
import { MediaConnection, type CallOptions } from './media.ts';
import { token, type Incoming, type Outgoing, type Payload } from './wire.ts';

export interface PeerOptions {
  /** The server; by default the page's own. */
  host?: string;
  port?: number;
  /** Where the server's PeerJS address is: `/` by default, as on a Parlour server. */
  path?: string;
  key?: string;
  secure?: boolean;
  /** Proves, when the connection to the server was cut, that the id is still one's own. Made up by default. */
  token?: string;
  /** Without `iceServers` in it, the server is asked for its own. */
  config?: RTCConfiguration;
  /** Milliseconds between signs of life. */
  pingInterval?: number;
}

export type ErrorType =
  | 'browser-incompatible' | 'disconnected' | 'invalid-id' | 'network' | 'peer-unavailable' | 'server-error' | 'unavailable-id' | 'webrtc';

/** What went wrong, with a `type` that stays the same over versions. */
export class PeerError extends Error {
  readonly type: ErrorType;

  constructor(type: ErrorType, message: string) {
    super(message);
    this.type = type;
  }
}

export interface PeerEvents {
  open: [id: string];
  connection: [connection: DataConnection];
  call: [call: MediaConnection];
  close: [];
  disconnected: [id: string];
  error: [error: PeerError];
}

type Any = DataConnection | MediaConnection;

/** Oneself: an id at the server, under which others can connect and call. */
export class Peer extends Events<PeerEvents> {
  /** The id; empty until the server has given one. */
  id = '';
  open = false;
  disconnected = false;
  destroyed = false;
  readonly options: Required<Omit<PeerOptions, 'config'>> & { config: RTCConfiguration };

  #socket: WebSocket | null = null;
  #beat: ReturnType<typeof setInterval> | undefined;
  #connections = new Map<string, Any>();
  #config: Promise<RTCConfiguration> | undefined;
  #known = false;

  constructor(id?: string | PeerOptions | null, options: PeerOptions = {}) {
    super();
    const given = typeof id === 'object' && id !== null ? id : options;
    const page = globalThis.location;
    const secure = given.secure ?? page?.protocol === 'https:';
    this.options = {
      host: page?.hostname ?? 'localhost', port: Number(page?.port) || (secure ? 443 : 80), path: '/', key: 'peerjs', token: token(), pingInterval: 5_000, config: {},
      ...given, secure,
    };
    if (this.options.host === '/') this.options.host = page?.hostname ?? 'localhost';
    this.options.path = `/${this.options.path}/`.replace(/\/+/g, '/');
    // Listeners are added first.
    queueMicrotask(() => void this.#start(typeof id === 'string' ? id : ''));
  }

  /** All connections by the id of their other end. */
  get connections(): Record<string, Any[]> {
    const all: Record<string, Any[]> = {};
    for (const connection of this.#connections.values()) (all[connection.peer] ??= []).push(connection);
    return all;
  }

  /** Opens a data connection. */
  connect(peer: string, options: ConnectOptions = {}): DataConnection | undefined {
    return this.#usable() ? this.#add(DataConnection.connect(this.#owner, peer, options)) : undefined;
  }

  /** Calls somebody. */
  call(peer: string, stream: MediaStream, options: CallOptions = {}): MediaConnection | undefined {
    return this.#usable() ? this.#add(MediaConnection.dial(this.#owner, peer, stream, options)) : undefined;
  }

  /** Leaves the server; connections stay. {@link Peer.reconnect} comes back. */
  disconnect(): void {
    if (this.disconnected) return;
    clearInterval(this.#beat);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.open = false;
    this.disconnected = true;
    this.emit('disconnected', this.id);
  }

  /** Comes back under the same id. */
  reconnect(): void {
    if (!this.disconnected || this.destroyed) return;
    this.disconnected = false;
    this.#attach();
  }

  /** Leaves the server and closes all connections. */
  destroy(): void {
    if (this.destroyed) return;
    this.disconnect();
    this.destroyed = true;
    for (const connection of [...this.#connections.values()]) connection.close();
    this.emit('close');
  }

  /** The ids of all clients, if the server tells them. */
  async listAllPeers(receive: (ids: string[]) => void = () => {}): Promise<void> {
    const answer = await fetch(this.#address(`${this.options.key}/peers`));
    if (!answer.ok) throw new PeerError('server-error', 'The server does not tell who is there. The operator can set `compat.peerjs_discovery`.');
    receive((await answer.json()) as string[]);
  }

  readonly #owner: Owner = {
    config: () => (this.#config ??= this.#fetchConfig()),
    tell: (message) => this.#tell(message),
    forget: ({ connectionId }: Connection<never>) => void this.#connections.delete(connectionId),
  };

  async #start(id: string): Promise<void> {
    if (typeof RTCPeerConnection === 'undefined') return this.#abort('browser-incompatible', 'This browser has no WebRTC. Use a current one.');
    if (id && !/^[A-Za-z0-9]+(?:[ _-][A-Za-z0-9]+)*$/.test(id)) return this.#abort('invalid-id', `The id "${id}" is not possible: letters and digits, with - _ or a space between them.`);
    try {
      this.id = id || (await this.#ask('id'));
    } catch {
      return this.#abort('server-error', `The server at ${this.options.host}:${this.options.port} gives no id. Is the address right?`);
    }
    if (!this.destroyed) this.#attach();
  }

  async #ask(what: string): Promise<string> {
    const answer = await fetch(this.#address(`${this.options.key}/${what}`));
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.text();
  }

  #address(path: string, scheme = 'http'): string {
    const { host, path: base, port, secure } = this.options;
    return `${scheme}${secure ? 's' : ''}://${host}:${port}${base}${path}`;
  }

  #attach(): void {
    const { key, token, pingInterval } = this.options;
    const query = new URLSearchParams({ key, id: this.id, token });
    const socket = new WebSocket(this.#address(`peerjs?${query}`, 'ws'));
    this.#socket = socket;
    const own = (run: () => void) => () => { if (this.#socket === socket) run(); };
    socket.onopen = own(() => { this.#beat = setInterval(() => this.#tell({ type: 'HEARTBEAT' }), pingInterval); });
    socket.onmessage = ({ data }) => own(() => this.#hear(data as string))();
    socket.onclose = own(() => {
      this.emit('error', new PeerError('network', 'The connection to the server is lost. Call reconnect() to come back.'));
      this.disconnect();
    });
  }

  #tell(message: Outgoing): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #hear(text: string): void {
    let message: Incoming;
    try {
      message = JSON.parse(text) as Incoming;
    } catch {
      return;
    }
    const { type, src = '', payload } = message;
    switch (type) {
      case 'OPEN':
        this.#known = this.open = true;
        this.emit('open', this.id);
        return;
      case 'ERROR':
        return this.#abort('server-error', payload?.msg ?? 'The server refused.');
      case 'ID-TAKEN':
        return this.#abort('unavailable-id', `The id "${this.id}" is taken.`);
      case 'EXPIRE':
        this.emit('error', new PeerError('peer-unavailable', `${src} is not there.`));
        return;
      case 'LEAVE':
        for (const connection of this.connections[src] ?? []) connection.close();
        return;
      case 'OFFER':
        if (payload?.connectionId) this.#offered(src, payload as Payload);
        return;
      case 'ANSWER':
      case 'CANDIDATE': {
        if (!payload?.connectionId) return;
        const connection = this.#connections.get(payload.connectionId);
        if (connection?.peer === src) connection.hear(message);
      }
    }
  }

  #offered(src: string, payload: Payload): void {
    if (this.#connections.has(payload.connectionId)) return;
    if (payload.type === 'media') this.emit('call', this.#add(MediaConnection.ring(this.#owner, src, payload)));
    else this.emit('connection', this.#add(DataConnection.incoming(this.#owner, src, payload)));
  }

  #add<C extends Any>(connection: C): C {
    this.#connections.set(connection.connectionId, connection);
    return connection;
  }

  #usable(): boolean {
    if (!this.disconnected) return true;
    this.emit('error', new PeerError('disconnected', 'There is no connection to the server. Call reconnect() first.'));
    return false;
  }

  /** Ends a peer that never was, and disconnects one that was. */
  #abort(type: ErrorType, message: string): void {
    this.emit('error', new PeerError(type, message));
    if (this.#known) this.disconnect();
    else this.destroy();
  }

  async #fetchConfig(): Promise<RTCConfiguration> {
    const { config } = this.options;
    if (config.iceServers) return config;
    try {
      const { host, port, secure } = this.options;
      const answer = await fetch(`http${secure ? 's' : ''}://${host}:${port}/v1/ice`);
      const { ice_servers: iceServers } = (await answer.json()) as { ice_servers?: RTCIceServer[] };
      return iceServers ? { ...config, iceServers } : config;
    } catch {
      return config;
    }
  }
}
