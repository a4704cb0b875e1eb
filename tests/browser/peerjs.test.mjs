// The published PeerJS client, several versions of it, unmodified, does with our server what it does with its own.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { mediaFlows, scenario } from './lib/call.mjs';
import { guests } from './lib/guests.mjs';

const VERSIONS = { '1.5.5': 'peerjs', '1.5.4': 'peerjs-1.5.4', '1.4.7': 'peerjs-1.4.7', '1.3.2': 'peerjs-1.3.2' };
const FILE = 16 << 20;

describe('PeerJS', { concurrency: 1 }, () => {
  const all = guests();

  const page = (browser, version) => all.page(browser, `peerjs.html?client=${VERSIONS[version]}/dist/peerjs.min.js`);

  const opened = (page, id = null, more = {}) => page.evaluate(({ id, options }) => open(id, options), { id, options: { ...all.address, config: { iceServers: [] }, ...more } });

  async function dataBothWays(ann, bob, bobId) {
    assert.equal(await ann.evaluate((id) => connect(id, { reliable: true, serialization: 'json' }), bobId), 'open');
    await ann.evaluate(() => outgoing.send({ hello: 'Bob' }));
    await bob.until('the message is there', () => log.some((entry) => entry.hello === 'Bob'));
    await bob.evaluate(() => incoming.send({ hello: 'Ann' }));
    await ann.until('the answer is there', () => log.some((entry) => entry.hello === 'Ann'));
  }

  for (const version of Object.keys(VERSIONS)) {
    scenario(`${version}: data, a file of 16 MiB, a call, from Chromium to Firefox`, async () => {
      const [ann, bob] = [await page(all.chromium, version), await page(all.firefox, version)];
      assert.match(await opened(ann), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, 'an id from the server');
      const bobId = `bob-${version.replaceAll('.', '-')}`;
      assert.equal(await opened(bob, bobId), bobId, 'an id of one\'s own');
      await dataBothWays(ann, bob, bobId);

      assert.equal(await ann.evaluate((id) => connect(id, { reliable: true }), bobId), 'open');
      const sent = await ann.evaluate((size) => { const whole = bytes(size); outgoing.send(whole); return digest(whole); }, FILE);
      const got = await bob.until('the file is there', () => globalThis.file, undefined, { within: 120_000 });
      assert.deepEqual(got, { size: FILE, hash: sent });
      await ann.evaluate(() => { for (const connection of Object.values(peer.connections).flat()) connection.close(); });

      await ann.evaluate((id) => call(id), bobId);
      await ann.until('the data connections are closed', async () => (await probe.media()).filter((one) => one.state === 'connected').length === 1, undefined, { within: 60_000 });
      await mediaFlows(ann);
      for (const one of [ann, bob]) {
        assert.deepEqual(one.uncaught, []);
        await one.close();
      }
    }, { timeout: 300_000 });

    scenario(`${version}: errors and reconnection are as with its own server`, async () => {
      const [ann, bob] = [await page(all.chromium, version), await page(all.chromium, version)];
      const id = `ann-${version.replaceAll('.', '-')}`;
      assert.equal(await opened(ann, id), id);
      assert.equal(await opened(bob, id), 'error: unavailable-id');
      assert.equal(await opened(bob, null, { key: 'wrong' }), 'error: server-error', 'as PeerJS\'s server answers a wrong key');
      const bobId = await opened(bob);
      await bob.evaluate(() => { log.length = 0; peer.connect('nobody-is-there'); });
      await bob.until('the peer is not available', () => log.includes('peer-unavailable'));

      // Away from the server, under the same id again, and found by others.
      await ann.evaluate(() => { peer.disconnect(); });
      assert.equal(await ann.evaluate(() => peer.disconnected), true);
      assert.equal(await ann.evaluate(() => new Promise((resolve) => { peer.on('open', resolve); peer.reconnect(); })), id);
      await dataBothWays(bob, ann, id);
      assert.ok(bobId);
      for (const one of [ann, bob]) await one.close();
    });
  }

  scenario('data connections outlive the server, and the client comes back to it', async () => {
    const [ann, bob] = [await page(all.chromium, '1.5.5'), await page(all.firefox, '1.5.5')];
    await opened(ann, 'ann-again');
    await opened(bob, 'bob-again');
    await dataBothWays(ann, bob, 'bob-again');
    await all.server.kill();
    for (const one of [ann, bob]) await one.until('the loss is noticed', () => log.includes('disconnected') && log.includes('network'));
    await ann.evaluate(() => { log.length = 0; outgoing.send({ still: 'here' }); });
    await bob.until('messages still come', () => log.some((entry) => entry.still === 'here'));
    await all.server.startAgain();
    for (const one of [ann, bob]) await one.evaluate(() => new Promise((resolve) => { peer.on('open', resolve); peer.reconnect(); }));
    await bob.evaluate(() => { log.length = 0; });
    await dataBothWays(bob, ann, 'ann-again');
    for (const one of [ann, bob]) await one.close();
  });
});
