// The call: brings the session with the server, the participants and the local devices together.

import { Emitter, call } from './emitter.ts';
import { ParlourError, type EndCode, type ErrorCode } from './errors.ts';
import type { Transfers } from './files/transfers.ts';
import type * as Later from './later.ts';
import { LocalMedia } from './media/local.ts';
import { SpeakerDetector } from './media/levels.ts';
import { Participant } from './participant.ts';
import { Link, SOURCES } from './peer/link.ts';
import type { Limits, Peer as PeerInfo, ServerMessage, Snapshot } from './protocol.gen.ts';
import { Session, type Hello, type Sent, type Welcome } from './signaling/session.ts';
import type {
  ChatMessage, Connection, Device, Diagnostics, Ended, IncomingFile, JoinOptions, LocalSnapshot, MeshLimit, Peer, RequestOptions, Role, Room, RoomEvent, RoomEvents, RoomInfo,
  RoomSnapshot, RoomStatus, ScreenOptions, Settings, Source, Transfer, Unsubscribe, Wanted,
} from './types.ts';
import { abortable, deferred, listen } from './util.ts';

export const VERSION = '0.1.0';

const LEVELS_MS = 200;
const STATS_MS = 10_000;
const WANT_TOPIC = 'parlour.want';
const LOG_LINES = 200;
/** Most messages kept here; the server keeps fewer for those who come later. */
const CHAT_KEPT = 1_000;

/** A room's link taken apart. */
export interface Address {
  link: string;
  room: string;
  socket: string;
}

export class Call implements Room {
  readonly #address: Address;
  readonly #options: JoinOptions;
  readonly #emitter = new Emitter<RoomEvents>();
  readonly #session: Session;
  readonly #local: LocalMedia;
  readonly #entered = deferred<void>();
  readonly #speakers = new SpeakerDetector();
  readonly #subscribers = new Set<() => void>();
  readonly #blocked = new Set<() => Promise<void>>();
  readonly #log: string[] = [];
  readonly #began = Date.now();
  #you: PeerInfo | null = null;
  #room: RoomInfo | null = null;
  #limits: Limits | null = null;
  #iceServers: RTCIceServer[] = [];
  #server = { node: '', caps: [] as string[] };
  #peers = new Map<string, Participant>();
  #waiting = new Map<string, Participant>();
  #later: typeof Later | null = null;
  #loading: Promise<typeof Later> | null = null;
  #transfers: Transfers[] = [];
  #chat: readonly ChatMessage[] = [];
  #status: RoomStatus = 'waiting';
  #ended: Ended | null = null;
  #name: string;
  #token: string | undefined;
  #told = { mic: false, cam: false, screen: false };
  #speaking = { you: false, muted: false };
  #local_: LocalSnapshot | null = null;
  #snapshot: RoomSnapshot | null = null;
  #last: RoomSnapshot | null = null;
  #notifying = false;
  #timers: ReturnType<typeof setInterval>[] = [];
  #undo: (() => void)[] = [];

  constructor(address: Address, options: JoinOptions) {
    this.#address = address;
    this.#options = options;
    this.#name = options.name ?? 'Guest';
    this.#token = options.token;
    this.#local = new LocalMedia({
      replaced: (source) => this.#replaced(source),
      changed: () => this.#localChanged(),
      failed: (error) => this.#emitter.emit('error', error),
    });
    this.#session = new Session(address.socket, () => this.#hello(), {
      welcome: (message, fresh) => this.#welcome(message, fresh),
      message: (message) => this.#message(message),
      connection: (connection) => this.#connectionChanged(connection),
      ended: (code, message) => this.#end(code, message),
      disturbed: () => this.#eachLink((link) => link.disturbed()),
      log: (line) => this.#note(line),
    });
  }

  /** Opens the devices that were asked for and enters; resolves at the server's first welcome. */
  async enter(): Promise<void> {
    const { mic = false, camera = false, signal, timeout = 20_000 } = this.#options;
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      signal?.throwIfAborted();
      // Nobody waits for it: what it does is not needed to meet.
      this.#load().catch(() => {});
      await Promise.all([mic && this.#local.set('mic', mic, signal), camera && this.#local.set('camera', camera, signal)]);
      this.#session.start();
      timer = setTimeout(() => this.#end('unreachable', 'The server does not answer. Check the address and the network, then try again.'), timeout);
      await abortable(this.#entered.promise, signal);
    } catch (error) {
      await this.leave();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    this.#timers.push(setInterval(() => this.#listen(), LEVELS_MS), setInterval(() => void this.#report(), STATS_MS));
    this.#undo.push(
      listen(globalThis.window, 'pagehide', () => void this.leave()),
      listen(signal, 'abort', () => void this.leave()),
    );
  }

  get id(): string {
    return this.#address.room;
  }

  get link(): string {
    return this.#address.link;
  }

  get you(): string {
    return this.#you?.id ?? '';
  }

  get peers(): ReadonlyMap<string, Participant> {
    return this.#peers;
  }

  on<K extends keyof RoomEvents>(name: K, listener: (event: RoomEvents[K]) => void): Unsubscribe {
    const undo = this.#emitter.on(name, listener);
    if (name === 'peer') for (const peer of this.#peers.values()) call(() => (listener as (peer: Peer) => void)(peer));
    return undo;
  }

  async *events(): AsyncIterable<RoomEvent> {
    const queue: RoomEvent[] = [];
    let wake = deferred<void>();
    const undo = this.#emitter.onAny((type, event) => {
      queue.push({ type, event } as RoomEvent);
      wake.resolve();
    });
    try {
      for (;;) {
        while (queue.length) {
          const event = queue.shift()!;
          yield event;
          if (event.type === 'ended') return;
        }
        if (this.#ended) return;
        await wake.promise;
        wake = deferred();
      }
    } finally {
      undo();
    }
  }

  subscribe(listener: () => void): Unsubscribe {
    this.#subscribers.add(listener);
    return () => this.#subscribers.delete(listener);
  }

  getSnapshot(): RoomSnapshot {
    return (this.#snapshot ??= this.#makeSnapshot());
  }

  send(text: string, options: RequestOptions & { to?: string } = {}): Promise<void> {
    return this.#ask({ t: 'chat', text, to: options.to }, options);
  }

  react(emoji: string): void {
    if (this.#session.open) this.#session.send({ t: 'reaction', emoji });
  }

  hand(on: boolean, options: RequestOptions & { peer?: string } = {}): Promise<void> {
    return this.#ask({ t: 'hand', on, peer: options.peer }, options);
  }

  msg(topic: string, data: unknown, options: RequestOptions & { to?: string } = {}): Promise<void> {
    return this.#ask({ t: 'msg', topic, data, to: options.to }, options);
  }

  async rename(name: string, options?: RequestOptions): Promise<void> {
    await this.#ask({ t: 'set', name }, options);
    this.#name = name;
  }

  mic(on: Device, options?: RequestOptions): Promise<void> {
    return this.#publish('mic', on, options);
  }

  camera(on: Device, options?: RequestOptions): Promise<void> {
    return this.#publish('camera', on, options);
  }

  device(kind: 'mic' | 'camera', id: string, options?: RequestOptions): Promise<void> {
    return this.#local.choose(kind, id, options?.signal);
  }

  async screen(options: ScreenOptions = {}): Promise<void> {
    this.#mayPublish();
    await this.#local.screen(options);
  }

  stopScreen(): void {
    this.#local.stopScreen();
  }

  motion(on: boolean): Promise<void> {
    return this.#local.setMotion(on);
  }

  audioLevel(peer: string): number {
    if (peer === this.you) return this.#local.on('mic') ? this.#local.level() : 0;
    return this.#peers.get(peer)?.link?.level() ?? 0;
  }

  async unlock(): Promise<void> {
    for (const retry of [...this.#blocked]) {
      await retry();
      this.#blocked.delete(retry);
    }
    this.#changed();
  }

  reportBlocked(retry: () => Promise<void>): Unsubscribe {
    this.#blocked.add(retry);
    this.#changed();
    return () => {
      if (this.#blocked.delete(retry)) this.#changed();
    };
  }

  admit(peer: string, ok: boolean, options?: RequestOptions): Promise<void> {
    return this.#ask({ t: 'admit', peer, ok }, options);
  }

  lock(on: boolean, options?: RequestOptions): Promise<void> {
    return this.#ask({ t: 'lock', on }, options);
  }

  settings(settings: Settings, options?: RequestOptions): Promise<void> {
    return this.#ask({ t: 'settings', ...settings }, options);
  }

  role(peer: string, role: Role, options?: RequestOptions): Promise<void> {
    return this.#ask({ t: 'role', peer, role }, options);
  }

  kick(peer: string, options: RequestOptions & { reason?: string } = {}): Promise<void> {
    return this.#ask({ t: 'kick', peer, reason: options.reason }, options);
  }

  askMute(source: 'mic' | 'camera' | 'screen', options: RequestOptions & { peer?: string } = {}): Promise<void> {
    return this.#ask({ t: 'ask_mute', source: source === 'camera' ? 'cam' : source, peer: options.peer }, options);
  }

  end(options?: RequestOptions): Promise<void> {
    return this.#ask({ t: 'end' }, options);
  }

  transfer(id: string): Transfer | undefined {
    return this.#transfers.flatMap((transfers) => transfers.get(id) ?? [])[0];
  }

  incoming(id: string): IncomingFile | undefined {
    return this.#transfers.flatMap((transfers) => transfers.incoming(id) ?? [])[0];
  }

  reconnect(): void {
    this.#session.reconnect();
  }

  async auth(token: string, options?: RequestOptions): Promise<void> {
    await this.#ask({ t: 'auth', token }, options);
    this.#token = token;
  }

  async diagnostics(): Promise<Diagnostics> {
    const linked = [...this.#peers.values()].filter((peer) => peer.link);
    return {
      version: VERSION,
      at: new Date().toISOString(),
      userAgent: navigator.userAgent,
      secureContext: globalThis.isSecureContext,
      server: this.#server,
      connection: this.#session.connection,
      peers: await Promise.all(linked.map((peer) => peer.stats())),
      log: [...this.#log],
    };
  }

  leave(): Promise<void> {
    this.#session.leave();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.leave();
  }

  #ask(message: Sent, options?: RequestOptions): Promise<void> {
    return this.#session.request(message, options?.signal);
  }

  /** Loads what a call needs only once it is up. Where that fails it is tried again when it is needed, or when the server is there again. */
  #load(): Promise<typeof Later> {
    return (this.#loading ??= import('./later.ts').then(
      (later) => {
        this.#later = later;
        for (const peer of [...this.#peers.values(), ...this.#waiting.values()]) peer.equip(later);
        return later;
      },
      (cause) => {
        this.#loading = null;
        this.#note(`a part of the library could not be loaded: ${String(cause)}`);
        throw new ParlourError('unreachable', 'A part of the page could not be loaded. Check the network, then try again.', { cause });
      },
    ));
  }

  #hello(): Hello {
    return {
      room: this.#address.room,
      name: this.#name,
      token: this.#token,
      password: this.#options.password,
      media: { mic: this.#local.on('mic'), cam: this.#local.on('camera') },
    };
  }

  #welcome(message: Welcome, fresh: boolean): void {
    this.#limits = message.limits;
    this.#server = { node: message.node, caps: message.caps };
    this.#iceServers = this.#options.iceServers ?? (message.ice_servers as RTCIceServer[]);
    if (message.snapshot) this.#restore(message.snapshot, fresh);
    this.#entered.resolve();
    this.#changed();
  }

  /** Replaces everything by what the server says, keeping the connections that still hold. */
  #restore(snapshot: Snapshot, fresh: boolean): void {
    const newcomer = fresh || this.#you?.state === 'waiting';
    if (fresh) for (const peer of [...this.#peers.values()]) this.#remove(peer, 'timeout');
    this.#you = snapshot.you;
    this.#room = snapshot.room;
    this.#chat = snapshot.chat;
    this.#told = { mic: snapshot.you.mic, cam: snapshot.you.cam, screen: snapshot.you.screen };
    const here = new Set(snapshot.peers.map(({ id }) => id));
    for (const peer of [...this.#peers.values(), ...this.#waiting.values()]) if (!here.has(peer.id)) this.#remove(peer, 'left');
    this.#setStatus(snapshot.you.state === 'waiting' ? 'waiting' : 'joined');
    for (const info of snapshot.peers) this.#upsert(info);
    if (!newcomer) this.#eachLink((link) => link.forgotten());
    this.#mesh(newcomer, newcomer ? 0 : 1);
    this.#localChanged();
  }

  #message(message: Exclude<ServerMessage, Welcome>): void {
    switch (message.t) {
      case 'sdp':
        return this.#linkOf(message.pc)?.receiveSdp(message.gen, message.kind, message.sdp);
      case 'ice':
        return this.#linkOf(message.pc)?.receiveIce(message.gen, message.cand);
      case 'restart':
        return this.#linkOf(message.pc)?.receiveRestart(message.gen);
      case 'peer':
        return this.#peerChanged(message);
      case 'room':
        this.#room = message.room;
        this.#changed();
        return this.#emitter.emit('room', message.room);
      case 'reaction':
        return this.#emitter.emit('reaction', { from: message.from, emoji: message.emoji });
      case 'chat':
        this.#chat = [...this.#chat, message.message].slice(-CHAT_KEPT);
        this.#changed();
        return this.#emitter.emit('message', message.message);
      case 'msg':
        if (message.topic === WANT_TOPIC) return this.#peers.get(message.from)?.link?.setWanted(message.data as Wanted);
        return this.#emitter.emit('msg', { from: message.from, topic: message.topic, data: message.data });
      case 'ask_mute':
        return this.#emitter.emit('ask_mute', { from: message.from, source: message.source === 'cam' ? 'camera' : message.source });
      case 'error':
        return this.#emitter.emit('error', new ParlourError(message.code, message.message, { retryMs: message.retry_ms ?? undefined }));
    }
  }

  #peerChanged({ op, peer: info, why }: Extract<ServerMessage, { t: 'peer' }>): void {
    if (info.id === this.you) {
      this.#you = info;
      if (info.role === 'viewer') this.#unpublish();
      this.#local_ = null;
      return this.#changed();
    }
    if (op !== 'del') this.#upsert(info);
    else {
      const peer = this.#peers.get(info.id) ?? this.#waiting.get(info.id);
      if (peer) this.#remove(peer, why ?? 'left');
    }
    this.#mesh(false);
  }

  #upsert(info: PeerInfo): void {
    const waits = info.state === 'waiting';
    const known = this.#peers.get(info.id) ?? this.#waiting.get(info.id);
    const peer = known ?? this.#participant(info);
    const [in_, out] = waits ? [this.#waiting, this.#peers] : [this.#peers, this.#waiting];
    const news = !in_.has(info.id);
    out.delete(info.id);
    in_.set(info.id, peer);
    peer.update(info);
    this.#changed();
    if (news && waits) this.#emitter.emit('knock', { id: info.id, name: info.name });
    if (news && !waits) this.#emitter.emit('peer', peer);
  }

  #participant(info: PeerInfo): Participant {
    const handlers = {
      changed: () => this.#changed(),
      want: (to: string, wanted: Wanted) => this.#session.send({ t: 'msg', to, topic: WANT_TOPIC, data: wanted }),
      link: (id: string) => this.#newLink(id),
      later: () => this.#load(),
      transfers: (peer: Participant, { Transfers }: typeof Later) => {
        const transfers = new Transfers(peer, { changed: () => this.#changed(), offered: (file) => this.#emitter.emit('file', file) });
        this.#transfers.push(transfers);
        return transfers;
      },
    };
    const peer = new Participant(info, handlers);
    if (this.#later) peer.equip(this.#later);
    return peer;
  }

  #remove(peer: Participant, why: EndCode): void {
    const wasHere = this.#peers.delete(peer.id);
    this.#waiting.delete(peer.id);
    peer.gone();
    this.#speakers.forget(peer.id);
    this.#changed();
    if (wasHere) this.#emitter.emit('left', { peer, why });
  }

  #linkOf(connection: string): Link | undefined {
    return this.#peers.get(connection.slice('p:'.length))?.connect();
  }

  #newLink(id: string): Link {
    const peer = () => this.#peers.get(id);
    return new Link(
      {
        me: this.you,
        peer: id,
        config: { iceServers: this.#iceServers, iceTransportPolicy: this.#options.iceTransportPolicy ?? 'all', bundlePolicy: 'max-bundle' },
        local: this.#local,
        signaling: this.#session.open,
        present: peer()?.info.state !== 'away',
        people: this.#meshed().length + 1,
      },
      {
        send: (message) => this.#session.send(message),
        reopen: (why) => this.#session.reopen(why),
        changed: () => peer()?.invalidate(),
        channel: (channel) => peer()?.channelOpened(channel),
        pipe: (pipe) => peer()?.setPipe(pipe),
        log: (line) => this.#note(line),
      },
    );
  }

  /** Those whose media goes peer to peer with this one's: all, or of too many the first to come. */
  #meshed(): Participant[] {
    if (this.#status !== 'joined' || !this.#you) return [];
    const order = [this.#you, ...[...this.#peers.values()].map(({ info }) => info)].sort(byArrival).slice(0, this.#limits?.p2p_max);
    if (!order.includes(this.#you)) return [];
    return order.flatMap(({ id }) => this.#peers.get(id) ?? []);
  }

  /**
   * Makes the connections that should be there. A newcomer begins; else, of two who had none, the later one. Where messages were lost, the other's beginning
   * may be among them: then this side begins, in a later `generation`.
   */
  #mesh(newcomer: boolean, generation = 0): void {
    const meshed = this.#meshed();
    for (const peer of this.#peers.values()) if (peer.link && !meshed.includes(peer) && peer.link.state !== 'connected') peer.disconnect();
    for (const peer of meshed) {
      if (peer.link) continue;
      const link = peer.connect();
      if (newcomer || generation > 0 || byArrival(this.#you!, peer.info) > 0) link.start(generation);
    }
    this.#eachLink((link) => link.setPeople(meshed.length + 1));
  }

  #eachLink(visit: (link: Link) => void): void {
    for (const peer of this.#peers.values()) if (peer.link) visit(peer.link);
  }

  async #publish(kind: 'mic' | 'camera', device: Device, options?: RequestOptions): Promise<void> {
    if (device !== false) this.#mayPublish();
    await this.#local.set(kind, device, options?.signal);
  }

  #mayPublish(): void {
    if (this.#you?.role === 'viewer') throw new ParlourError('not_permitted', 'You may watch and listen here. Ask a host to let you speak.');
  }

  #unpublish(): void {
    this.#local.stopScreen();
    void this.#local.set('mic', false);
    void this.#local.set('camera', false);
  }

  #replaced(source: Source): void {
    this.#eachLink((link) => void link.sourceChanged(source));
  }

  /** Tells the others what is on, if that changed. */
  #localChanged(): void {
    this.#local_ = null;
    this.#changed();
    if (this.#status !== 'joined') return;
    const now = { mic: this.#local.on('mic'), cam: this.#local.on('camera'), screen: this.#local.on('screen') };
    const told = this.#told;
    const news = Object.fromEntries(Object.entries(now).filter(([key, on]) => told[key as keyof typeof now] !== on));
    if (!Object.keys(news).length) return;
    this.#told = now;
    this.#session.send({ t: 'set', ...news });
  }

  #connectionChanged(connection: Connection): void {
    if (connection.state === 'connected') this.#load().catch(() => {});
    this.#eachLink((link) => link.signaling(connection.state === 'connected'));
    this.#changed();
    if (this.#you) this.#emitter.emit('connection', connection);
  }

  #setStatus(status: RoomStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#changed();
    this.#emitter.emit('status', status);
  }

  #end(code: EndCode | ErrorCode, message: string): void {
    if (this.#ended) return;
    this.#ended = { code, message };
    this.#entered.reject(new ParlourError(code, message));
    this.#session.leave();
    for (const timer of this.#timers) clearInterval(timer);
    for (const undo of this.#undo) undo();
    for (const peer of [...this.#peers.values(), ...this.#waiting.values()]) peer.gone();
    this.#local.close();
    this.#setStatus('ended');
    this.#emitter.emit('ended', this.#ended);
  }

  /** Looks who speaks. */
  #listen(): void {
    const levels = new Map([...this.#peers.values()].map((peer) => [peer.id, peer.info.mic ? (peer.link?.level() ?? 0) : 0]));
    const before = this.#speakers.speaker;
    const own = this.#local.level() > 0.06;
    const speaking = this.#speakers.update(levels, Date.now());
    for (const peer of this.#peers.values()) peer.setSpeaking(speaking.has(peer.id));
    const on = this.#local.on('mic');
    const now = { you: own && on, muted: own && !on };
    if (now.you !== this.#speaking.you || now.muted !== this.#speaking.muted) {
      this.#speaking = now;
      this.#local_ = null;
      this.#changed();
    }
    if (before !== this.#speakers.speaker) {
      this.#changed();
      this.#emitter.emit('speaker', this.#speakers.speaker);
    }
  }

  /** Tells the server how the connections are, for the call record. */
  async #report(): Promise<void> {
    const linked = [...this.#peers.values()].filter((peer) => peer.link?.state === 'connected');
    const all = await Promise.all(linked.map((peer) => peer.stats().catch(() => null)));
    const pairs = all.flatMap((stats) => {
      if (!stats?.path) return [];
      const loss = Math.max(0, ...stats.incoming.map((stream) => stream.loss)) * 100;
      return [{ peer: stats.peer, path: stats.path.local, proto: stats.path.protocol, rtt_ms: stats.rttMs ?? 0, loss, quality: stats.quality.score }];
    });
    if (pairs.length && this.#session.open) this.#session.send({ t: 'stats', pairs } satisfies Sent);
  }

  #note(line: string): void {
    this.#log.push(`${((Date.now() - this.#began) / 1_000).toFixed(2)} ${line}`);
    if (this.#log.length > LOG_LINES) this.#log.shift();
  }

  /** The snapshot no longer holds; subscribers hear of it soon, once for all changes at once. */
  #changed(): void {
    this.#snapshot = null;
    if (this.#notifying) return;
    this.#notifying = true;
    queueMicrotask(() => {
      this.#notifying = false;
      for (const listener of [...this.#subscribers]) call(listener);
    });
  }

  #makeSnapshot(): RoomSnapshot {
    const before = this.#last;
    return (this.#last = {
      status: this.#status,
      connection: this.#session.connection,
      ended: this.#ended,
      room: this.#room!,
      you: (this.#local_ ??= this.#makeLocal()),
      peers: keep(before?.peers, [...this.#peers.values()].map((peer) => peer.getSnapshot())),
      waiting: keep(before?.waiting, [...this.#waiting.values()].map((peer) => peer.getSnapshot())),
      chat: this.#chat,
      speaker: this.#speakers.speaker,
      files: keep(before?.files, this.#transfers.flatMap((transfers) => transfers.snapshots())),
      mesh: this.#meshLimit(),
      audioBlocked: this.#blocked.size > 0,
    });
  }

  #makeLocal(): LocalSnapshot {
    const { id, name, role, hand, joined } = this.#you!;
    const local = this.#local;
    const streams: { [S in Source]?: MediaStream } = {};
    for (const source of SOURCES) {
      const stream = local.stream(source);
      if (stream) streams[source] = stream;
    }
    return {
      id, name, role, joined, streams,
      hand: hand ?? null,
      mic: local.on('mic'),
      camera: local.on('camera'),
      screen: local.on('screen'),
      motion: local.motion,
      speaking: this.#speaking.you,
      speakingWhileMuted: this.#speaking.muted,
      interrupted: { mic: local.interrupted('mic'), camera: local.interrupted('camera') },
      devices: { mic: local.device('mic'), camera: local.device('camera') },
      can: { publish: role !== 'viewer', moderate: role === 'host' },
    };
  }

  #meshLimit(): MeshLimit {
    const max = this.#limits?.p2p_max ?? 6;
    const exceeded = this.#peers.size + 1 > max;
    const reason = `Only the first ${max} people exchange sound and pictures: each sends its own copy to each other one, and more would be too much for most connections. Chat reaches all.`;
    return { max, exceeded, reason: exceeded ? reason : null };
  }
}

function byArrival(a: PeerInfo, b: PeerInfo): number {
  return a.joined - b.joined || (a.id < b.id ? -1 : 1);
}

/** The array from before, if nothing in it changed. */
function keep<T>(before: readonly T[] | undefined, now: readonly T[]): readonly T[] {
  return before?.length === now.length && now.every((item, index) => item === before[index]) ? before : now;
}
