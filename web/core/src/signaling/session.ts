// One session with the server over as many WebSockets as it takes: numbering, replay, liveness and reconnecting.

import { ParlourError, type EndCode, type ErrorCode } from '../errors.ts';
import type { ClientMessage, ServerMessage } from '../protocol.gen.ts';
import type { Connection } from '../types.ts';
import { abortable, deferred, listen, type Deferred } from '../util.ts';
import { backoff } from './backoff.ts';

export type Hello = Omit<Extract<ClientMessage, { t: 'hello' }>, 't' | 'v' | 'resume'>;
export type Welcome = Extract<ServerMessage, { t: 'welcome' }>;
export type Sent = Exclude<ClientMessage, { t: 'hello' } | { t: 'ping' }>;
type Envelope<M> = M & { seq?: number; id?: number };

const PING_MS = 10_000;
/** How long the server may be silent before the connection counts as dead. */
const DEAD_MS = 25_000;
/** How long the answer to a ping may take that was sent because something changed (network, page shown again). */
const PROBE_MS = 5_000;
const OPEN_MS = 10_000;
/** A timer that fires this much late: the computer was very busy, or slept. */
const LATE_MS = 5_000;
/** It slept: the network may be another one now. */
const SLEPT_MS = 15_000;

/** Errors that pass by themselves: the connection is tried again after a while. */
const TRANSIENT = new Set<ErrorCode>(['draining', 'idle_timeout', 'slow_reader', 'internal', 'rate', 'too_many_connections', 'too_many_joins', 'server_full']);

export interface SessionHandlers {
  /** A `welcome`; `fresh` if the session is a new one (then nothing of the old one holds any more). */
  welcome(message: Welcome, fresh: boolean): void;
  /** An event, exactly once and in order. */
  message(message: Exclude<ServerMessage, Welcome>): void;
  connection(connection: Connection): void;
  /** The session is over for good. */
  ended(code: EndCode | ErrorCode, message: string): void;
  /** The network changed or the computer woke up. */
  disturbed(): void;
  log(line: string): void;
}

interface Outgoing {
  seq: number;
  message: Envelope<Sent>;
}

/**
 * States: `opening` → `greeting` (hello sent) → `open` → `waiting` (for the next try) → `opening` …, and `ended` from any of them.
 * Before the first `welcome` a refusal ends it; later only a refusal that cannot pass does.
 */
export class Session {
  #url: string;
  readonly #hello: () => Hello;
  readonly #handlers: SessionHandlers;
  #socket: WebSocket | null = null;
  #state: 'opening' | 'greeting' | 'open' | 'waiting' | 'ended' = 'waiting';
  #sid = '';
  #secret = '';
  #lastIn = 0;
  #lastOut = 0;
  #outbox: Outgoing[] = [];
  /** How many of the outbox have gone out on this socket. */
  #flushed = 0;
  #requests = new Map<number, Deferred<void>>();
  #nextId = 1;
  #attempt = 0;
  #heard = 0;
  #pingSent = 0;
  #probeBy = Infinity;
  #ticked = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #guard: ReturnType<typeof setTimeout> | undefined;
  #pacer: ReturnType<typeof setTimeout> | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;
  #connection: Connection = { state: 'reconnecting', since: Date.now(), retryAt: null };
  #undo: (() => void)[] = [];
  #tokens = 100;
  #refilled = Date.now();
  #limits = { rate: 40, burst: 100 };

  constructor(url: string, hello: () => Hello, handlers: SessionHandlers) {
    this.#url = url;
    this.#hello = hello;
    this.#handlers = handlers;
  }

  get connection(): Connection {
    return this.#connection;
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  start(): void {
    const network = (navigator as Navigator & { connection?: EventTarget }).connection;
    this.#undo = [
      listen(globalThis.window, 'online', () => this.#disturbed('online')),
      listen(globalThis.window, 'offline', () => this.#probe('offline')),
      listen(globalThis.document, 'visibilitychange', () => document.visibilityState === 'visible' && this.#probe('visible')),
      listen(network, 'change', () => this.#disturbed('network')),
    ];
    this.#ticked = Date.now();
    this.#ticker = setInterval(() => this.#tick(), 1_000);
    this.#connect();
  }

  /** Sends a message, now or when the connection is back; never twice. */
  send(message: Envelope<Sent>): void {
    if (this.#state === 'ended') return;
    this.#outbox.push({ seq: ++this.#lastOut, message });
    this.#flush();
  }

  /** Sends a message and waits for its answer, over as many connections as it takes. */
  request(message: Sent, signal?: AbortSignal): Promise<void> {
    if (this.#state === 'ended') return Promise.reject(new ParlourError('closed', 'The call is over. Join again.'));
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = this.#nextId++;
    const answer = deferred<void>();
    this.#requests.set(id, answer);
    this.send({ ...message, id } as Envelope<Sent>);
    return abortable(answer.promise, signal);
  }

  /** Connects now instead of at the next planned time; with a connection, makes sure that it is alive. */
  reconnect(): void {
    if (this.#state === 'waiting') this.#connect();
    else this.#probe('asked');
  }

  /** Gives up the connection, which may be dead without knowing, and takes the session up on another. */
  reopen(why: string): void {
    if (this.#state !== 'open') return this.reconnect();
    this.#attempt = 0;
    this.#lost(why);
  }

  /** Says good-bye and closes. */
  leave(): void {
    if (this.#state === 'open') {
      this.#tokens = Infinity;
      this.send({ t: 'bye' });
    }
    this.#end('left', 'You left.', 1000);
  }

  #connect(): void {
    clearTimeout(this.#retry);
    if (this.#state === 'ended') return;
    this.#drop();
    this.#state = 'opening';
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.#url, ['parlour.v1']);
    } catch (error) {
      this.#end('bad_url', `This is not the address of a server: ${String(error)}`);
      return;
    }
    this.#socket = socket;
    this.#guard = setTimeout(() => this.#lost('no answer'), OPEN_MS);
    socket.onopen = () => {
      this.#state = 'greeting';
      const resume = this.#sid ? { sid: this.#sid, secret: this.#secret, last: this.#lastIn } : undefined;
      socket.send(JSON.stringify({ t: 'hello', v: 1, ...this.#hello(), resume } satisfies ClientMessage));
    };
    socket.onmessage = ({ data }) => this.#receive(String(data));
    socket.onclose = ({ code, reason }) => {
      if (code === 4000 && reason) this.#refused(reason as ErrorCode, reason, null);
      else if (code === 4001) this.#end((reason as EndCode) || 'ended', 'The session is over.');
      else this.#lost(`closed ${code}`);
    };
  }

  #receive(text: string): void {
    let message: Envelope<ServerMessage>;
    try {
      message = JSON.parse(text) as Envelope<ServerMessage>;
    } catch {
      return;
    }
    this.#heard = Date.now();
    this.#probeBy = Infinity;
    if (message.seq !== undefined) {
      if (message.seq <= this.#lastIn) return;
      if (message.seq > this.#lastIn + 1) return this.#lost(`gap after ${this.#lastIn}`);
      this.#lastIn = message.seq;
    }
    switch (message.t) {
      case 'welcome':
        return this.#welcomed(message);
      case 'pong':
        return this.#acknowledge(message.ack);
      case 'ok':
        this.#answer(message.re)?.resolve();
        return;
      case 'error':
        if (message.re != null) this.#answer(message.re)?.reject(new ParlourError(message.code, message.message, { retryMs: message.retry_ms ?? undefined }));
        if (message.fatal) this.#refused(message.code, message.message, message.retry_ms ?? null);
        else if (message.re == null) this.#handlers.message(message);
        return;
      case 'bye':
        return this.#end(message.why, message.message);
      case 'moved':
        if (message.url) this.#url = message.url;
        this.#handlers.log(`server moves in ${message.retry_ms} ms`);
        this.#attempt = 0;
        return this.#lost('moved', message.retry_ms);
      default:
        this.#handlers.message(message);
    }
  }

  #welcomed(message: Welcome): void {
    clearTimeout(this.#guard);
    const fresh = message.sid !== this.#sid;
    if (fresh) {
      this.#renumber();
      this.#sid = message.sid;
    } else {
      this.#acknowledge(message.ack);
    }
    this.#secret = message.secret;
    if (!message.resumed) this.#lastIn = message.last;
    this.#limits = { rate: message.limits.messages_per_s * 0.9, burst: message.limits.burst * 0.8 };
    // A second `welcome` on the same connection (admitted, or events were lost) must not send the outbox again.
    const again = this.#state === 'open';
    this.#state = 'open';
    this.#attempt = 0;
    if (!again) {
      this.#flushed = 0;
      this.#tokens = this.#limits.burst;
      this.#pingSent = Date.now();
      this.#handlers.log(message.resumed ? 'session resumed' : fresh ? 'session new' : 'session kept, events lost');
      this.#setConnection('connected', null);
    }
    this.#handlers.welcome(message, fresh);
    if (!message.resumed) this.#settle();
    this.#flush();
  }

  /** A new session knows nothing of the old one: requests without an answer are numbered anew, what described the old session is forgotten. */
  #renumber(): void {
    const keep = this.#outbox.filter(({ message }) => message.id !== undefined && this.#requests.has(message.id));
    this.#lastOut = 0;
    this.#outbox = keep.map(({ message }) => ({ seq: ++this.#lastOut, message }));
  }

  /** Answers were lost: what the server has, and has not answered, it may have carried out or refused. */
  #settle(): void {
    const waiting = new Set(this.#outbox.map(({ message }) => message.id));
    for (const id of [...this.#requests.keys()]) {
      if (waiting.has(id)) continue;
      this.#answer(id)?.reject(new ParlourError('unknown_outcome', 'The answer of the server was lost. See whether it was done, and try again if not.'));
    }
  }

  #acknowledge(ack: number): void {
    const before = this.#outbox.length;
    this.#outbox = this.#outbox.filter((entry) => entry.seq > ack);
    this.#flushed = Math.max(0, this.#flushed - (before - this.#outbox.length));
  }

  #answer(id: number): Deferred<void> | undefined {
    const answer = this.#requests.get(id);
    this.#requests.delete(id);
    return answer;
  }

  /** Sends what has not gone out yet, no faster than the server allows. */
  #flush(): void {
    if (this.#state !== 'open') return;
    clearTimeout(this.#pacer);
    const now = Date.now();
    this.#tokens = Math.min(this.#limits.burst, this.#tokens + ((now - this.#refilled) / 1_000) * this.#limits.rate);
    this.#refilled = now;
    while (this.#flushed < this.#outbox.length) {
      if (this.#tokens < 1) {
        this.#pacer = setTimeout(() => this.#flush(), 100);
        return;
      }
      this.#tokens -= 1;
      const entry = this.#outbox[this.#flushed++]!;
      this.#socket?.send(JSON.stringify({ ...entry.message, seq: entry.seq }));
    }
  }

  #tick(): void {
    const now = Date.now();
    const late = now - this.#ticked - 1_000;
    this.#ticked = now;
    if (late > SLEPT_MS) this.#handlers.disturbed();
    if (late > LATE_MS) {
      // The time in which nothing could be heard does not count.
      this.#heard += late;
      this.#probe('wake');
    }
    if (this.#state !== 'open') return;
    if (now - this.#heard > DEAD_MS || now > this.#probeBy) return this.#lost('silent');
    if (now - this.#pingSent >= PING_MS) this.#ping();
  }

  #ping(): void {
    this.#pingSent = Date.now();
    this.#socket?.send(JSON.stringify({ t: 'ping', ack: this.#lastIn } satisfies ClientMessage));
  }

  #disturbed(why: string): void {
    this.#handlers.disturbed();
    this.#probe(why);
  }

  /** Something happened that may have killed the connection: find out soon. Without one, try now. */
  #probe(why: string): void {
    if (this.#state === 'open') {
      if (why !== 'offline') this.#ping();
      this.#probeBy = Math.min(this.#probeBy, Date.now() + PROBE_MS);
    } else if (this.#state === 'waiting' && why !== 'offline') {
      this.#handlers.log(`retry: ${why}`);
      this.#attempt = 0;
      this.#connect();
    }
  }

  /** The connection is gone; the next try is planned. */
  #lost(why: string, atLeast = 0): void {
    if (this.#state === 'ended') return;
    this.#handlers.log(`signaling lost: ${why}`);
    this.#drop();
    this.#state = 'waiting';
    if (navigator.onLine === false && !isLoopback(this.#url)) {
      this.#setConnection('offline', null);
      return;
    }
    const wait = Math.max(atLeast, backoff(this.#attempt++, Math.random()));
    this.#setConnection('reconnecting', Date.now() + wait);
    this.#retry = setTimeout(() => this.#connect(), wait);
  }

  #refused(code: ErrorCode, message: string, retryMs: number | null): void {
    if (this.#state === 'ended') return;
    if (this.#sid && TRANSIENT.has(code)) this.#lost(code, retryMs ?? 1_000);
    else this.#end(code, message);
  }

  #drop(): void {
    clearTimeout(this.#guard);
    clearTimeout(this.#pacer);
    this.#probeBy = Infinity;
    this.#heard = Date.now();
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    this.#mute(socket);
    socket.close();
  }

  #mute(socket: WebSocket): void {
    socket.onopen = socket.onmessage = socket.onclose = null;
  }

  #setConnection(state: Connection['state'], retryAt: number | null): void {
    const since = state === this.#connection.state ? this.#connection.since : Date.now();
    this.#connection = { state, since, retryAt };
    this.#handlers.connection(this.#connection);
  }

  #end(code: EndCode | ErrorCode, message: string, close?: number): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(close);
    }
    clearTimeout(this.#retry);
    clearTimeout(this.#guard);
    clearTimeout(this.#pacer);
    clearInterval(this.#ticker);
    for (const undo of this.#undo) undo();
    for (const request of this.#requests.values()) request.reject(new ParlourError('closed', message));
    this.#requests.clear();
    this.#handlers.ended(code, message);
  }
}

/** `navigator.onLine` says nothing about this machine's own server. */
function isLoopback(url: string): boolean {
  return /^wss?:\/\/(localhost|127\.|\[::1\])/.test(url);
}
