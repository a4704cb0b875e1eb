import { describe, expect, test, vi } from 'vitest';
import { join, ParlourError, type RoomSnapshot } from '../src/index.ts';
import { pass, useWorld } from './support/world.ts';

const here = useWorld();

describe('joining', () => {
  test('two people meet: each sees the other, connected, with what it sends', async () => {
    const ann = await here.world.join('Ann', { mic: true, camera: true });
    const ben = await here.world.join('Ben', { camera: true });
    await pass(500);
    const [seen] = ann.getSnapshot().peers;
    expect(seen).toMatchObject({ name: 'Ben', mic: false, camera: true, connection: 'connected' });
    expect(Object.keys(seen!.streams)).toEqual(['camera']);
    expect(Object.keys(ben.getSnapshot().peers[0]!.streams).sort()).toEqual(['camera', 'mic']);
  });

  test('the newcomer makes the offer, in generation 0, and only one connection is made at each end', async () => {
    await here.world.join('Ann');
    await here.world.join('Ben');
    await pass(1_000);
    const offers = here.world.server.heard.filter((message) => message.t === 'sdp' && message.kind === 'offer');
    expect(offers).toMatchObject([{ pc: 'p:peer1', gen: 0 }]);
    expect(here.world.network.made).toHaveLength(2);
  });

  test('speaks the protocol parlour.v1 at /v1/ws beside the room', async () => {
    await here.world.join('Ann');
    expect(here.world.sockets[0]).toMatchObject({ url: 'wss://host.example/v1/ws', protocols: ['parlour.v1'] });
  });

  test('a link that names no room is refused', async () => {
    await expect(join('https://host.example/about')).rejects.toMatchObject({ code: 'bad_url' });
  });

  test('a server that cannot be reached is given up after the time-out, and devices are closed', async () => {
    here.world.reachable = false;
    const joining = join('https://host.example/r/test', { mic: true, timeout: 5_000 });
    const refused = expect(joining).rejects.toMatchObject({ code: 'unreachable' });
    await pass(5_100);
    await refused;
  });

  test('aborting gives up with the reason of the signal', async () => {
    here.world.reachable = false;
    const stop = new AbortController();
    const joining = join('https://host.example/r/test', { signal: stop.signal });
    const refused = expect(joining).rejects.toThrow('changed my mind');
    await pass(1_000);
    stop.abort(new Error('changed my mind'));
    await refused;
  });

  test('a denied camera is told with a code, before the room is entered', async () => {
    here.world.media = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
    const joining = join('https://host.example/r/test', { camera: true });
    await expect(joining).rejects.toMatchObject({ code: 'permission_denied' });
    expect(here.world.server.sessions.size).toBe(0);
  });

  test('without camera and microphone, as on plain HTTP, one still receives', async () => {
    Object.defineProperty(navigator, 'mediaDevices', { value: undefined, configurable: true });
    const ann = await here.world.join('Ann');
    await pass(100);
    await expect(ann.camera(true)).rejects.toBeInstanceOf(ParlourError);
    expect(ann.getSnapshot().status).toBe('joined');
  });
});

describe('in the room', () => {
  test('chat reaches all, in order, and those who come later', async () => {
    const ann = await here.world.join('Ann');
    const ben = await here.world.join('Ben');
    const told: string[] = [];
    ben.on('message', (message) => told.push(message.text));
    const sent = [ann.send('one'), ann.send('two')];
    await pass(100);
    await Promise.all(sent);
    expect(told).toEqual(['one', 'two']);
    const cem = await here.world.join('Cem');
    expect(cem.getSnapshot().chat.map(({ text }) => text)).toEqual(['one', 'two']);
  });

  test('switching the camera on and off needs no new offer and no new connection', async () => {
    const ann = await here.world.join('Ann');
    const ben = await here.world.join('Ben');
    await pass(500);
    const streams: string[] = [];
    ben.peers.get(ann.you)!.on('stream', ({ source }) => streams.push(`+${source}`));
    ben.peers.get(ann.you)!.on('stream_ended', ({ source }) => streams.push(`-${source}`));
    await ann.camera(true);
    await pass(100);
    await ann.camera(false);
    await ann.screen();
    await pass(100);
    expect(streams).toEqual(['+camera', '-camera', '+screen']);
    expect(here.world.server.heard.filter(({ t }) => t === 'sdp')).toHaveLength(2);
    expect(here.world.network.made).toHaveLength(2);
  });

  test('muting keeps the device, closing the camera stops it', async () => {
    const ann = await here.world.join('Ann', { mic: true, camera: true });
    const { streams } = ann.getSnapshot().you;
    const [mic, camera] = [streams.mic!.getTracks()[0]!, streams.camera!.getTracks()[0]!];
    await ann.mic(false);
    await ann.camera(false);
    expect(mic).toMatchObject({ readyState: 'live', enabled: false });
    expect(camera.readyState).toBe('ended');
    expect(ann.getSnapshot().you).toMatchObject({ mic: false, camera: false });
  });

  test('above the mesh limit those who came last exchange no media, with a reason; a place that becomes free is taken', async () => {
    here.world.server.p2pMax = 2;
    const ann = await here.world.join('Ann');
    const ben = await here.world.join('Ben');
    const cem = await here.world.join('Cem');
    await pass(500);
    expect(cem.getSnapshot().mesh).toMatchObject({ max: 2, exceeded: true, reason: expect.stringContaining('first 2 people') });
    expect(cem.getSnapshot().peers.map(({ connection }) => connection)).toEqual(['none', 'none']);
    await ben.leave();
    await pass(500);
    expect(cem.getSnapshot().mesh.exceeded).toBe(false);
    expect(cem.getSnapshot().peers).toMatchObject([{ name: 'Ann', connection: 'connected' }]);
    expect(ann.getSnapshot().peers).toMatchObject([{ name: 'Cem', connection: 'connected' }]);
  });

  test('the waiting room: one waits without a connection, and is in when admitted', async () => {
    const ann = await here.world.join('Ann');
    here.world.server.room.waiting_room = true;
    const knocks: string[] = [];
    ann.on('knock', ({ name }) => knocks.push(name));
    const ben = await here.world.join('Ben');
    expect(ben.getSnapshot()).toMatchObject({ status: 'waiting', peers: [] });
    expect(ann.getSnapshot()).toMatchObject({ peers: [], waiting: [{ name: 'Ben' }] });
    expect(knocks).toEqual(['Ben']);
    await Promise.all([ann.admit(ben.you, true), pass(100)]);
    await pass(500);
    expect(ben.getSnapshot()).toMatchObject({ status: 'joined', peers: [{ name: 'Ann', connection: 'connected' }] });
    expect(ann.getSnapshot()).toMatchObject({ peers: [{ name: 'Ben' }], waiting: [] });
  });

  test('kicked: the call ends with the reason', async () => {
    const ann = await here.world.join('Ann', { camera: true });
    const ended = vi.fn();
    ann.on('ended', ended);
    const track = ann.getSnapshot().you.streams.camera!.getTracks()[0]!;
    here.world.server.shout(ann.you, { t: 'bye', why: 'kicked', message: 'Too loud.' });
    await pass(50);
    expect(ended).toHaveBeenCalledExactlyOnceWith({ code: 'kicked', message: 'Too loud.' });
    expect(ann.getSnapshot().status).toBe('ended');
    expect(track.readyState).toBe('ended');
    await expect(ann.send('hello?')).rejects.toMatchObject({ code: 'closed' });
  });

  test('leaving tells the server, the others, and all events end', async () => {
    const ann = await here.world.join('Ann');
    const ben = await here.world.join('Ben');
    const types: string[] = [];
    const reading = (async () => {
      for await (const { type } of ann.events()) types.push(type);
    })();
    await pass(500);
    await ben.leave();
    await pass(100);
    await ann.leave();
    await Promise.all([reading, pass(100)]);
    expect(types).toContain('left');
    expect(types.at(-1)).toBe('ended');
    expect(here.world.server.sessions.size).toBe(0);
  });

  test('`await using` leaves at the end of the block', async () => {
    const ann = await here.world.join('Ann');
    await ann[Symbol.asyncDispose]();
    await pass(100);
    expect(here.world.server.sessions.size).toBe(0);
  });

  test('a new listener for `peer` and `stream` hears of those already there', async () => {
    await here.world.join('Ann', { camera: true });
    const ben = await here.world.join('Ben');
    await pass(500);
    const seen: string[] = [];
    ben.on('peer', (peer) => peer.on('stream', ({ source }) => seen.push(`${peer.name} ${source}`)));
    expect(seen).toEqual(['Ann camera']);
  });

  test('the message topics of the application arrive with their data; the library keeps its own', async () => {
    const ann = await here.world.join('Ann');
    const ben = await here.world.join('Ben');
    const msgs: unknown[] = [];
    ben.on('msg', (message) => msgs.push(message));
    await Promise.all([ann.msg('cursor', { x: 1 }), pass(100)]);
    ann.peers.get(ben.you)!.want('none');
    await pass(1_000);
    expect(msgs).toEqual([{ from: ann.you, topic: 'cursor', data: { x: 1 } }]);
  });
});

describe('the snapshot', () => {
  test('is the same object until something changes, and shares what did not', async () => {
    const ann = await here.world.join('Ann');
    await here.world.join('Ben');
    await pass(500);
    const before = ann.getSnapshot();
    expect(ann.getSnapshot()).toBe(before);
    await Promise.all([ann.send('hi'), pass(100)]);
    const after = ann.getSnapshot();
    expect(after).not.toBe(before);
    expect(after.chat).not.toBe(before.chat);
    expect(after.peers[0]).toBe(before.peers[0]);
    expect(after.you).toBe(before.you);
    expect(after.peers).toBe(before.peers);
  });

  test('many changes at once tell subscribers once', async () => {
    const ann = await here.world.join('Ann');
    const seen: RoomSnapshot[] = [];
    ann.subscribe(() => seen.push(ann.getSnapshot()));
    void ann.mic(true);
    await Promise.resolve();
    here.world.server.say(ann.you, { t: 'reaction', from: 'x', emoji: '👍' });
    await pass(20);
    expect(seen.length).toBeLessThanOrEqual(3);
  });
});
