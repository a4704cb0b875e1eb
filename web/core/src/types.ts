// The public shape of the library: what `join` gives, and the immutable snapshots that a user interface draws.

import type { EndCode, ErrorCode, ParlourError } from './errors.ts';
import type { ChatMessage, PeerState, Role, Room as RoomInfo } from './protocol.gen.ts';

export type { ChatMessage, PeerState, Role, RoomInfo };

/** What a participant may send. `screen_audio` is the sound that goes with a shared screen or tab. */
export type Source = 'mic' | 'camera' | 'screen' | 'screen_audio';

/** What a microphone or camera should be: on with defaults, constraints, or a track that is already open (for instance from a preview). */
export type Device = boolean | MediaTrackConstraints | MediaStreamTrack;

/** How to join. */
export interface JoinOptions {
  /** The name that others see: 1 to 64 characters. Default: `Guest`. */
  name?: string;
  /** A signed token, where the server asks for one. */
  token?: string;
  /** The room's password, where it has one. */
  password?: string;
  /** Microphone from the start. Default: off. */
  mic?: Device;
  /** Camera from the start. Default: off. */
  camera?: Device;
  /** Aborting it gives up joining; once joined, it leaves the room. */
  signal?: AbortSignal;
  /** How long to try to reach the server before giving up, in milliseconds. Default: 20,000. */
  timeout?: number;
  /** STUN and TURN servers instead of those that the server names. */
  iceServers?: RTCIceServer[];
  /** `relay` sends all media through TURN. Default: `all`. */
  iceTransportPolicy?: RTCIceTransportPolicy;
}

/** Where the call stands. `waiting`: in the waiting room, until a host admits. */
export type RoomStatus = 'waiting' | 'joined' | 'ended';

/** The connection to the server. Media between participants may well go on while it is cut. */
export interface Connection {
  /** `offline`: the browser says that there is no network; nothing is tried until it is back. */
  state: 'connected' | 'reconnecting' | 'offline';
  /** Since when, as `Date.now()`. */
  since: number;
  /** When the next try is made, as `Date.now()`, if one is waited for. */
  retryAt: number | null;
}

/** Why a call ended. */
export interface Ended {
  /** What happened; `left` when this side left. */
  code: EndCode | ErrorCode;
  /** The same in English. */
  message: string;
}

/** How well media flows to and from one participant, in words. */
export interface Quality {
  level: 'good' | 'fair' | 'poor' | 'lost';
  /**
   * What limits it: `none`; `connecting`; `your_network`, `their_network` (packets lost, or too little room, on the way out or in); `delay`;
   * `your_device` (this computer is too slow to encode); `relayed_tcp` (through a relay over TCP); `cut` (nothing arrives).
   */
  reason: 'none' | 'connecting' | 'your_network' | 'their_network' | 'delay' | 'your_device' | 'relayed_tcp' | 'cut';
  /** 0 (lost) to 100 (perfect). */
  score: number;
}

/** Where the media connection to one participant stands. `none`: there is none, see {@link MeshLimit}. */
export type PeerConnectionState = 'none' | 'connecting' | 'connected' | 'reconnecting';

/** One other participant at one moment. Never changes: a change makes a new one. */
export interface PeerSnapshot {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** `away`: cut off from the server, perhaps only for a moment. */
  readonly state: PeerState;
  /** Sends sound from a microphone (not muted). */
  readonly mic: boolean;
  /** Sends a camera's picture. */
  readonly camera: boolean;
  /** Shares a screen. */
  readonly screen: boolean;
  /** When its hand was raised (milliseconds since the Unix epoch), so that hands have an order; `null` when it is down. */
  readonly hand: number | null;
  /** When it joined, in milliseconds since the Unix epoch. */
  readonly joined: number;
  /** The media connection to it. */
  readonly connection: PeerConnectionState;
  /** Since when `connection` is so, as `Date.now()`. */
  readonly connectionSince: number;
  readonly quality: Quality;
  /** Whether it speaks now. For a meter use {@link Room.audioLevel}. */
  readonly speaking: boolean;
  /** What arrives now, one stream for each source that is on. A stream stays the same object while it lasts. */
  readonly streams: { readonly [S in Source]?: MediaStream };
}

/** This participant at one moment. */
export interface LocalSnapshot {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly hand: number | null;
  readonly joined: number;
  /** Sound is sent: a microphone is open and not muted. */
  readonly mic: boolean;
  /** A camera is open and sent. */
  readonly camera: boolean;
  /** A screen is shared. */
  readonly screen: boolean;
  /** The shared screen is sent for motion (30 pictures a second) rather than for text. */
  readonly motion: boolean;
  /** Whether this person speaks now into an open microphone. */
  readonly speaking: boolean;
  /** This person speaks, but the microphone is muted. */
  readonly speakingWhileMuted: boolean;
  /** The system or another program took the device away (the track is `muted`): nothing is sent although it is on. */
  readonly interrupted: { readonly mic: boolean; readonly camera: boolean };
  /** The devices in use (`deviceId`), or `null`. */
  readonly devices: { readonly mic: string | null; readonly camera: string | null };
  /** What is open here, to show it. Do not play `mic` aloud. */
  readonly streams: { readonly [S in Source]?: MediaStream };
  /** May publish, moderate and so on; from the role. */
  readonly can: { readonly publish: boolean; readonly moderate: boolean };
}

/** Whether media can go peer to peer to everybody. */
export interface MeshLimit {
  /** Most participants whose media goes peer to peer in this room. */
  readonly max: number;
  /** There are more: those who came last exchange chat, but no media, and `reason` says so in English. */
  readonly exceeded: boolean;
  readonly reason: string | null;
}

/** The whole call at one moment. Never changes: a change makes a new one that shares what stayed the same. */
export interface RoomSnapshot {
  readonly status: RoomStatus;
  readonly connection: Connection;
  readonly ended: Ended | null;
  readonly room: RoomInfo;
  readonly you: LocalSnapshot;
  /** The others in the room, in the order in which they came. */
  readonly peers: readonly PeerSnapshot[];
  /** Those in the waiting room; only hosts see them. */
  readonly waiting: readonly PeerSnapshot[];
  /** The messages that this person may see, oldest first. */
  readonly chat: readonly ChatMessage[];
  /** Who speaks now or spoke last (never oneself), or `null`. */
  readonly speaker: string | null;
  /** File transfers of this call, oldest first, with those that are done. */
  readonly files: readonly TransferSnapshot[];
  readonly mesh: MeshLimit;
  /** The browser refuses to play sound until the person clicks: show a button that calls {@link Room.unlock}. */
  readonly audioBlocked: boolean;
}

/** What {@link Room.on} tells of. */
export interface RoomEvents {
  /** Somebody is in the room. A new listener is told at once of those already there. */
  peer: Peer;
  /** Somebody is gone. */
  left: { peer: Peer; why: EndCode };
  /** Somebody asks to be let in (hosts only). Use {@link Room.admit}. */
  knock: { id: string; name: string };
  /** Somebody said something; one's own messages too. */
  message: ChatMessage;
  reaction: { from: string; emoji: string };
  /** Application data, see {@link Room.msg}. */
  msg: { from: string; topic: string; data: unknown };
  /** A host asks to switch something off. The library has not done so: the application or the person decides. */
  ask_mute: { from: string; source: 'mic' | 'camera' | 'screen' };
  /** Somebody wants to send a file. */
  file: IncomingFile;
  /** `joined` after `waiting`, and `ended`. */
  status: RoomStatus;
  /** The connection to the server broke or is back. */
  connection: Connection;
  /** Who speaks, see {@link RoomSnapshot.speaker}. */
  speaker: string | null;
  /** The room was locked, opened, given a password and so on. */
  room: RoomInfo;
  /** Something failed that nobody waits for, for instance a device that vanished. The call goes on. */
  error: ParlourError;
  /** The call is over. */
  ended: Ended;
}

/** What {@link Peer.on} tells of. */
export interface PeerEvents {
  /** A source began to arrive. A new listener is told at once of those that do already. */
  stream: { source: Source; stream: MediaStream };
  /** A source ended. */
  stream_ended: { source: Source };
  /** Anything in its snapshot changed. */
  change: PeerSnapshot;
  /** It opened a data channel, see {@link Peer.channel}. */
  channel: RTCDataChannel;
}

/** Takes back a subscription. */
export type Unsubscribe = () => void;

/** How large a participant's pictures are shown here, so that the sender spends no more than needed. */
export type Wanted = 'full' | 'small' | 'none';

/** Another participant. The object stays the same for as long as it is in the room. */
export interface Peer {
  readonly id: string;
  /** Shortcuts to the snapshot. */
  readonly name: string;
  getSnapshot(): PeerSnapshot;
  on<K extends keyof PeerEvents>(name: K, listener: (event: PeerEvents[K]) => void): Unsubscribe;
  /**
   * Offers a file. Resolves nothing by itself: watch the {@link Transfer}. Waits for the other side to accept, goes on after a broken connection,
   * and checks the whole at the end.
   */
  sendFile(file: File | Blob, options?: SendFileOptions): Promise<Transfer>;
  /**
   * A data channel of the application's own to this participant, for instance `{ ordered: false, maxRetransmits: 0 }` for the state of a game.
   * Waits until it is open. Labels that begin with `parlour` are taken. It closes if the connection has to be made anew: ask again then.
   */
  channel(label: string, options?: RTCDataChannelInit & { signal?: AbortSignal }): Promise<RTCDataChannel>;
  /** Says how large this participant's camera is shown here; `none` pauses it. Default: `full`. May be called often. */
  want(camera: Wanted): void;
  /** What the browser measures on the connection to this participant, and what follows from it. */
  stats(): Promise<PeerStats>;
}

/** What {@link Peer.sendFile} may be told. */
export interface SendFileOptions {
  /** Shown to the receiver. Default: the file's name, or `file`. */
  name?: string;
  onProgress?: (progress: Progress) => void;
  /** Aborting cancels the transfer. */
  signal?: AbortSignal;
}

/** How far a transfer is. */
export interface Progress {
  /** Bytes that the receiver has stored. */
  bytes: number;
  /** Bytes in all. */
  size: number;
  /** Bytes a second over the last seconds; 0 while it stands still. */
  rate: number;
  /** Seconds that remain at this rate; `null` while unknown. */
  remaining: number | null;
}

/**
 * Where a transfer stands.
 *
 * `offered` → `active` ⇄ `paused` → `checking` → `done`; from any of them `failed`. `interrupted`: the connection is broken; it goes on by itself.
 */
export type TransferState = 'offered' | 'active' | 'paused' | 'interrupted' | 'checking' | 'done' | 'failed';

/** A transfer at one moment. */
export interface TransferSnapshot extends Progress {
  readonly id: string;
  readonly direction: 'send' | 'receive';
  /** The other participant's id, and its name (kept after it left). */
  readonly peer: string;
  readonly peerName: string;
  readonly name: string;
  /** MIME type as the sender says, or empty. */
  readonly type: string;
  readonly state: TransferState;
  /** Who paused it, if it is paused. */
  readonly pausedBy: 'you' | 'them' | null;
  /** Why it failed. */
  readonly error: ParlourError | null;
}

/** A file on its way, at either end. */
export interface Transfer {
  readonly id: string;
  readonly direction: 'send' | 'receive';
  readonly name: string;
  readonly size: number;
  getSnapshot(): TransferSnapshot;
  /** Every change of the progress, at most ten a second, until the end. Ends normally when done, throws when failed. */
  progress(): AsyncIterable<Progress>;
  /** Resolves when all is there and checked: for the receiver with what the sink made of it (a `Blob`, or `null` if it went elsewhere), for the sender with `null`. */
  readonly done: Promise<Blob | null>;
  /** Holds it. Either side may; each lifts only its own. */
  pause(): void;
  resume(): void;
  /** Gives it up, at both ends. */
  cancel(): void;
  /** For a receiver whose sink made a `Blob`: lets the browser download it under the file's name. */
  save(): Promise<void>;
}

/** A file that somebody wants to send. */
export interface IncomingFile {
  readonly id: string;
  readonly from: Peer;
  readonly name: string;
  readonly size: number;
  /** MIME type as the sender says, or empty. */
  readonly type: string;
  /** Takes it. Default sink: the browser's private file system where there is one, else memory. */
  accept(options?: { sink?: FileSink; onProgress?: (progress: Progress) => void; signal?: AbortSignal }): Transfer;
  decline(): void;
}

/** Where a received file goes. Calls come one after another, never two at once. */
export interface FileSink {
  /** Stores the next bytes. `bytes` may be reused after the promise resolves. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void> | void;
  /** All is there and checked. May give a `Blob` for the application. */
  close(): Promise<Blob | null> | Blob | null;
  /** It was given up: forget what was stored. */
  abort(): Promise<void> | void;
}

/** How to share a screen. */
export interface ScreenOptions {
  /** With the sound of the tab or system, where the browser can. Default: true. */
  audio?: boolean;
  /** For video rather than text: 30 instead of 15 pictures a second. Default: false. */
  motion?: boolean;
  signal?: AbortSignal;
}

/** A room's settings; absent ones stay. */
export interface Settings {
  waiting_room?: boolean;
  chat_history?: boolean;
  /** Asks this password of newcomers; an empty one asks none. */
  password?: string;
}

/** Options of requests to the server. */
export interface RequestOptions {
  /** Aborting stops waiting for the answer; what was sent cannot be taken back. */
  signal?: AbortSignal;
}

/** A call. */
export interface Room extends AsyncDisposable {
  /** The room's id, as in its link. */
  readonly id: string;
  /** The link to invite others. */
  readonly link: string;
  /** One's own participant id. It changes only if the server lost the session. */
  readonly you: string;
  /** The others in the room by id, in the order in which they came. */
  readonly peers: ReadonlyMap<string, Peer>;

  on<K extends keyof RoomEvents>(name: K, listener: (event: RoomEvents[K]) => void): Unsubscribe;
  /** All events in order, from now to the end of the call. */
  events(): AsyncIterable<RoomEvent>;
  /** Calls `listener` soon after anything in the snapshot changed; many changes at once make one call. With {@link getSnapshot} an external store for React. */
  subscribe(listener: () => void): Unsubscribe;
  /** The call now. The same object until something changes. */
  getSnapshot(): RoomSnapshot;

  /** Says something to all, or to one. Resolves when the server has it; while cut off, it is sent later, once. */
  send(text: string, options?: RequestOptions & { to?: string }): Promise<void>;
  /** A reaction that all see for a moment: one emoji. */
  react(emoji: string): void;
  /** Raises or lowers one's own hand, or (hosts) lowers another's. */
  hand(on: boolean, options?: RequestOptions & { peer?: string }): Promise<void>;
  /** Application data (any JSON) through the server, to one or to all others. Topics that begin with `parlour` are taken. */
  msg(topic: string, data: unknown, options?: RequestOptions & { to?: string }): Promise<void>;
  /** Changes one's own name. */
  rename(name: string, options?: RequestOptions): Promise<void>;

  /**
   * Opens or closes the microphone, or changes it: `true`, `false`, constraints such as `{ deviceId }`, or a track.
   * `false` mutes at once and keeps the device open, so that unmuting is instant. A track given here belongs to the call from then on, which stops it.
   */
  mic(on: Device, options?: { signal?: AbortSignal }): Promise<void>;
  /** The same for the camera. `false` closes it, so that its light goes out. */
  camera(on: Device, options?: { signal?: AbortSignal }): Promise<void>;
  /** Uses another microphone or camera, on or off as it is now. */
  device(kind: 'mic' | 'camera', id: string, options?: { signal?: AbortSignal }): Promise<void>;
  /** Shares a screen, window or tab; the browser asks which. Call it from a click. */
  screen(options?: ScreenOptions): Promise<void>;
  /** Stops sharing. */
  stopScreen(): void;
  /** Sends the shared screen for motion (30 pictures a second) or for text. */
  motion(on: boolean): Promise<void>;
  /** Sound level of a participant (or of {@link you}), 0 to 1, now. Cheap: call it for each frame that a meter draws. */
  audioLevel(peer: string): number;
  /** Plays sound after the browser refused to; call it from a click. See {@link RoomSnapshot.audioBlocked}. */
  unlock(): Promise<void>;
  /** For components that play sound: says that the browser refused, and gets a call when the person has unlocked it. */
  reportBlocked(retry: () => Promise<void>): Unsubscribe;

  /** Lets a waiting participant in, or turns it away. Hosts only, as all below. */
  admit(peer: string, ok: boolean, options?: RequestOptions): Promise<void>;
  /** Closes the room to newcomers, or opens it. */
  lock(on: boolean, options?: RequestOptions): Promise<void>;
  settings(settings: Settings, options?: RequestOptions): Promise<void>;
  role(peer: string, role: Role, options?: RequestOptions): Promise<void>;
  /** Puts a participant out. */
  kick(peer: string, options?: RequestOptions & { reason?: string }): Promise<void>;
  /** Asks a participant, or all others, to switch something off. */
  askMute(source: 'mic' | 'camera' | 'screen', options?: RequestOptions & { peer?: string }): Promise<void>;
  /** Ends the room for all. */
  end(options?: RequestOptions): Promise<void>;

  /** A transfer by its id, to pause, resume, cancel or save it. */
  transfer(id: string): Transfer | undefined;
  /** A file that waits for an answer, by its id. */
  incoming(id: string): IncomingFile | undefined;

  /** Tries to reconnect now instead of at {@link Connection.retryAt}. */
  reconnect(): void;
  /** Exchanges the token for a newer one. */
  auth(token: string, options?: RequestOptions): Promise<void>;
  /** Everything that helps to find out why a call is bad, as plain JSON without secrets, names or texts: for a "copy diagnostics" button. */
  diagnostics(): Promise<Diagnostics>;
  /** Leaves for good. Closes devices that the library opened. */
  leave(): Promise<void>;
}

/** One event of {@link Room.events}. */
export type RoomEvent = { [K in keyof RoomEvents]: { type: K; event: RoomEvents[K] } }[keyof RoomEvents];

/** What one source is, coming in or going out. */
export interface MediaStats {
  readonly source: Source;
  /** For example `video/VP8`. */
  readonly codec: string | null;
  /** Bits a second. */
  readonly bitrate: number;
  /** Packets lost over the last seconds, 0 to 1. */
  readonly loss: number;
  readonly jitterMs: number | null;
  /** Of pictures. */
  readonly width: number | null;
  readonly height: number | null;
  readonly fps: number | null;
  /** Pictures decoded (in) or encoded (out) since the start. */
  readonly frames: number | null;
  /** What holds the encoder back (outgoing pictures): `none`, `cpu`, `bandwidth`, `other`. */
  readonly limited: string | null;
}

/** The connection to one participant in figures. */
export interface PeerStats {
  readonly peer: string;
  readonly at: number;
  readonly state: RTCPeerConnectionState;
  readonly iceState: RTCIceConnectionState;
  /** How often the connection was made anew, and how many ICE restarts there were. */
  readonly generation: number;
  readonly restarts: number;
  /** The candidate types in use, or `null` while there is no connection. */
  readonly path: { readonly local: RTCIceCandidateType; readonly remote: RTCIceCandidateType; readonly protocol: 'udp' | 'tcp' | 'tls' } | null;
  readonly rttMs: number | null;
  /** What the browser thinks it could send, in bits a second. */
  readonly availableOut: number | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly dtls: string | null;
  readonly srtp: string | null;
  readonly incoming: readonly MediaStats[];
  readonly outgoing: readonly MediaStats[];
  /** Where the sender's ladder stands, see `adapt`. */
  readonly ladder: string;
  readonly quality: Quality;
}

/** See {@link Room.diagnostics}. */
export interface Diagnostics {
  readonly version: string;
  readonly at: string;
  readonly userAgent: string;
  readonly secureContext: boolean;
  readonly server: { readonly node: string; readonly caps: readonly string[] };
  readonly connection: Connection;
  readonly peers: readonly PeerStats[];
  /** What happened to the connections, newest last: at most 200 lines. */
  readonly log: readonly string[];
}

/** A microphone, camera or speaker. */
export interface DeviceInfo {
  readonly id: string;
  readonly kind: 'mic' | 'camera' | 'speaker';
  /** Empty until the person allowed a device of this kind. */
  readonly label: string;
}
