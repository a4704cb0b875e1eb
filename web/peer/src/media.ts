import { Connection, type ConnectionEvents, type Owner } from './connection.ts';
import { token, type Payload } from './wire.ts';

export interface CallOptions {
  /** Given to the other end along with the call. */
  metadata?: unknown;
}

export interface MediaEvents extends ConnectionEvents {
  /** The other end's sound and picture. */
  stream: [stream: MediaStream];
}

/** A call with another peer. */
export class MediaConnection extends Connection<MediaEvents> {
  override readonly type = 'media';
  localStream: MediaStream | null = null;
  remoteStream: MediaStream | null = null;
  #offer: RTCSessionDescriptionInit | undefined;

  /** @internal */
  static dial(owner: Owner, peer: string, stream: MediaStream, { metadata }: CallOptions): MediaConnection {
    const call = new MediaConnection(owner, peer, `mc_${token()}`, metadata);
    call.localStream = stream;
    call.offer((connection) => call.#prepare(connection), {});
    return call;
  }

  /** @internal */
  static ring(owner: Owner, peer: string, { connectionId, metadata, sdp }: Payload): MediaConnection {
    const call = new MediaConnection(owner, peer, connectionId, metadata);
    call.#offer = sdp;
    return call;
  }

  /** Takes the call; without a stream only the other end is seen and heard. */
  answer(stream?: MediaStream): void {
    const offer = this.#offer;
    if (!offer) return;
    this.#offer = undefined;
    this.localStream = stream ?? null;
    this.accept(offer, (connection) => this.#prepare(connection));
    this.open = true;
  }

  protected override answered(): void {
    this.open = true;
  }

  #prepare(connection: RTCPeerConnection): void {
    const mine = this.localStream;
    for (const track of mine?.getTracks() ?? []) connection.addTrack(track, mine!);
    connection.ontrack = ({ streams: [stream] }) => {
      if (!stream || stream === this.remoteStream) return;
      this.remoteStream = stream;
      this.emit('stream', stream);
    };
  }
}
