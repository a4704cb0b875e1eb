import { describe, expect, test } from 'vitest';
import type { Room } from '../src/index.ts';
import type { FakePeerConnection } from './support/rtc.ts';
import { pass, random, useWorld } from './support/world.ts';

const here = useWorld();

async function pair(): Promise<[Room, Room]> {
  const ann = await here.world.join('Ann', { mic: true });
  const ben = await here.world.join('Ben', { mic: true });
  await pass(500);
  return [ann, ben];
}

const alive = () => [...here.world.network.all.values()];
const states = (...rooms: Room[]) => rooms.flatMap((room) => room.getSnapshot().peers.map(({ connection }) => connection));
const generations = () => new Set(here.world.server.heard.flatMap((message) => (message.t === 'sdp' ? [message.gen] : [])));

describe('the media path is cut', () => {
  test('for a moment: nothing is done', async () => {
    const rooms = await pair();
    here.world.network.cut();
    await pass(6_600);
    here.world.network.heal();
    await pass(1_000);
    expect(states(...rooms)).toEqual(['connected', 'connected']);
    expect(here.world.network.made.map(({ restarts }) => restarts)).toEqual([0, 0]);
  });

  test('for 12 s: ICE restarts, on the same connections, and by one side only', async () => {
    const rooms = await pair();
    here.world.network.cut();
    await pass(9_500);
    expect(states(...rooms)).toEqual(['reconnecting', 'reconnecting']);
    expect(here.world.network.made.reduce((sum, { restarts }) => sum + restarts, 0)).toBe(1);
    await pass(2_500);
    here.world.network.heal();
    await pass(1_000);
    expect(states(...rooms)).toEqual(['connected', 'connected']);
    expect(here.world.network.made).toHaveLength(2);
  });

  test('for a minute: a new connection of a newer generation takes over, with what was on still on', async () => {
    const [ann, ben] = await pair();
    here.world.network.cut();
    await pass(60_000);
    here.world.network.heal();
    await pass(25_000);
    expect(states(ann, ben)).toEqual(['connected', 'connected']);
    expect(alive()).toHaveLength(2);
    expect(Math.max(...generations())).toBeGreaterThan(0);
    for (const pc of alive()) expect(pc.transceivers[0]!.sender.track).toMatchObject({ kind: 'audio', readyState: 'live' });
    expect(Object.keys(ann.getSnapshot().peers[0]!.streams)).toEqual(['mic']);
  });

  test('together with signaling: the restart waits until it can be told', async () => {
    const [ann, ben] = await pair();
    here.world.network.cut();
    here.world.reachable = false;
    here.world.socketOf(ben).cut();
    here.world.socketOf(ann).cut();
    await pass(14_000);
    expect(here.world.network.made.reduce((sum, { restarts }) => sum + restarts, 0)).toBe(0);
    here.world.network.heal();
    here.world.reachable = true;
    await pass(10_000);
    expect(states(ann, ben)).toEqual(['connected', 'connected']);
  });

  test('the network changes: ICE restarts at once', async () => {
    const rooms = await pair();
    window.dispatchEvent(new Event('online'));
    await pass(500);
    expect(here.world.network.made.every(({ restarts }) => restarts <= 1)).toBe(true);
    expect(here.world.network.made.some(({ restarts }) => restarts === 1)).toBe(true);
    await pass(3_000);
    expect(states(...rooms)).toEqual(['connected', 'connected']);
    expect(here.world.network.made).toHaveLength(2);
  });
});

describe('negotiation', () => {
  test('both restart at the same moment: the polite one yields, and one restart comes of it', async () => {
    const rooms = await pair();
    for (const pc of alive()) pc.restartIce();
    await pass(1_000);
    expect(alive().map(({ signalingState }) => signalingState)).toEqual(['stable', 'stable']);
    expect(states(...rooms)).toEqual(['connected', 'connected']);
  });

  test('both begin a new generation at the same moment: they meet in one connection, with four m-lines', async () => {
    const rooms = await pair();
    here.world.network.cut();
    for (const pc of alive()) pc.channels[0]!.close();
    here.world.network.heal();
    for (const pc of alive()) for (const channel of pc.channels) channel.close();
    await pass(8_000);
    expect(states(...rooms)).toEqual(['connected', 'connected']);
    expect(alive()).toHaveLength(2);
    for (const pc of alive()) expect(pc.transceivers).toHaveLength(4);
  });

  test('the other end of the connection is gone, but not the participant: a new one is up within 3 s', async () => {
    const rooms = await pair();
    const [pc] = alive();
    pc!.close();
    await pass(3_000);
    expect(states(...rooms)).toEqual(['connected', 'connected']);
    expect(alive()).toHaveLength(2);
    expect([...generations()].sort()).toEqual([0, 1]);
  });

  test('descriptions and candidates of an older generation are ignored', async () => {
    const [ann, ben] = await pair();
    alive()[0]!.close();
    await pass(3_000);
    const before = alive().map(({ id }) => id);
    here.world.server.say(ann.you, { t: 'sdp', pc: `p:${ben.you}`, gen: 0, kind: 'offer', sdp: '{"pc":"old","ufrag":"old","media":[]}' });
    here.world.server.say(ann.you, { t: 'ice', pc: `p:${ben.you}`, gen: 0, cand: { candidate: 'candidate old' } });
    await pass(500);
    expect(alive().map(({ id }) => id)).toEqual(before);
    expect(alive().map(({ signalingState }) => signalingState)).toEqual(['stable', 'stable']);
  });

  test('a request for a restart is followed', async () => {
    const [ann, ben] = await pair();
    here.world.server.say(ann.you, { t: 'restart', pc: `p:${ben.you}`, gen: 0 });
    await pass(1_000);
    expect(here.world.network.made.reduce((sum, { restarts }) => sum + restarts, 0)).toBe(1);
    expect(states(ann, ben)).toEqual(['connected', 'connected']);
  });

  test('an offer that never came is made up for', async () => {
    const ann = await here.world.join('Ann');
    const says = here.world.server.say.bind(here.world.server);
    here.world.server.say = (peer, event) => (event.t === 'sdp' || event.t === 'ice' ? undefined : says(peer, event));
    const ben = await here.world.join('Ben');
    await pass(500);
    here.world.server.say = says;
    expect(states(ann, ben)).toEqual(['connecting', 'connecting']);
    await pass(25_000);
    expect(states(ann, ben)).toEqual(['connected', 'connected']);
  });

  test('whatever breaks in whatever order, everybody is connected to everybody in the end', async () => {
    const next = random(3);
    const rooms = [await here.world.join('Ann'), await here.world.join('Ben'), await here.world.join('Cem')];
    const breaks: (() => void)[] = [
      () => here.world.network.cut(),
      () => here.world.network.heal(),
      () => here.world.socketOf(rooms[Math.floor(next() * 3)]!).cut(),
      () => (here.world.reachable = !here.world.reachable),
      () => alive()[Math.floor(next() * alive().length)]?.close(),
      () => alive()[Math.floor(next() * alive().length)]?.restartIce(),
      () => window.dispatchEvent(new Event('online')),
    ];
    for (let n = 0; n < 100; n++) {
      breaks[Math.floor(next() * breaks.length)]!();
      await pass(Math.floor(next() * 3_000));
    }
    here.world.reachable = true;
    here.world.network.heal();
    await pass(120_000);
    expect(states(...rooms)).toEqual(Array(6).fill('connected'));
    expect(alive()).toHaveLength(6);
  });
});

describe('what is sent', () => {
  const camera = (pc: FakePeerConnection) => pc.transceivers[1]!.sender;

  test('the other side shows the picture small, or not at all: less is sent', async () => {
    const ann = await here.world.join('Ann', { camera: true });
    const ben = await here.world.join('Ben');
    await pass(500);
    const sender = alive().map(camera).find(({ track }) => track)!;
    expect(sender.parameters.encodings[0]).toMatchObject({ active: true, maxBitrate: 1_500_000, scaleResolutionDownBy: 1 });
    ben.peers.get(ann.you)!.want('small');
    await pass(500);
    expect(sender.parameters.encodings[0]).toMatchObject({ active: true, maxBitrate: 150_000, scaleResolutionDownBy: 4 });
    ben.peers.get(ann.you)!.want('none');
    await pass(500);
    expect(sender.parameters.encodings[0]).toMatchObject({ active: false });
    ben.peers.get(ann.you)!.want('full');
    await pass(500);
    expect(sender.parameters.encodings[0]).toMatchObject({ active: true, maxBitrate: 1_500_000 });
  });

  test('nothing arrives for 4 s although it should: the connection counts as cut before the browser says so', async () => {
    const [ann, ben] = await pair();
    const [pc] = here.world.network.made;
    pc!.stats = new Map<string, object>([
      ['T', { id: 'T', type: 'transport', selectedCandidatePairId: 'P' }],
      ['P', { id: 'P', type: 'candidate-pair', bytesReceived: 1_000, responsesReceived: 5 }],
    ]);
    await pass(7_000);
    const shown = [ann, ben].map((room) => room.getSnapshot().peers[0]!);
    expect(shown.some(({ connection, quality }) => connection === 'reconnecting' && quality.reason === 'cut')).toBe(true);
  });
});
