import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Peer, type PeerError } from '../src/index.ts';

/** The server's end of the socket, in the test's hands. */
class FakeSocket {
  static readonly OPEN = 1;
  static all: FakeSocket[] = [];
  readyState = 0;
  sent: Record<string, unknown>[] = [];
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;
  onclose?: () => void;
  readonly url: URL;

  constructor(url: string) {
    this.url = new URL(url);
    FakeSocket.all.push(this);
  }

  send(text: string) { this.sent.push(JSON.parse(text) as Record<string, unknown>); }
  close() { this.readyState = 3; }

  accept() {
    this.readyState = 1;
    this.onopen?.();
    this.say({ type: 'OPEN' });
  }

  say(message: object) { this.onmessage?.({ data: JSON.stringify(message) }); }

  drop() {
    this.readyState = 3;
    this.onclose?.();
  }
}

class FakeConnection {
  static all: FakeConnection[] = [];
  calls: string[] = [];
  localDescription = { type: 'offer', sdp: 'mine' };
  iceConnectionState = 'new';
  readonly config: RTCConfiguration;
  constructor(config: RTCConfiguration) {
    this.config = config;
    FakeConnection.all.push(this);
  }
  createDataChannel() { return { readyState: 'connecting' }; }
  addTrack() { this.calls.push('addTrack'); }
  async createOffer() { return {}; }
  async createAnswer() { return {}; }
  async setLocalDescription() { this.calls.push('local'); }
  async setRemoteDescription({ sdp }: { sdp: string }) { this.calls.push(`remote ${sdp}`); }
  async addIceCandidate({ candidate }: { candidate: string }) { this.calls.push(`candidate ${candidate}`); }
  close() { this.calls.push('close'); }
}

const settle = () => vi.advanceTimersByTimeAsync(1);

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  FakeConnection.all = [];
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.stubGlobal('RTCPeerConnection', FakeConnection);
  vi.stubGlobal('fetch', vi.fn(async (url: string) => new Response(url.endsWith('/v1/ice') ? '{"ice_servers":[{"urls":["turn:t"]}]}' : 'given-id')));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const options = { host: 'host.example', port: 8443, secure: true, token: 'mine' };

async function opened(id?: string) {
  const peer = new Peer(id, options);
  const errors: string[] = [];
  peer.on('error', (error: PeerError) => errors.push(error.type));
  await settle();
  const socket = FakeSocket.all.at(-1)!;
  socket?.accept();
  return { peer, socket, errors };
}

describe('a peer', () => {
  test('asks for an id, and shows its key and token', async () => {
    const { peer, socket } = await opened();
    expect(fetch).toHaveBeenCalledWith('https://host.example:8443/peerjs/id');
    expect([peer.id, peer.open]).toEqual(['given-id', true]);
    expect(socket.url.href).toBe('wss://host.example:8443/peerjs?key=peerjs&id=given-id&token=mine');
  });

  test('beats every five seconds, as long as it is connected', async () => {
    const { peer, socket } = await opened('ann');
    await vi.advanceTimersByTimeAsync(10_500);
    expect(socket.sent).toEqual([{ type: 'HEARTBEAT' }, { type: 'HEARTBEAT' }]);
    peer.disconnect();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(socket.sent.length).toBe(2);
  });

  test('tells what the server refuses, and goes', async () => {
    for (const [message, type] of [[{ type: 'ID-TAKEN' }, 'unavailable-id'], [{ type: 'ERROR', payload: { msg: 'full' } }, 'server-error']] as const) {
      const peer = new Peer('ann', options);
      const errors: PeerError[] = [];
      peer.on('error', (error) => errors.push(error));
      await settle();
      FakeSocket.all.at(-1)!.say(message);
      expect([errors[0]?.type, peer.destroyed]).toEqual([type, true]);
    }
    const { errors, socket, peer } = await opened('ann');
    socket.say({ type: 'EXPIRE', src: 'bob' });
    expect([errors, peer.destroyed]).toEqual([['peer-unavailable'], false]);
  });

  test('comes back under the same id and token after a cut', async () => {
    const { peer, socket, errors } = await opened('ann');
    socket.drop();
    expect([errors, peer.disconnected, peer.destroyed]).toEqual([['network'], true, false]);
    expect(peer.connect('bob')).toBeUndefined();
    peer.reconnect();
    const again = FakeSocket.all.at(-1)!;
    expect(again).not.toBe(socket);
    expect(again.url.search).toBe(socket.url.search);
    again.accept();
    expect([peer.open, peer.disconnected]).toEqual([true, false]);
  });

  test('an id that the server could not know is refused here', async () => {
    const { errors } = await opened('a/b');
    expect([errors, FakeSocket.all.length]).toEqual([['invalid-id'], 0]);
  });
});

describe('connections', () => {
  test('are offered with the STUN and TURN servers of the server', async () => {
    const { peer, socket } = await opened('ann');
    const connection = peer.connect('bob', { reliable: true, metadata: 1 })!;
    await settle();
    expect(FakeConnection.all[0]!.config).toEqual({ iceServers: [{ urls: ['turn:t'] }] });
    expect(socket.sent).toEqual([{
      type: 'OFFER', dst: 'bob',
      payload: { sdp: { type: 'offer', sdp: 'mine' }, metadata: 1, label: connection.connectionId, reliable: true, serialization: 'binary', type: 'data', connectionId: connection.connectionId },
    }]);
    socket.say({ type: 'ANSWER', src: 'eve', payload: { connectionId: connection.connectionId, sdp: { sdp: 'forged' } } });
    socket.say({ type: 'ANSWER', src: 'bob', payload: { connectionId: connection.connectionId, sdp: { sdp: 'theirs' } } });
    await settle();
    expect(FakeConnection.all[0]!.calls).toEqual(['local', 'remote theirs']);
  });

  test('a call that rings keeps what comes until it is answered', async () => {
    const { peer, socket } = await opened('ann');
    const rang = new Promise<import('../src/index.ts').MediaConnection>((resolve) => peer.on('call', resolve));
    socket.say({ type: 'OFFER', src: 'bob', payload: { type: 'media', connectionId: 'mc', sdp: { sdp: 'theirs' } } });
    socket.say({ type: 'CANDIDATE', src: 'bob', payload: { connectionId: 'mc', candidate: { candidate: 'c1' } } });
    const call = await rang;
    await settle();
    expect(FakeConnection.all).toEqual([]);
    call.answer();
    await settle();
    expect(FakeConnection.all[0]!.calls).toEqual(['remote theirs', 'local', 'candidate c1']);
    expect(socket.sent.map(({ type }) => type)).toEqual(['ANSWER']);
    socket.say({ type: 'LEAVE', src: 'bob' });
    expect([call.open, FakeConnection.all[0]!.calls.at(-1)]).toEqual([false, 'close']);
    expect(peer.connections).toEqual({});
  });
});
