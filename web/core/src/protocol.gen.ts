// The messages of signaling protocol version 1.

/** Which role a participant has. */
export type Role = 'host' | 'speaker' | 'guest' | 'viewer';
/** Where a participant stands. */
export type PeerState = 'joined' | 'away' | 'waiting';
export type PeerOp = 'add' | 'set' | 'del';
export type SdpKind = 'offer' | 'answer' | 'rollback';
export type MediaSource = 'mic' | 'cam' | 'screen';
export type Topology = 'p2p' | 'sfu';
export type Reason = 'left' | 'timeout' | 'kicked' | 'rejected' | 'ended' | 'replaced' | 'expired' | 'misbehaved';
export type ErrorCode =
  | 'bad_message'
  | 'unsupported'
  | 'unknown_version'
  | 'out_of_order'
  | 'token_required'
  | 'bad_token'
  | 'password_required'
  | 'bad_password'
  | 'bad_room'
  | 'bad_name'
  | 'room_unknown'
  | 'room_full'
  | 'room_locked'
  | 'server_full'
  | 'too_many_connections'
  | 'too_many_joins'
  | 'rate'
  | 'too_large'
  | 'not_permitted'
  | 'no_such_peer'
  | 'slow_reader'
  | 'idle_timeout'
  | 'draining'
  | 'internal';

/** A participant, whole. */
export interface Peer {
  id: string;
  name: string;
  role: Role;
  state: PeerState;
  mic: boolean;
  cam: boolean;
  screen: boolean;
  hand?: number | null;
  joined: number;
  caps?: string[];
}

/** A room, whole. */
export interface Room {
  id: string;
  locked: boolean;
  waiting_room: boolean;
  chat_history: boolean;
  password: boolean;
  max_peers: number;
  created: number;
}

/** A chat message as everybody sees it. */
export interface ChatMessage {
  /** Names this message in its room; grows with time. */
  key: number;
  from: string;
  /** The writer's name at that time. */
  name: string;
  text: string;
  /** When the server got it, in milliseconds since the Unix epoch. */
  time: number;
  /** The only one to see it beside the writer; absent for a message to all. */
  to?: string | null;
}

export interface IceServer {
  urls: string[];
  username?: string | null;
  credential?: string | null;
}

export interface Limits {
  message_bytes: number;
  messages_per_s: number;
  burst: number;
  chat_chars: number;
  p2p_max: number;
}

export interface Resume {
  sid: string;
  secret: string;
  last: number;
}

export interface Snapshot {
  you: Peer;
  room: Room;
  peers: Peer[];
  chat: ChatMessage[];
}

export interface PairStats {
  peer: string;
  path: string;
  proto: string;
  rtt_ms: number;
  loss: number;
  quality: number;
}

export interface Media {
  mic?: boolean;
  cam?: boolean;
}

/** What a client says. */
export type ClientMessage =
  | { t: 'hello'; v: number; room: string; name?: string | null; token?: string | null; password?: string | null; caps?: string[]; resume?: Resume | null; media?: Media | null }
  | { t: 'sdp'; pc: string; gen: number; kind: SdpKind; sdp: string }
  | { t: 'ice'; pc: string; gen: number; cand: { [k: string]: unknown } | null }
  | { t: 'restart'; pc: string; gen: number }
  | { t: 'set'; name?: string | null; mic?: boolean | null; cam?: boolean | null; screen?: boolean | null }
  | { t: 'hand'; on: boolean; peer?: string | null }
  | { t: 'reaction'; emoji: string }
  | { t: 'chat'; text: string; to?: string | null }
  | { t: 'msg'; to?: string | null; topic: string; data: unknown }
  | { t: 'admit'; peer: string; ok: boolean }
  | { t: 'lock'; on: boolean }
  | { t: 'settings'; waiting_room?: boolean | null; chat_history?: boolean | null; password?: string | null }
  | { t: 'role'; peer: string; role: Role }
  | { t: 'kick'; peer: string; reason?: string | null }
  | { t: 'ask_mute'; peer?: string | null; source: MediaSource }
  | { t: 'end' }
  | { t: 'bye' }
  | { t: 'auth'; token: string }
  | { t: 'stats'; pairs: PairStats[] }
  | { t: 'ping'; ack: number };

/** What the server says. */
export type ServerMessage =
  | {
      t: 'welcome';
      sid: string;
      secret: string;
      resume_ms: number;
      resumed: boolean;
      ack: number;
      last: number;
      snapshot?: Snapshot | null;
      ice_servers: IceServer[];
      topo: Topology;
      limits: Limits;
      caps: string[];
      node: string;
      now: number;
    }
  | { t: 'sdp'; pc: string; gen: number; kind: SdpKind; sdp: string }
  | { t: 'ice'; pc: string; gen: number; cand: { [k: string]: unknown } | null }
  | { t: 'restart'; pc: string; gen: number }
  | { t: 'peer'; op: PeerOp; peer: Peer; why?: Reason | null }
  | { t: 'room'; room: Room }
  | { t: 'reaction'; from: string; emoji: string }
  | { t: 'chat'; message: ChatMessage }
  | { t: 'msg'; from: string; topic: string; data: unknown }
  | { t: 'ask_mute'; from: string; source: MediaSource }
  | { t: 'ok'; re: number }
  | { t: 'error'; re?: number | null; code: ErrorCode; message: string; retry_ms?: number | null; fatal: boolean }
  | { t: 'bye'; why: Reason; message: string }
  | { t: 'moved'; url?: string | null; retry_ms: number }
  | { t: 'pong'; ack: number; now: number };
