import { describe, expect, test, vi } from 'vitest';
import { backoff } from '../src/signaling/backoff.ts';
import { pass, random, useWorld } from './support/world.ts';

const here = useWorld();

describe('a cut of the signaling connection', () => {
  test('others see the participant away, not gone, and media goes on', async () => {
    const ann = await here.world.join('Ann');
    const ben = await here.world.join('Ben');
    await pass(500);
    const left: string[] = [];
    ann.on('left', ({ peer }) => left.push(peer.name));
    here.world.reachable = false;
    here.world.socketOf(ben).cut();
    await pass(10_000);
    expect(ben.getSnapshot().connection.state).toBe('reconnecting');
    expect(ann.getSnapshot().peers).toMatchObject([{ name: 'Ben', state: 'away', connection: 'connected' }]);
    here.world.reachable = true;
    await pass(10_000);
    expect(ben.getSnapshot()).toMatchObject({ connection: { state: 'connected' }, peers: [{ connection: 'connected' }] });
    expect(ann.getSnapshot().peers).toMatchObject([{ state: 'joined' }]);
    expect(left).toEqual([]);
    expect(here.world.network.made).toHaveLength(2);
  });

  test('what was said meanwhile, on both sides, arrives once and in order', async () => {
    const ann = await here.world.join('Ann');
    const ben = await here.world.join('Ben');
    here.world.reachable = false;
    here.world.socketOf(ben).cut();
    await pass(100);
    void ann.send('from Ann');
    void ben.send('from Ben 1');
    void ben.send('from Ben 2');
    await pass(3_000);
    here.world.reachable = true;
    await pass(5_000);
    const texts = (room: typeof ann) => room.getSnapshot().chat.map(({ text }) => text);
    expect(texts(ann)).toEqual(['from Ann', 'from Ben 1', 'from Ben 2']);
    expect(texts(ben)).toEqual(['from Ann', 'from Ben 1', 'from Ben 2']);
  });

  test('at random moments, again and again: every message of both arrives exactly once', async () => {
    const next = random(7);
    const ann = await here.world.join('Ann');
    const ben = await here.world.join('Ben');
    const sent: Promise<void>[] = [];
    for (let n = 0; n < 120; n++) {
      sent.push((n % 2 ? ann : ben).send(`message ${n}`));
      if (next() < 0.3) here.world.socketOf(next() < 0.5 ? ann : ben).cut();
      await pass(Math.floor(next() * 400));
    }
    await pass(10_000);
    await Promise.all(sent);
    for (const room of [ann, ben]) {
      const texts = room.getSnapshot().chat.map(({ text }) => text);
      expect(texts).toHaveLength(120);
      expect(new Set(texts).size).toBe(120);
      expect(texts.filter((text) => Number(text.split(' ')[1]) % 2)).toEqual([...Array(60).keys()].map((n) => `message ${2 * n + 1}`));
    }
  });

  test('more was missed than the server kept: the snapshot replaces what was known, and connections stay', async () => {
    const ann = await here.world.join('Ann');
    const ben = await here.world.join('Ben');
    await pass(500);
    here.world.server.ringSize = 2;
    here.world.reachable = false;
    here.world.socketOf(ben).cut();
    for (const text of ['1', '2', '3', '4']) void ann.send(text);
    await pass(1_000);
    here.world.reachable = true;
    await pass(3_000);
    expect(ben.getSnapshot().chat.map(({ text }) => text)).toEqual(['1', '2', '3', '4']);
    expect(here.world.network.made).toHaveLength(2);
    void ann.send('5');
    await pass(100);
    expect(ben.getSnapshot().chat.map(({ text }) => text)).toEqual(['1', '2', '3', '4', '5']);
  });

  test('answers were lost: what the server has carried out or refused has an unknown outcome, the rest is sent again', async () => {
    const ann = await here.world.join('Ann');
    const ben = await here.world.join('Ben');
    await pass(500);
    here.world.server.ringSize = 0;
    const had = expect(ben.send('heard')).rejects.toMatchObject({ code: 'unknown_outcome' });
    // The server has it by now, and its answer is on the way.
    await pass(6);
    here.world.socketOf(ben).cut();
    const open = ben.send('not heard');
    await pass(2_000);
    await had;
    await expect(open).resolves.toBeUndefined();
    expect(ann.getSnapshot().chat.map(({ text }) => text)).toEqual(['heard', 'not heard']);
    expect(ben.getSnapshot().chat.map(({ text }) => text)).toEqual(['heard', 'not heard']);
  });

  test('descriptions were lost: a pair that is not connected begins a new generation at once, one that is connected stays', async () => {
    const ann = await here.world.join('Ann');
    const ben = await here.world.join('Ben');
    await pass(500);
    here.world.server.ringSize = 0;
    const cem = await here.world.join('Cem');
    // His offers are on the way; the one to Ann gets lost.
    here.world.socketOf(ann).cut();
    await pass(1_500);
    expect([ann, ben, cem].flatMap((room) => room.getSnapshot().peers.map(({ connection }) => connection))).toEqual(Array(6).fill('connected'));
    const generations = here.world.server.heard.flatMap((message) => (message.t === 'sdp' && message.kind === 'offer' ? [[message.pc, message.gen]] : []));
    expect(generations).toEqual([
      [`p:${ann.you}`, 0],
      [`p:${ann.you}`, 0],
      [`p:${ben.you}`, 0],
      [`p:${cem.you}`, 1],
    ]);
  });

  test('both sides lost messages before they were connected: they meet in the same new generation', async () => {
    const ann = await here.world.join('Ann');
    here.world.server.ringSize = 0;
    const ben = await here.world.join('Ben');
    for (const room of [ann, ben]) here.world.socketOf(room).cut();
    await pass(1_500);
    expect([ann, ben].flatMap((room) => room.getSnapshot().peers.map(({ connection }) => connection))).toEqual(['connected', 'connected']);
  });

  test('a session that is over becomes a new one: new connections, the message in hand is sent once, what is on stays on', async () => {
    const ann = await here.world.join('Ann');
    const ben = await here.world.join('Ben', { camera: true });
    await pass(500);
    await ben.screen();
    const old = ben.you;
    here.world.reachable = false;
    here.world.socketOf(ben).cut();
    await pass(1_000);
    void ben.send('still here');
    here.world.server.expire();
    here.world.reachable = true;
    await pass(8_000);
    expect(ben.you).not.toBe(old);
    expect(ann.getSnapshot().peers).toMatchObject([{ id: ben.you, camera: true, screen: true, connection: 'connected' }]);
    expect(ann.getSnapshot().chat.map(({ text }) => text)).toEqual(['still here']);
  });

  test('a connection that says nothing for 25 s is dead, and is replaced', async () => {
    const ann = await here.world.join('Ann');
    here.world.socketOf(ann).silent = true;
    await pass(24_000);
    expect(here.world.sockets).toHaveLength(1);
    await pass(4_000);
    expect(here.world.sockets).toHaveLength(2);
    expect(ann.getSnapshot().connection.state).toBe('connected');
  });

  test('when the network changes, a dead connection is found within 6 s', async () => {
    const ann = await here.world.join('Ann');
    here.world.socketOf(ann).silent = true;
    window.dispatchEvent(new Event('online'));
    await pass(7_000);
    expect(here.world.sockets).toHaveLength(2);
  });

  test.each([
    [8_000, 0],
    [60_000, 1],
  ])('the computer stood still for %i ms: the connections are looked at, and ICE restarts after a long sleep', async (ms, restarts) => {
    await here.world.join('Ann');
    await here.world.join('Ben');
    await pass(1_500);
    const pings = () => here.world.sockets.map(({ sent }) => sent.filter((text) => text.includes('"ping"')).length);
    const before = pings();
    vi.setSystemTime(Date.now() + ms);
    await pass(1_500);
    expect(pings().every((count, index) => count > before[index]!)).toBe(true);
    expect(Math.min(1, here.world.network.made.reduce((sum, pc) => sum + pc.restarts, 0))).toBe(restarts);
  });

  test('tries go on for more than two minutes, at most 8 s apart, and at once when the network is back', async () => {
    const ann = await here.world.join('Ann');
    here.world.reachable = false;
    here.world.socketOf(ann).cut();
    await pass(150_000);
    const tries = here.world.sockets.length;
    expect(tries).toBeGreaterThan(18);
    await pass(8_000);
    expect(here.world.sockets.length).toBeGreaterThan(tries);
    here.world.reachable = true;
    window.dispatchEvent(new Event('online'));
    await pass(100);
    expect(ann.getSnapshot().connection.state).toBe('connected');
  });

  test('the moment of the next try is told, and it can be had at once', async () => {
    const ann = await here.world.join('Ann');
    here.world.reachable = false;
    here.world.socketOf(ann).cut();
    await pass(10_000);
    const { retryAt } = ann.getSnapshot().connection;
    expect(retryAt).toBeGreaterThan(Date.now());
    here.world.reachable = true;
    ann.reconnect();
    await pass(50);
    expect(ann.getSnapshot().connection).toMatchObject({ state: 'connected', retryAt: null });
  });

  test('nothing is tried while the browser says that it is offline', async () => {
    const ann = await here.world.join('Ann');
    Object.defineProperty(navigator, 'onLine', { value: false, configurable: true });
    here.world.socketOf(ann).cut();
    await pass(60_000);
    expect(here.world.sockets).toHaveLength(1);
    expect(ann.getSnapshot().connection).toMatchObject({ state: 'offline', retryAt: null });
    Object.defineProperty(navigator, 'onLine', { value: true, configurable: true });
    window.dispatchEvent(new Event('online'));
    await pass(100);
    expect(ann.getSnapshot().connection.state).toBe('connected');
  });

  test('a server that moves is found again where it says, and the session goes on', async () => {
    const ann = await here.world.join('Ann');
    here.world.server.shout(ann.you, { t: 'moved', url: 'wss://other.example/v1/ws', retry_ms: 1_000 });
    await pass(900);
    expect(here.world.sockets).toHaveLength(1);
    await pass(500);
    expect(here.world.sockets[1]?.url).toBe('wss://other.example/v1/ws');
    expect(ann.getSnapshot()).toMatchObject({ status: 'joined', connection: { state: 'connected' } });
  });

  test('what passes by itself is tried again; what does not ends the call', async () => {
    const ann = await here.world.join('Ann');
    here.world.server.shout(ann.you, { t: 'error', code: 'slow_reader', message: 'Too slow.', fatal: true });
    await pass(3_000);
    expect(ann.getSnapshot().connection.state).toBe('connected');
    here.world.server.shout(ann.you, { t: 'error', code: 'bad_token', message: 'Expired.', fatal: true });
    await pass(50);
    expect(ann.getSnapshot()).toMatchObject({ status: 'ended', ended: { code: 'bad_token', message: 'Expired.' } });
  });

  test('messages leave no faster than the server allows', async () => {
    const ann = await here.world.join('Ann');
    for (let n = 0; n < 400; n++) ann.msg('flood', n).catch(() => {});
    await pass(20);
    const early = here.world.server.heard.length;
    expect(early).toBeLessThanOrEqual(200);
    await pass(10_000);
    expect(here.world.server.heard.length).toBe(400);
  });
});

test('the wait before a try grows and is spread', () => {
  expect([0, 1, 2, 3, 4, 5, 50].map((attempt) => backoff(attempt, 0))).toEqual([0, 300, 1_200, 2_700, 4_800, 7_000, 7_000]);
  expect(backoff(5, 0.99)).toBeGreaterThan(7_900);
});
