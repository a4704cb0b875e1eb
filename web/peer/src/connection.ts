import { Events } from './events.ts';
import type { Incoming, Kind, Outgoing, Payload } from './wire.ts';

/** What a connection needs of the peer that it belongs to. */
export interface Owner {
  config(): Promise<RTCConfiguration>;
  tell(message: Outgoing): void;
  forget(connection: Connection<never>): void;
}

/** Why a connection does not come about, or ended. */
export interface ConnectionError extends Error { type: string }

export type ConnectionEvents = {
  close: [];
  error: [error: ConnectionError];
  iceStateChanged: [state: RTCIceConnectionState];
};

/** One RTCPeerConnection with another peer, for data or for media. */
export abstract class Connection<Map extends ConnectionEvents & { [K in keyof Map]: unknown[] }> extends Events<Map> {
  abstract readonly type: Kind;
  /** The id of the other end. */
  readonly peer: string;
  readonly connectionId: string;
  /** What the end that opened it gave along. */
  readonly metadata: unknown;
  /** Whether it is usable now. */
  open = false;
  /** The browser's own object, once there is one. */
  peerConnection: RTCPeerConnection | null = null;

  protected readonly owner: Owner;
  #closed = false;
  /** What came before this side has taken the offer. */
  #held: Incoming[] | null = [];
  /** Descriptions and candidates are taken one after the other, also while the object is being made. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(owner: Owner, peer: string, connectionId: string, metadata: unknown) {
    super();
    this.owner = owner;
    this.peer = peer;
    this.connectionId = connectionId;
    this.metadata = metadata;
  }

  /** Opens the connection from this side. */
  protected offer(prepare: (connection: RTCPeerConnection) => void, about: Partial<Payload>): void {
    this.#do(async () => {
      const connection = await this.#make();
      prepare(connection);
      await connection.setLocalDescription(await connection.createOffer());
      this.#say('OFFER', { sdp: description(connection), metadata: this.metadata, ...about });
    });
    this.#release();
  }

  /** Takes the other side's offer. */
  protected accept(sdp: RTCSessionDescriptionInit, prepare: (connection: RTCPeerConnection) => void): void {
    this.#do(async () => {
      const connection = await this.#make();
      prepare(connection);
      await connection.setRemoteDescription(sdp);
      await connection.setLocalDescription(await connection.createAnswer());
      this.#say('ANSWER', { sdp: description(connection) });
    });
    this.#release();
  }

  /** Hears what the other side says about it. */
  hear(message: Incoming): void {
    if (this.#held) return void this.#held.push(message);
    const { type, payload } = message;
    const { sdp, candidate } = payload ?? {};
    this.#do(async () => {
      if (type === 'ANSWER' && sdp) {
        await this.peerConnection?.setRemoteDescription(sdp);
        this.answered();
      } else if (type === 'CANDIDATE' && candidate) {
        await this.peerConnection?.addIceCandidate(candidate);
      }
    });
  }

  /** The other side has answered. */
  protected answered(): void {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.peerConnection?.close();
    this.owner.forget(this as unknown as Connection<never>);
    const was = this.open;
    this.open = false;
    if (was) (this as Events<ConnectionEvents>).emit('close');
  }

  protected fail(type: string, message: string): void {
    const error = Object.assign(new Error(message), { type });
    (this as Events<ConnectionEvents>).emit('error', error);
  }

  async #make(): Promise<RTCPeerConnection> {
    const config = await this.owner.config();
    if (this.#closed) throw new Error('The connection is closed.');
    const connection = new RTCPeerConnection(config);
    this.peerConnection = connection;
    connection.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) this.#say('CANDIDATE', { candidate: candidate.toJSON() });
    };
    connection.oniceconnectionstatechange = () => {
      const state = connection.iceConnectionState;
      (this as Events<ConnectionEvents>).emit('iceStateChanged', state);
      if (state === 'failed') {
        this.fail('negotiation-failed', `No path to ${this.peer} was found. A TURN server may be needed.`);
        this.close();
      }
    };
    return connection;
  }

  #release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const message of held) this.hear(message);
  }

  #say(type: 'OFFER' | 'ANSWER' | 'CANDIDATE', payload: Omit<Payload, 'connectionId'>): void {
    if (!this.#closed) this.owner.tell({ type, dst: this.peer, payload: { ...payload, type: this.type, connectionId: this.connectionId } });
  }

  #do(step: () => Promise<void>): void {
    this.#queue = this.#queue.then(() => (this.#closed ? undefined : step())).catch((error: unknown) => {
      if (!this.#closed) this.fail('webrtc', error instanceof Error ? error.message : String(error));
    });
  }
}

function description({ localDescription }: RTCPeerConnection): RTCSessionDescriptionInit {
  return { type: localDescription!.type, sdp: localDescription!.sdp };
}
