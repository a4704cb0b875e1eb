// The way to the server breaks, or the server itself: the call goes on, and nothing that was said is lost.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { launch } from './lib/browsers.mjs';
import { collectChat, inRoom, join, leave, mediaFlows, newRoom, say, scenario, snapshot, watchPictures } from './lib/call.mjs';
import { openProxy } from './lib/proxy.mjs';
import { startServer } from './lib/server.mjs';
import { LONGEST_GAP, holds, until } from './lib/wait.mjs';

/** Longest time without a new decoded picture that still counts as "media did not stop". Two cores carry both ends and the test. */
const STILL = LONGEST_GAP;

const connected = (page) => page.until('the page is connected again', () => parlour.room.getSnapshot().connection.state === 'connected', undefined, { within: 60_000 });
const cutOff = (page) => page.until('the page has noticed', () => parlour.room.getSnapshot().connection.state !== 'connected', undefined, { within: 60_000 });

describe('reconnecting', { concurrency: 1 }, () => {
  let chromium, firefox;

  before(async () => {
    chromium = await launch('chromium');
    firefox = await launch('firefox');
  });
  after(async () => {
    await chromium?.close();
    await firefox?.close();
  });

  /** Ann comes through a proxy, Bob directly; media flows. */
  async function call(server, name, browsers = [chromium, firefox], base = server.http) {
    const room = newRoom(name);
    const ann = await browsers[0].newPage({ camera: { width: 320, height: 180, frameRate: 15 } });
    const annId = await join(ann, base, room, 'Ann');
    const bob = await browsers[1].newPage({ camera: { width: 320, height: 180, frameRate: 15 } });
    const bobId = await join(bob, server.http, room, 'Bob');
    await Promise.all([mediaFlows(ann), mediaFlows(bob)]);
    return { room, ann, bob, annId, bobId };
  }

  for (const [way, browsers] of [['cut', () => [chromium, firefox]], ['cut', () => [firefox, chromium]], ['silent', () => [chromium, firefox]]]) {
    const order = way === 'cut' ? ` of a page in ${browsers.toString().includes('[chromium') ? 'Chromium' : 'Firefox'}` : '';
    scenario(`the WebSocket${order} is ${way} for 10 s: no event is lost, media never stops`, async (t) => {
      const server = await startServer({ name: way });
      const proxy = await openProxy(server.http);
      try {
        const { room, ann, bob, annId, bobId } = await call(server, `ws-${way}`, browsers(), proxy.url);
        const chat = await collectChat(ann);
        const stop = [await watchPictures(ann), await watchPictures(bob)];
        const connections = await ann.evaluate(() => probe.connections.length);

        // Cat stands before the door already, so that coming in takes no longer than the gap.
        const cat = await browsers()[1].newPage({ camera: { width: 320, height: 180, frameRate: 15 } });
        await cat.goto(`${server.http}/r/${room}?name=Cat`);
        await cat.until('Cat may come in', () => !!document.querySelector('h1'));
        const late = [];
        if (way === 'cut') proxy.cut(); else proxy.silence();
        const whileAway = async () => {
          if (way === 'cut') {
            await cutOff(ann);
            await bob.until('Bob sees Ann away, not gone', (id) => parlour.room.peers.get(id)?.getSnapshot().state === 'away', annId);
          }
          late.push(say(ann, 'said while cut off'));
          await bob.click('button', 'Raise hand');
          for (let n = 1; n <= 5; n++) await say(bob, `missed ${n}`);
        };
        const gap = holds('Bob does not lose Ann', () => bob.evaluate((id) => parlour.room.peers.has(id), annId), 10_000);
        const cameIn = cat.click('button', 'Join with camera and microphone off').then(() => inRoom(cat));
        await Promise.all([whileAway(), cameIn, gap]);
        proxy.mend();
        await connected(ann);
        await Promise.all(late);

        await until('Ann hears all, once and in order', async () => {
          const heard = (await chat.heard()).filter((text) => text.startsWith('missed'));
          assert.deepEqual(heard, ['missed 1', 'missed 2', 'missed 3', 'missed 4', 'missed 5']);
          return true;
        });
        await bob.until('Bob heard Ann once', () => parlour.room.getSnapshot().chat.filter(({ text }) => text === 'said while cut off').length === 1);
        await ann.until('Ann sees the hand, and who came', ([bobId]) => parlour.room.peers.get(bobId)?.getSnapshot().hand !== null && [...parlour.room.peers.values()].some(({ name }) => name === 'Cat'), [bobId]);
        assert.equal((await snapshot(ann)).you.id, annId, 'Ann is still the same participant');
        for (const end of stop) {
          const { longest, frames } = await end();
          t.diagnostic(`longest time without a new picture ${longest} ms, ${frames} pictures`);
          assert.ok(frames > 50, `pictures kept coming: ${frames}`);
          assert.ok(longest < STILL, `never longer than ${STILL} ms without a picture: ${longest} ms`);
        }
        await ann.until('Cat is connected with Ann', (was) => probe.connections.length > was, connections);
        assert.equal(await bob.evaluate(() => probe.connections.filter(({ connectionState }) => connectionState === 'closed').length), 0, 'no connection was given up');
        for (const page of [cat, bob, ann]) await leave(page);
      } finally {
        proxy.close();
        await server.stop();
      }
    });
  }

  for (const signal of ['SIGTERM', 'SIGKILL']) {
    scenario(`the server is ended by ${signal} and started again during a call: media goes on, nothing is lost`, async (t) => {
      const server = await startServer({ name: signal });
      try {
        const { ann, bob, annId, bobId } = await call(server, signal.toLowerCase());
        await say(bob, 'before');
        await ann.until('Ann heard it', () => parlour.room.getSnapshot().chat.some(({ text }) => text === 'before'));
        const stop = [await watchPictures(ann), await watchPictures(bob)];
        const before = await Promise.all([ann, bob].map((page) => page.evaluate(() => probe.connections.length)));

        await server.kill(signal);
        await Promise.all([cutOff(ann), cutOff(bob)]);
        const during = [say(bob, 'during, Bob'), say(ann, 'during, Ann')];
        await bob.click('button', 'Raise hand');
        await server.startAgain();
        await Promise.all([connected(ann), connected(bob)]);
        await Promise.all(during);
        await say(ann, 'after');

        const texts = (page) => page.evaluate(() => parlour.room.getSnapshot().chat.map(({ text }) => text).sort());
        const all = ['after', 'before', 'during, Ann', 'during, Bob'];
        for (const page of [ann, bob]) await until('everything that was said is there, once', async () => { assert.deepEqual(await texts(page), all); return true; });
        await ann.until('Ann sees the hand that was raised meanwhile', (id) => parlour.room.peers.get(id)?.getSnapshot().hand != null, bobId);
        assert.deepEqual([(await snapshot(ann)).you.id, (await snapshot(bob)).you.id], [annId, bobId], 'both are still who they were');
        assert.equal((await snapshot(ann)).you.role, 'host', 'the host is still host');
        for (const [n, page] of [ann, bob].entries()) {
          const { longest, frames } = await stop[n]();
          t.diagnostic(`longest time without a new picture ${longest} ms, ${frames} pictures`);
          assert.ok(longest < STILL, `media went on: never longer than ${STILL} ms without a picture, but ${longest} ms`);
          assert.equal(await page.evaluate(() => probe.connections.length), before[n], 'no connection was made anew');
        }
        const cat = await chromium.newPage({ camera: { width: 320, height: 180, frameRate: 15 } });
        await join(cat, server.http, (await snapshot(ann)).room.id, 'Cat', '&cam=0&mic=0');
        assert.deepEqual(await texts(cat), all, 'who comes after the restart reads everything');
        for (const page of [cat, bob, ann]) await leave(page);
      } finally {
        await server.stop();
      }
    });
  }
});
