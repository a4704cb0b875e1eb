// Apps that signal through Socket.IO, as their tutorials write them, call through our server with nothing changed but its address.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { mediaFlows, scenario } from './lib/call.mjs';
import { guests, SMALL } from './lib/guests.mjs';
import { startSite } from './lib/site.mjs';

const NOW = 'socket.io-client/dist/socket.io.min.js';
const BEFORE = 'socket.io-client-2/dist/socket.io.slim.js';

describe('socket.io', { concurrency: 1 }, () => {
  const all = guests(['--compat-port', '127.0.0.1:0']);

  async function open(browser, { client = NOW, transports = '', address = all.server.compat } = {}) {
    const query = new URLSearchParams({ client, server: address, ...(transports && { transports }) });
    const page = await all.page(browser, `react-call.html?${query}`);
    const id = await page.until('the page has its id', () => document.getElementById('me')?.innerText);
    return { page, id };
  }

  /** One calls the other as a person does. */
  async function call(ann, bob) {
    await ann.page.fill('textbox', 'ID to call', bob.id);
    await ann.page.click('button', 'Call');
    await bob.page.click('button', 'Answer');
    await mediaFlows(ann.page);
    await mediaFlows(bob.page);
    for (const { page } of [ann, bob]) {
      assert.deepEqual(await page.evaluate(() => errors), []);
      assert.deepEqual(page.uncaught, []);
    }
  }

  const transport = (page) => page.evaluate(() => socket.io.engine.transport.name);

  scenario('a React page calls from Chromium to Firefox, as it comes: long polling, then a WebSocket', async () => {
    const [ann, bob] = [await open(all.chromium), await open(all.firefox)];
    await call(ann, bob);
    for (const { page } of [ann, bob]) await page.until('the connection has become a WebSocket', () => socket.io.engine.transport.name === 'websocket');
    await ann.page.close();
    await bob.page.close();
  });

  scenario('long polling alone carries a call between two Firefoxes', async () => {
    const [ann, bob] = [await open(all.firefox, { transports: 'polling' }), await open(all.firefox, { transports: 'polling' })];
    await call(ann, bob);
    assert.deepEqual([await transport(ann.page), await transport(bob.page)], ['polling', 'polling']);
    await ann.page.close();
    await bob.page.close();
  });

  scenario('a WebSocket alone carries a call between two Chromiums, on the main port', async () => {
    const options = { transports: 'websocket', address: all.server.http };
    const [ann, bob] = [await open(all.chromium, options), await open(all.chromium, options)];
    await call(ann, bob);
    await ann.page.close();
    await bob.page.close();
  });

  scenario('the client of two versions before calls today\'s', async () => {
    const [ann, bob] = [await open(all.chromium, { client: BEFORE }), await open(all.firefox)];
    await call(ann, bob);
    await ann.page.close();
    await bob.page.close();
  });

  scenario('a page comes back by itself after the server was started again, and calls', async () => {
    const options = { address: all.server.http };
    const [ann, bob] = [await open(all.chromium, options), await open(all.chromium, options)];
    await all.server.kill();
    await ann.page.until('the loss is noticed', () => !socket.connected);
    await all.server.startAgain();
    for (const one of [ann, bob]) {
      await one.page.until('it is connected again', () => socket.connected, undefined, { within: 60_000 });
      one.id = await one.page.evaluate(() => socket.id);
    }
    await ann.page.evaluate(() => { errors.length = 0; });
    await bob.page.evaluate(() => { errors.length = 0; });
    await call(ann, bob);
    await ann.page.close();
    await bob.page.close();
  });

  scenario('a page of an origin that the server does not name gets nothing', async () => {
    const other = await startSite();
    const page = await all.chromium.newPage({ camera: SMALL });
    await page.goto(`${other.origin}/react-call.html?${new URLSearchParams({ client: NOW, server: all.server.compat })}`);
    await page.until('the client is refused', () => errors.length > 0);
    assert.equal(await page.evaluate(() => socket.connected), false);
    await page.close();
    other.stop();
  });
});
