// Our library in PeerJS's shape talks with PeerJS's own, in both directions, and with itself.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { launch } from './lib/browsers.mjs';
import { mediaFlows, scenario } from './lib/call.mjs';
import { startServer } from './lib/server.mjs';
import { startSite } from './lib/site.mjs';

const SMALL = { width: 320, height: 180, frameRate: 15 };
const OURS = 'parlour-peer.html';
const THEIRS = 'peerjs.html?client=peerjs/dist/peerjs.min.js';

describe('@parlour/peer', { concurrency: 1 }, () => {
  let site, server, chromium, firefox, options;

  before(async () => {
    site = await startSite();
    server = await startServer({ args: ['--origins', site.origin] });
    const { hostname, port } = new URL(server.http);
    options = { host: hostname, port: Number(port), config: { iceServers: [] } };
    chromium = await launch('chromium');
    firefox = await launch('firefox');
  });
  after(async () => {
    await chromium?.close();
    await firefox?.close();
    await server?.stop();
    site?.stop();
  });

  async function open(browser, where, id) {
    const page = await browser.newPage({ camera: SMALL, viewport: { width: 640, height: 480 } });
    await page.goto(`${site.origin}/${where}`);
    await page.until('the library is loaded', () => typeof globalThis.Peer === 'function');
    return { page, id: await page.evaluate(({ id, options }) => open(id, options), { id, options }) };
  }

  /** Data of every kind, a long message and a call from one page to the other. */
  async function everything(from, to, toId) {
    for (const serialization of ['json', 'binary']) {
      assert.equal(await from.evaluate(({ toId, serialization }) => connect(toId, { reliable: true, serialization }), { toId, serialization }), 'open');
      const message = { text: 'ä€😀', list: [1, -1, 70_000, 0.5, null, true], from: serialization };
      await from.evaluate((message) => outgoing.send(message), message);
      await to.until('the message is there', (name) => log.some((entry) => entry.from === name), serialization);
      assert.deepEqual(await to.evaluate((name) => log.find((entry) => entry.from === name), serialization), message);
      await to.evaluate((message) => incoming.send(message), { back: serialization });
      await from.until('the answer is there', (name) => log.some((entry) => entry.back === name), serialization);
    }
    const sent = await from.evaluate(() => { const whole = bytes(1 << 20); outgoing.send(whole); return digest(whole); });
    assert.equal((await to.until('the long message is there', () => globalThis.file, undefined, { within: 60_000 })).hash, sent);
    await from.evaluate(() => { for (const connection of Object.values(peer.connections).flat()) connection.close(); });
    await to.until('the other end is closed, too', () => log.includes('closed'), undefined, { within: 60_000 });
    await from.evaluate((id) => call(id), toId);
    await from.until('the call is the only connection', async () => (await probe.media()).filter((one) => one.state === 'connected').length === 1, undefined, { within: 60_000 });
    await mediaFlows(from);
  }

  const pairs = [
    ['Chromium with ours to Firefox with PeerJS\'s', () => chromium, OURS, () => firefox, THEIRS],
    ['Chromium with PeerJS\'s to Firefox with ours', () => chromium, THEIRS, () => firefox, OURS],
    ['ours at both ends', () => firefox, OURS, () => chromium, OURS],
  ];
  for (const [n, [name, one, first, other, second]] of pairs.entries()) {
    scenario(name, async () => {
      const ann = await open(one(), first, null);
      const bob = await open(other(), second, `bob-${n}`);
      assert.equal(bob.id, `bob-${n}`);
      await everything(ann.page, bob.page, bob.id);
      for (const { page } of [ann, bob]) {
        assert.deepEqual(page.uncaught, []);
        await page.close();
      }
    }, { timeout: 240_000 });
  }

  scenario('an id that is taken, somebody who is not there', async () => {
    const ann = await open(chromium, OURS, 'ann');
    const eve = await open(chromium, OURS, 'ann');
    assert.equal(eve.id, 'error: unavailable-id');
    await ann.page.evaluate(() => { peer.connect('nobody'); });
    await ann.page.until('it is told', () => log.includes('peer-unavailable'));
    for (const { page } of [ann, eve]) await page.close();
  });
});
