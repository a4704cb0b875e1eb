// A server, a network and browsers, all in virtual time.

import { afterEach, beforeAll, beforeEach, vi } from 'vitest';
import { join, type JoinOptions, type Room } from '../../src/index.ts';
import { FakeNetwork, FakeStream, FakeTrack } from './rtc.ts';
import { SignalingServer, type Connection } from './server.ts';

const { crypto } = globalThis;
const LATENCY_MS = 5;

/** Sockets that can be cut without either side being told at once. */
export class FakeSocket extends EventTarget {
  static world: World;
  static readonly OPEN = 1;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly url: string;
  readonly protocols: string[];
  #server: Connection | null = null;
  /** Nothing passes any more, and nobody is told. */
  silent = false;
  sent: string[] = [];

  constructor(url: string, protocols: string[]) {
    super();
    this.url = url;
    this.protocols = protocols;
    const { world } = FakeSocket;
    world.sockets.push(this);
    setTimeout(() => {
      if (!world.reachable) return this.#ended(1006, '');
      this.#server = world.server.connect({
        send: (text) => this.#toClient(() => this.onmessage?.({ data: text })),
        close: (code, reason) => this.#toClient(() => this.#ended(code, reason)),
      });
      this.onopen?.();
    }, LATENCY_MS);
  }

  send(text: string): void {
    this.sent.push(text);
    const server = this.#server;
    setTimeout(() => !this.silent && server?.receive(text), LATENCY_MS);
  }

  close(): void {
    const server = this.#server;
    this.#server = null;
    setTimeout(() => server?.closed(), LATENCY_MS);
  }

  /** The connection breaks: what is on its way is lost. */
  cut(): void {
    this.silent = true;
    const server = this.#server;
    this.#server = null;
    server?.closed();
    this.onclose?.({ code: 1006, reason: '' });
  }

  #ended(code: number, reason: string): void {
    this.#server = null;
    this.onclose?.({ code, reason });
  }

  #toClient(run: () => void): void {
    setTimeout(() => !this.silent && run(), LATENCY_MS);
  }
}

export class World {
  server = new SignalingServer();
  network = new FakeNetwork();
  sockets: FakeSocket[] = [];
  reachable = true;
  rooms: Room[] = [];
  /** What getUserMedia does. */
  media: (constraints: MediaStreamConstraints) => Promise<FakeStream> = ({ audio }) => Promise.resolve(new FakeStream([new FakeTrack(audio ? 'audio' : 'video')]));

  /** Joins and waits until the server has answered. */
  async join(name: string, options: JoinOptions = {}): Promise<Room> {
    const joining = join('https://host.example/r/test', { name, ...options });
    joining.catch(() => {});
    await vi.advanceTimersByTimeAsync(50);
    const room = await joining;
    this.rooms.push(room);
    return room;
  }

  /** The socket that a room uses now, of those opened last. */
  socketOf(room: Room): FakeSocket {
    const index = this.rooms.indexOf(room);
    const session = [...this.server.sessions.values()].find(({ peer }) => peer.id === room.you);
    const found = [...this.sockets].reverse().find((socket) => socket.sent[0]?.includes(`"name":"${session?.peer.name}"`));
    if (!found) throw new Error(`no socket for room ${index}`);
    return found;
  }
}

/** Sets up a world for each test of a file. With `whole` all of the library is loaded before virtual time begins, as on most pages by the time of a join. */
export function useWorld({ whole = true } = {}): { readonly world: World } {
  const holder = { world: new World() };
  if (whole) beforeAll(() => import('../../src/later.ts'));
  beforeEach(() => {
    vi.useFakeTimers();
    const world = (holder.world = new World());
    FakeSocket.world = world;
    vi.stubGlobal('WebSocket', FakeSocket);
    vi.stubGlobal('RTCPeerConnection', world.network.connectionClass());
    vi.stubGlobal('MediaStream', FakeStream);
    vi.stubGlobal('AudioContext', undefined);
    // As on an insecure page; also, what the real one does takes real time.
    vi.stubGlobal('crypto', { getRandomValues: (array: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(array) });
    const devices = Object.assign(new EventTarget(), {
      getUserMedia: (constraints: MediaStreamConstraints) => world.media(constraints),
      getDisplayMedia: () => Promise.resolve(new FakeStream([new FakeTrack('video'), new FakeTrack('audio')])),
      enumerateDevices: () => Promise.resolve([]),
    });
    Object.defineProperty(navigator, 'mediaDevices', { value: devices, configurable: true });
  });
  afterEach(async () => {
    for (const room of holder.world.rooms) await room.leave();
    await vi.advanceTimersByTimeAsync(100);
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
  return holder;
}

/** Lets virtual time go by. */
export function pass(ms: number): Promise<unknown> {
  return vi.advanceTimersByTimeAsync(ms);
}

/** A generator of numbers in [0, 1) that gives the same ones for the same seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
