// Made from docs/signaling.schema.json by `npm run protocol`. Do not edit.

/**
 * A message of Parlour's signaling protocol, version 1 (WebSocket subprotocol parlour.v1).
 */
export type Message = (ClientMessage | ServerMessage)
/**
 * What a client says.
 */
export type ClientMessage = (ClientHello | ClientSdp | ClientIce | ClientRestart | ClientSet | ClientHand | ClientReaction | ClientChat | ClientMsg | ClientAdmit | ClientLock | ClientSettings | ClientRole | ClientKick | ClientAskMute | ClientEnd | ClientBye | ClientAuth | ClientStats | ClientPing)
/**
 * Names a room: what stands behind `/r/` in its link. 1 to 128 characters; letters, digits, `-`, `_`, `.`; compared in lower case.
 */
export type RoomId = string
/**
 * Names a session. Known to its client and the server only.
 */
export type SessionId = string
/**
 * A connection between two ends: `p:<peer id>` for the direct one to that peer, later `sfu` for the one to the server.
 * 
 * Towards the server it names the destination, from the server the origin.
 */
export type ConnectionId = string
/**
 * The kind of a session description (W3C `RTCSdpType`; provisional answers are not used).
 */
export type SdpKind = ("offer" | "answer" | "rollback")
/**
 * Names one participant in a room, for as long as its session lives. Lower-case base32, chosen by the server, unique over all servers.
 */
export type PeerId = string
/**
 * What a participant may do; a set of permissions with a name.
 */
export type Role = ("host" | "speaker" | "guest" | "viewer")
/**
 * What kind of source is meant.
 */
export type Source = ("mic" | "cam" | "screen")
/**
 * The type of a candidate (RFC 8445 §5.1.1).
 */
export type CandidateType = ("host" | "srflx" | "prflx" | "relay")
/**
 * What carries a connection's packets; for a relayed one, on the way to the TURN server.
 */
export type PairProtocol = ("udp" | "tcp" | "tls")
/**
 * What the server says.
 */
export type ServerMessage = (ServerWelcome | ServerSdp | ServerIce | ServerRestart | ServerPeer | ServerRoom | ServerReaction | ServerChat | ServerMsg | ServerAskMute | ServerOk | ServerError | ServerBye | ServerMoved | ServerPong)
/**
 * Where a participant stands.
 */
export type PeerState = ("joined" | "away" | "waiting")
/**
 * How media flows in a room.
 */
export type Topology = ("p2p" | "sfu")
/**
 * What happened to a participant.
 */
export type PeerOp = ("add" | "set" | "del")
/**
 * Why a participant is gone, or why a session ended.
 */
export type Reason = ("left" | "timeout" | "kicked" | "rejected" | "ended" | "replaced" | "expired" | "misbehaved")
/**
 * What was wrong, in a word that stays the same over versions.
 */
export type ErrorCode = ("bad_message" | "unsupported" | "unknown_version" | "out_of_order" | "token_required" | "bad_token" | "password_required" | "bad_password" | "bad_room" | "bad_name" | "room_unknown" | "room_full" | "room_locked" | "server_full" | "too_many_connections" | "too_many_joins" | "rate" | "too_large" | "not_permitted" | "no_such_peer" | "slow_reader" | "idle_timeout" | "draining" | "internal")

/**
 * The first message: who comes, to which room, and perhaps in which session.
 */
export interface ClientHello {
t: "hello"
/**
 * The protocol's major version: 1.
 */
v: number
room: RoomId
/**
 * The name to show. A token's name wins over it.
 */
name?: string
/**
 * A signed token (JWT), where the server asks for one.
 */
token?: string
/**
 * The room's password, where it has one.
 */
password?: string
/**
 * Optional features that this client knows.
 */
caps?: string[]
resume?: Resume
media?: Media
}
/**
 * Takes up a session again after a cut.
 */
export interface Resume {
sid: SessionId
/**
 * From the `welcome`.
 */
secret: string
/**
 * The last `seq` from the server that this client has seen; 0 for none.
 */
last: number
}
/**
 * What a participant sends from the start.
 */
export interface Media {
/**
 * Microphone on.
 */
mic?: boolean
/**
 * Camera on.
 */
cam?: boolean
}
/**
 * A session description for the other end of a connection.
 */
export interface ClientSdp {
t: "sdp"
pc: ConnectionId
/**
 * Which generation of that connection: grows by one when a side gives up its `RTCPeerConnection` and starts another.
 */
gen: number
kind: SdpKind
/**
 * The description (RFC 8866), passed on unread. Empty for a rollback.
 */
sdp: string
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * A candidate for the other end of a connection; `null` for the end of candidates (RFC 8838).
 */
export interface ClientIce {
t: "ice"
pc: ConnectionId
/**
 * Which generation of it.
 */
gen: number
/**
 * W3C `RTCIceCandidateInit`, passed on unread.
 */
cand: ({
[k: string]: unknown
} | null)
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Asks the other end for an ICE restart.
 */
export interface ClientRestart {
t: "restart"
pc: ConnectionId
/**
 * Which generation of it.
 */
gen: number
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Changes what others see of this participant. Absent fields stay.
 */
export interface ClientSet {
t: "set"
/**
 * Another name.
 */
name?: string
/**
 * Sound on or off.
 */
mic?: boolean
/**
 * Camera on or off.
 */
cam?: boolean
/**
 * Screen shared or not.
 */
screen?: boolean
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Raises or lowers a hand: one's own, or (host) lowers another's.
 */
export interface ClientHand {
t: "hand"
/**
 * Up or down.
 */
on: boolean
peer?: PeerId
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * A reaction that all see for a moment.
 */
export interface ClientReaction {
t: "reaction"
/**
 * One emoji: at most 32 bytes.
 */
emoji: string
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Says something to all, or to one.
 */
export interface ClientChat {
t: "chat"
/**
 * The text: 1 to `limits.chat_chars` characters.
 */
text: string
to?: PeerId
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Passes application data on, to one or to all others.
 */
export interface ClientMsg {
t: "msg"
to?: PeerId
/**
 * What it is about; 1 to 64 characters, chosen by the application.
 */
topic: string
/**
 * Any JSON, passed on unread.
 */
data: unknown
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Lets a waiting participant in, or turns it away. Hosts only.
 */
export interface ClientAdmit {
t: "admit"
peer: PeerId
/**
 * In, or away.
 */
ok: boolean
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Closes the room to newcomers, or opens it. Hosts only.
 */
export interface ClientLock {
t: "lock"
/**
 * Closed or open.
 */
on: boolean
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Changes the room. Absent fields stay. Hosts only.
 */
export interface ClientSettings {
t: "settings"
/**
 * Newcomers wait to be admitted.
 */
waiting_room?: boolean
/**
 * Chat is kept for those who come later. Off also forgets what was kept.
 */
chat_history?: boolean
/**
 * Asks this password of newcomers; an empty one asks none.
 */
password?: string
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Gives a participant another role. Hosts only.
 */
export interface ClientRole {
t: "role"
peer: PeerId
role: Role
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Puts a participant out. It may not come back in this session. Hosts only.
 */
export interface ClientKick {
t: "kick"
peer: PeerId
/**
 * Why, shown to it.
 */
reason?: string
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Asks a participant, or all others, to switch a source off.
 */
export interface ClientAskMute {
t: "ask_mute"
peer?: PeerId
source: Source
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Ends the room for all. Hosts only.
 */
export interface ClientEnd {
t: "end"
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Leaves for good; the session ends at once.
 */
export interface ClientBye {
t: "bye"
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Exchanges the token for a newer one: other permissions, later expiry.
 */
export interface ClientAuth {
t: "auth"
/**
 * The new token.
 */
token: string
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * How the connections are, about every 10 s, for the call record.
 */
export interface ClientStats {
t: "stats"
/**
 * One entry a connection.
 */
pairs: PairStats[]
/**
 * Asks for one reply, `ok` or `error`, that carries it as `re`.
 */
id?: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * How a peer-to-peer connection came about, for the call record.
 */
export interface PairStats {
peer: PeerId
path: CandidateType
proto: PairProtocol
/**
 * Round-trip time in milliseconds.
 */
rtt_ms: number
/**
 * Packets lost of those this client should have received, in percent.
 */
loss: number
/**
 * 0 (lost) to 100 (perfect).
 */
quality: number
}
/**
 * Asks for a `pong`; keeps the connection alive. Every 10 s, and at once when the network or the page's visibility changes.
 */
export interface ClientPing {
t: "ping"
/**
 * The last `seq` seen from the server, which may now forget it.
 */
ack: number
}
/**
 * Answers `hello`; sent again, with a snapshot, when a waiting participant is admitted or when events could not be kept. With a
 * snapshot it replaces all that the client knew of the room.
 */
export interface ServerWelcome {
t: "welcome"
sid: SessionId
/**
 * What proves that the session is one's own.
 */
secret: string
/**
 * How long after a cut it may be taken up again, in milliseconds.
 */
resume_ms: number
/**
 * Whether the session went on: what was missed follows as events, and there is no snapshot.
 */
resumed: boolean
/**
 * The last `seq` of the client that the server has. What came after it must be sent again.
 */
ack: number
/**
 * The last `seq` that the snapshot contains; the next event has the number after it. When resumed, the client's own `last`.
 */
last: number
snapshot?: Snapshot
/**
 * STUN and TURN servers for this session.
 */
ice_servers: IceServer[]
topo: Topology
limits: Limits
/**
 * Optional features that the server knows.
 */
caps: string[]
/**
 * Which server this is.
 */
node: string
/**
 * The server's clock, in milliseconds since the Unix epoch.
 */
now: number
}
/**
 * The whole state of a room as one participant sees it. Replaces all that it knew.
 */
export interface Snapshot {
you: Peer
room: Room
/**
 * All others, in the order in which they came. Waiting ones only for those who may admit.
 */
peers: Peer[]
/**
 * The last chat messages, oldest first.
 */
chat: ChatMessage[]
}
/**
 * A participant, whole. Always sent whole, so that applying it twice changes nothing.
 */
export interface Peer {
id: PeerId
/**
 * The name it shows: 1 to 64 characters.
 */
name: string
role: Role
state: PeerState
/**
 * Whether it sends sound from a microphone (not muted).
 */
mic: boolean
/**
 * Whether it sends a camera's picture.
 */
cam: boolean
/**
 * Whether it shares a screen.
 */
screen: boolean
/**
 * Whether its hand is raised: the time when it was, in milliseconds since the Unix epoch, so that hands have an order.
 */
hand?: number
/**
 * When it joined, in milliseconds since the Unix epoch.
 */
joined: number
/**
 * Optional features of its client, from its `hello`.
 */
caps?: string[]
}
/**
 * A room, whole.
 */
export interface Room {
id: RoomId
/**
 * Nobody new may enter.
 */
locked: boolean
/**
 * Those who come wait until a host admits them.
 */
waiting_room: boolean
/**
 * Chat is kept for those who come later.
 */
chat_history: boolean
/**
 * A password is asked of those who come.
 */
password: boolean
/**
 * How many may be in it.
 */
max_peers: number
/**
 * When it was made, in milliseconds since the Unix epoch.
 */
created: number
}
/**
 * A chat message as everybody sees it.
 */
export interface ChatMessage {
/**
 * Names this message in its room; grows with time.
 */
key: number
from: PeerId
/**
 * The writer's name at that time.
 */
name: string
/**
 * The text, as written: at most 4,000 characters.
 */
text: string
/**
 * When the server got it, in milliseconds since the Unix epoch.
 */
time: number
to?: PeerId
}
/**
 * A STUN or TURN server, in the shape of W3C `RTCIceServer`.
 */
export interface IceServer {
/**
 * `stun:`, `turn:` and `turns:` URIs (RFC 7064, RFC 7065).
 */
urls: string[]
/**
 * User name, for TURN.
 */
username?: string
/**
 * Password, for TURN.
 */
credential?: string
/**
 * Realm of the TURN server. With `nonce` it spares a client the round trip of a 401 (RFC 8489 §9.2). Browsers pass over both.
 */
realm?: string
/**
 * A nonce for this user name.
 */
nonce?: string
}
/**
 * The limits that the server holds this session to.
 */
export interface Limits {
/**
 * Longest message, in bytes of UTF-8.
 */
message_bytes: number
/**
 * Messages a second, on average.
 */
messages_per_s: number
/**
 * Messages at once.
 */
burst: number
/**
 * Longest chat text, in characters.
 */
chat_chars: number
/**
 * Most participants whose media goes peer to peer.
 */
p2p_max: number
}
/**
 * A session description; `pc` names its origin.
 */
export interface ServerSdp {
t: "sdp"
pc: ConnectionId
/**
 * Which generation of it.
 */
gen: number
kind: SdpKind
/**
 * The description (RFC 8866). Empty for a rollback.
 */
sdp: string
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * A candidate; `pc` names its origin.
 */
export interface ServerIce {
t: "ice"
pc: ConnectionId
/**
 * Which generation of it.
 */
gen: number
/**
 * W3C `RTCIceCandidateInit`; `null` for the end of candidates.
 */
cand: ({
[k: string]: unknown
} | null)
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * The other end asks for an ICE restart.
 */
export interface ServerRestart {
t: "restart"
pc: ConnectionId
/**
 * Which generation of it.
 */
gen: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * A participant came, changed or went. Those whose own name, media, hand or role changed get it, too.
 */
export interface ServerPeer {
t: "peer"
op: PeerOp
peer: Peer
why?: Reason
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * The room changed.
 */
export interface ServerRoom {
t: "room"
room: Room
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Somebody reacts; the one who does gets it too.
 */
export interface ServerReaction {
t: "reaction"
from: PeerId
/**
 * How.
 */
emoji: string
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Somebody said something; the writer gets it too.
 */
export interface ServerChat {
t: "chat"
message: ChatMessage
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Application data.
 */
export interface ServerMsg {
t: "msg"
from: PeerId
/**
 * What it is about.
 */
topic: string
/**
 * Any JSON.
 */
data: unknown
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * A request to switch a source off. The client decides, or its person does.
 */
export interface ServerAskMute {
t: "ask_mute"
from: PeerId
source: Source
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * The request was carried out.
 */
export interface ServerOk {
t: "ok"
/**
 * Its `id`.
 */
re: number
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * Something was refused.
 */
export interface ServerError {
t: "error"
/**
 * The `id` of the request that was refused.
 */
re?: number
code: ErrorCode
/**
 * The same in English, with what to do.
 */
message: string
/**
 * When to try again, in milliseconds.
 */
retry_ms?: number
/**
 * Whether the server closes the connection after this.
 */
fatal: boolean
/**
 * The number of this message in its session, counted by its sender.
 */
seq?: number
}
/**
 * The session is over; the server closes the connection after this.
 */
export interface ServerBye {
t: "bye"
why: Reason
/**
 * The same in English.
 */
message: string
}
/**
 * The server stops or moves: connect again, with the session's `resume`.
 */
export interface ServerMoved {
t: "moved"
/**
 * Where; absent for the same address.
 */
url?: string
/**
 * When, in milliseconds from now.
 */
retry_ms: number
}
/**
 * Answers `ping`.
 */
export interface ServerPong {
t: "pong"
/**
 * The last `seq` of the client that the server has; the client may now forget it.
 */
ack: number
/**
 * The server's clock, in milliseconds since the Unix epoch.
 */
now: number
}
