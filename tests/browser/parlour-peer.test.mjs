// Our library in PeerJS's shape talks with PeerJS's own, in both directions, and with itself.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { mediaFlows, scenario } from './lib/call.mjs';
import { guests } from './lib/guests.mjs';

const OURS = 'parlour-peer.html';
const THEIRS = 'peerjs.html?client=peerjs/dist/peerjs.min.js';

describe('@parlour/peer', { concurrency: 1 }, () => {
  const all = guests();

  async function open(browser, where, id) {
    const page = await all.page(browser, where);
    await page.until('the library is loaded', () => typeof globalThis.Peer === 'function');
    // Ours asks its server for STUN and TURN; theirs would ask servers of PeerJS's authors.
    const options = { ...all.address, ...(where === THEIRS && { config: { iceServers: [] } }) };
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
    ['Chromium with ours to Firefox with PeerJS\'s', () => all.chromium, OURS, () => all.firefox, THEIRS],
    ['Chromium with PeerJS\'s to Firefox with ours', () => all.chromium, THEIRS, () => all.firefox, OURS],
    ['ours at both ends', () => all.firefox, OURS, () => all.chromium, OURS],
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
    const ann = await open(all.chromium, OURS, 'ann');
    const eve = await open(all.chromium, OURS, 'ann');
    assert.equal(eve.id, 'error: unavailable-id');
    await ann.page.evaluate(() => { peer.connect('nobody'); });
    await ann.page.until('it is told', () => log.includes('peer-unavailable'));
    for (const { page } of [ann, eve]) await page.close();
  });
});
