// A signaling server in memory that keeps to the protocol as far as the client's tests need it: rooms, relay, chat, numbering, replay.

import type { ClientMessage, Peer, Room, ServerMessage, Snapshot } from '../../src/protocol.gen.ts';

type Numbered<M> = M & { seq?: number; id?: number };
type Event = Exclude<ServerMessage, { t: 'welcome' | 'pong' | 'bye' | 'moved' }>;

/** The server's end of a socket. */
export interface Wire {
  send(text: string): void;
  close(code: number, reason: string): void;
}

export interface Connection {
  receive(text: string): void;
  closed(): void;
}

interface Session {
  sid: string;
  secret: string;
  peer: Peer;
  wire: Wire | null;
  lastIn: number;
  lastOut: number;
  ring: { seq: number; text: string }[];
}

export class SignalingServer {
  sessions = new Map<string, Session>();
  room: Room = { id: 'test', locked: false, waiting_room: false, chat_history: true, password: false, max_peers: 100, created: 1 };
  chat: Snapshot['chat'] = [];
  /** Everything that clients said, beside pings. */
  heard: Numbered<ClientMessage>[] = [];
  p2pMax = 6;
  /** How many events are kept for a session that is away. */
  ringSize = 1_024;
  #count = 0;
  #joined = 1_000;

  connect(wire: Wire): Connection {
    let session: Session | null = null;
    return {
      receive: (text) => {
        const message = JSON.parse(text) as Numbered<ClientMessage>;
        if (message.t === 'hello') session = this.#hello(message, wire);
        else if (session?.wire === wire) this.#message(session, message);
      },
      closed: () => {
        if (session?.wire !== wire) return;
        session.wire = null;
        this.#change(session, { state: 'away' });
      },
    };
  }

  /** The sessions that are away are over, as after 30 s. */
  expire(): void {
    for (const session of [...this.sessions.values()]) {
      if (session.wire) continue;
      this.sessions.delete(session.sid);
      this.#tell({ t: 'peer', op: 'del', peer: session.peer, why: 'timeout' }, session);
    }
  }

  /** Tells one participant something. */
  say(peer: string, event: Event): void {
    const session = [...this.sessions.values()].find((one) => one.peer.id === peer);
    if (session) this.#send(session, event);
  }

  /** Sends something without a number to one participant. */
  shout(peer: string, message: ServerMessage): void {
    [...this.sessions.values()].find((one) => one.peer.id === peer)?.wire?.send(JSON.stringify(message));
  }

  #hello(message: Extract<ClientMessage, { t: 'hello' }>, wire: Wire): Session {
    const old = message.resume && this.sessions.get(message.resume.sid);
    if (old && old.secret === message.resume?.secret) return this.#resume(old, message.resume.last, wire);
    const n = ++this.#count;
    const session: Session = {
      sid: `sid${n}`,
      secret: `secret${n}`,
      wire,
      lastIn: 0,
      lastOut: 0,
      ring: [],
      peer: {
        id: `peer${n}`,
        name: message.name ?? 'Guest',
        role: this.sessions.size ? 'guest' : 'host',
        state: this.room.waiting_room && this.sessions.size ? 'waiting' : 'joined',
        mic: message.media?.mic ?? false,
        cam: message.media?.cam ?? false,
        screen: false,
        joined: this.#joined++,
      },
    };
    this.#welcome(session, false, true);
    this.#tell({ t: 'peer', op: 'add', peer: session.peer }, session);
    this.sessions.set(session.sid, session);
    return session;
  }

  #resume(session: Session, last: number, wire: Wire): Session {
    session.wire?.close(4001, 'replaced');
    session.wire = wire;
    const missed = session.ring.filter(({ seq }) => seq > last);
    const whole = missed.length === session.lastOut - last;
    session.peer = { ...session.peer, state: 'joined' };
    this.#welcome(session, whole, !whole);
    if (whole) for (const { text } of missed) wire.send(text);
    this.#tell({ t: 'peer', op: 'set', peer: session.peer }, session);
    return session;
  }

  #welcome(session: Session, resumed: boolean, snapshot: boolean): void {
    const others = [...this.sessions.values()].filter((other) => other !== session);
    const waiting = session.peer.state === 'waiting';
    const welcome: ServerMessage = {
      t: 'welcome',
      sid: session.sid,
      secret: session.secret,
      resume_ms: 30_000,
      resumed,
      ack: session.lastIn,
      last: session.lastOut,
      ...(snapshot && { snapshot: { you: session.peer, room: this.room, peers: waiting ? [] : others.map(({ peer }) => peer), chat: waiting ? [] : this.chat } }),
      ice_servers: [],
      topo: 'p2p',
      limits: { message_bytes: 65_536, messages_per_s: 50, burst: 200, chat_chars: 4_000, p2p_max: this.p2pMax },
      caps: [],
      node: 'test',
      now: Date.now(),
    };
    session.wire?.send(JSON.stringify(welcome));
  }

  #message(session: Session, message: Numbered<ClientMessage>): void {
    if (message.t === 'ping') {
      session.ring = session.ring.filter(({ seq }) => seq > message.ack);
      session.wire?.send(JSON.stringify({ t: 'pong', ack: session.lastIn, now: Date.now() }));
      return;
    }
    if ((message.seq ?? 0) <= session.lastIn) return;
    if (message.seq !== session.lastIn + 1) throw new Error(`message ${message.seq} after ${session.lastIn}`);
    session.lastIn = message.seq;
    this.heard.push(message);
    this.#carryOut(session, message);
    if (message.id !== undefined) this.#send(session, { t: 'ok', re: message.id });
  }

  #carryOut(session: Session, message: ClientMessage): void {
    const { peer } = session;
    switch (message.t) {
      case 'sdp':
      case 'ice':
      case 'restart':
        return this.say(message.pc.slice(2), { ...message, pc: `p:${peer.id}` });
      case 'set': {
        const { mic, cam, screen, name } = message;
        return this.#change(session, { ...(mic != null && { mic }), ...(cam != null && { cam }), ...(screen != null && { screen }), ...(name != null && { name }) });
      }
      case 'hand':
        return this.#change(session, { hand: message.on ? Date.now() : undefined });
      case 'chat': {
        const said = { key: this.chat.length + 1, from: peer.id, name: peer.name, text: message.text, time: Date.now(), ...(message.to && { to: message.to }) };
        this.chat.push(said);
        return this.#tell({ t: 'chat', message: said });
      }
      case 'msg':
        if (message.to) return this.say(message.to, { t: 'msg', from: peer.id, topic: message.topic, data: message.data });
        return this.#tell({ t: 'msg', from: peer.id, topic: message.topic, data: message.data }, session);
      case 'reaction':
        return this.#tell({ t: 'reaction', from: peer.id, emoji: message.emoji });
      case 'lock':
        this.room = { ...this.room, locked: message.on };
        return this.#tell({ t: 'room', room: this.room });
      case 'admit': {
        const other = [...this.sessions.values()].find((one) => one.peer.id === message.peer);
        if (!other) return;
        other.peer = { ...other.peer, state: 'joined' };
        this.#welcome(other, false, true);
        return this.#tell({ t: 'peer', op: 'add', peer: other.peer }, other);
      }
      case 'bye':
        this.sessions.delete(session.sid);
        session.wire?.send(JSON.stringify({ t: 'bye', why: 'left', message: 'You have left.' }));
        session.wire?.close(4001, 'left');
        session.wire = null;
        return this.#tell({ t: 'peer', op: 'del', peer, why: 'left' });
    }
  }

  #change(session: Session, change: Partial<Peer>): void {
    session.peer = { ...session.peer, ...change };
    this.#tell({ t: 'peer', op: 'set', peer: session.peer });
  }

  #tell(event: Event, except?: Session): void {
    for (const session of this.sessions.values()) if (session !== except) this.#send(session, event);
  }

  #send(session: Session, event: Event): void {
    const seq = ++session.lastOut;
    const text = JSON.stringify({ ...event, seq });
    session.ring.push({ seq, text });
    session.ring.splice(0, session.ring.length - this.ringSize);
    session.wire?.send(text);
  }
}
