// A network of its own, with a server's host between two homes: paths are cut, and pages come from another machine.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { launch } from './lib/browsers.mjs';
import { inRoom, join, leave, media, mediaFlows, newRoom, say, scenario, snapshot, watchPictures } from './lib/call.mjs';
import { Network } from './lib/network.mjs';
import { startServer } from './lib/server.mjs';
import { LONGEST_GAP, until } from './lib/wait.mjs';

const MIB = 1 << 20;

describe('network', { concurrency: 1 }, () => {
  let network, server, browsers, secure, plain;

  before(async () => {
    network = Network.open();
    // Without a relay, which would lead around the cut.
    server = await startServer({ netns: network.hub, args: ['--turn', 'off'] });
    browsers = {};
    for (const [who, home] of Object.entries(network.homes)) browsers[who] = await launch('chromium', { netns: home.netns, devices: 'fake' });
    secure = (who) => `https://${network.homes[who].server}:8443`;
    plain = (who) => `http://${network.homes[who].server}:8080`;
  });
  after(async () => {
    for (const browser of Object.values(browsers ?? {})) await browser.close();
    await server?.stop();
    network?.close();
  });

  async function call(name, more = '') {
    const room = newRoom(name);
    const ann = await browsers.ann.newPage({ camera: { width: 320, height: 180, frameRate: 15 } });
    await join(ann, secure('ann'), room, 'Ann', more);
    const bob = await browsers.bob.newPage({ camera: { width: 320, height: 180, frameRate: 15 } });
    await join(bob, secure('bob'), room, 'Bob', more);
    return { room, ann, bob };
  }

  scenario('the path of media is cut: an ICE restart brings it back on the same connection', async (t) => {
    const { ann, bob } = await call('ice-restart');
    const [[before]] = await Promise.all([mediaFlows(ann), mediaFlows(bob)]);
    network.cutMedia();
    try {
      await ann.until('Ann sees that the connection is broken', () => [...parlour.room.peers.values()][0].getSnapshot().connection === 'reconnecting');
      // While only the media is cut, both still talk through the server.
      await say(ann, 'do you hear me?');
      await bob.until('the words arrive', () => parlour.room.getSnapshot().chat.some(({ text }) => text === 'do you hear me?'));
      // A path that comes back by itself needs no restart, so it stays away until one has begun.
      await ann.until('a restart has begun', async (ufrag) => (await probe.media()).every((connection) => connection.ufrag !== ufrag), before.ufrag);
    } finally {
      network.mend();
    }
    const mended = Date.now();
    const [[now]] = await Promise.all([mediaFlows(ann, 1, { within: 30_000 }), mediaFlows(bob, 1, { within: 30_000 })]);
    t.diagnostic(`media was back ${Date.now() - mended} ms after the path was`);
    assert.notEqual(now.ufrag, before.ufrag, 'ICE was restarted');
    assert.ok(now.frames > before.frames, 'the same connection counts on');
    await leave(bob);
    await leave(ann);
  });

  scenario('the way to the server is cut by dropped packets for 10 s: media never stops', async (t) => {
    const { ann, bob } = await call('server-cut');
    await Promise.all([mediaFlows(ann), mediaFlows(bob)]);
    const stop = await watchPictures(ann);
    network.cutServer();
    const begin = Date.now();
    const late = say(ann, 'sent into the gap');
    try {
      await until('10 s are over', () => Date.now() - begin > 10_000, { every: 500 });
    } finally {
      network.mend();
    }
    await late;
    await bob.until('the words arrive, once', () => parlour.room.getSnapshot().chat.filter(({ text }) => text === 'sent into the gap').length === 1, undefined, { within: 60_000 });
    const { longest, frames } = await stop();
    t.diagnostic(`longest time without a new picture ${longest} ms, ${frames} pictures`);
    assert.ok(longest < LONGEST_GAP, `media went on: ${longest} ms without a picture`);
    await leave(bob);
    await leave(ann);
  });

  scenario('64 MiB arrive whole although the path is cut in the middle, and not from the start again', async (t) => {
    const { ann, bob } = await call('file', '&cam=0&mic=0');
    const hash = createHash('sha256');
    // The same bytes on both sides, made by a small generator instead of carried over the driver.
    const block = Buffer.alloc(MIB);
    let state = 1;
    for (let i = 0; i < MIB; i += 4) { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; block.writeUInt32LE(state, i); }
    for (let n = 0; n < 64; n++) { block.writeUInt32LE(n, 0); hash.update(block); }

    await bob.evaluate(() => {
      globalThis.incoming = null;
      globalThis.steps = [];
      parlour.room.on('file', (file) => {
        globalThis.incoming = file.accept({ onProgress: ({ bytes }) => steps.push(bytes) });
        incoming.done.then((blob) => { globalThis.received = blob; }, (error) => { globalThis.failed = String(error); });
      });
    });
    await ann.until('Ann sees Bob', () => [...parlour.room.peers.values()][0]?.getSnapshot().connection === 'connected');
    await ann.evaluate(async (MIB) => {
      const parts = [];
      const words = new Uint32Array(MIB / 4);
      let state = 1;
      for (let i = 0; i < words.length; i++) { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; words[i] = state; }
      for (let n = 0; n < 64; n++) { words[0] = n; parts.push(words.slice()); }
      globalThis.outgoing = await [...parlour.room.peers.values()][0].sendFile(new File(parts, 'big.bin'));
      outgoing.done.catch((error) => { globalThis.failed = String(error); });
    }, MIB);
    const bytes = () => bob.evaluate(() => globalThis.incoming?.getSnapshot().bytes ?? 0);
    await until('a quarter is there', async () => (await bytes()) > 16 * MIB, { within: 90_000, every: 20 });
    network.cutMedia();
    let atCut;
    try {
      atCut = await bytes();
      assert.ok(atCut < 60 * MIB, `the cut came in the middle: ${(atCut / MIB).toFixed()} MiB`);
      await bob.until('the transfer is interrupted', () => incoming.getSnapshot().state === 'interrupted', undefined, { within: 40_000 });
      atCut = await bytes();
    } finally {
      network.mend();
    }
    await bob.until('the file is there', () => globalThis.failed ? Promise.reject(new Error(failed)) : globalThis.received != null, undefined, { within: 120_000, every: 250 });
    const steps = await bob.evaluate(() => steps);
    assert.ok(steps.every((step, n) => n === 0 || step >= steps[n - 1]), 'the progress never went back');
    t.diagnostic(`cut at ${(atCut / MIB).toFixed(1)} MiB`);
    const result = await bob.evaluate(async () => ({
      size: received.size,
      hash: [...new Uint8Array(await crypto.subtle.digest('SHA-256', await received.arrayBuffer()))].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
    }));
    assert.deepEqual(result, { size: 64 * MIB, hash: hash.digest('hex') });
    await leave(bob);
    await leave(ann);
  }, { timeout: 300_000 });

  scenario('64 MiB arrive whole although the connection itself is lost in the middle and made anew', async () => {
    const { ann, bob } = await call('file-anew', '&cam=0&mic=0');
    await bob.evaluate(() => {
      globalThis.steps = [];
      parlour.room.on('file', (file) => {
        globalThis.incoming = file.accept({ onProgress: ({ bytes }) => steps.push(bytes) });
        incoming.done.then((blob) => { globalThis.received = blob; }, (error) => { globalThis.failed = String(error); });
      });
    });
    await ann.until('Ann sees Bob', () => [...parlour.room.peers.values()][0]?.getSnapshot().connection === 'connected');
    const sent = await ann.evaluate(async (MIB) => {
      const bytes = new Uint8Array(64 * MIB);
      for (let at = 0; at < bytes.length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
      [...parlour.room.peers.values()][0].sendFile(new File([bytes], 'big.bin')).then((sent) => sent.done).catch((error) => { globalThis.failed = String(error); });
      return [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].join();
    }, MIB);
    const bytes = () => bob.evaluate(() => globalThis.incoming?.getSnapshot().bytes ?? 0);
    await until('a quarter is there', async () => (await bytes()) > 16 * MIB, { within: 90_000, every: 20 });
    // As when a browser gives up: the connection is closed under the library's hands.
    const atCut = await bob.evaluate(() => { const now = incoming.getSnapshot().bytes; for (const connection of probe.connections) connection.close(); return now; });
    assert.ok(atCut < 60 * MIB, `the connection was lost in the middle: ${(atCut / MIB).toFixed()} MiB`);
    await bob.until('the file is there', () => globalThis.failed ? Promise.reject(new Error(failed)) : globalThis.received != null, undefined, { within: 150_000, every: 250 });
    const steps = await bob.evaluate(() => steps);
    assert.ok(steps.every((step, n) => n === 0 || step >= steps[n - 1]), 'the progress never went back');
    assert.equal(await bob.evaluate(async () => [...new Uint8Array(await crypto.subtle.digest('SHA-256', await received.arrayBuffer()))].join()), sent);
    await leave(bob);
    await leave(ann);
  }, { timeout: 300_000 });

  scenario('on plain HTTP from another machine: sees, hears, chats, and is led to the secure link', async () => {
    const room = newRoom('plain');
    const ann = await browsers.ann.newPage();
    const annId = await join(ann, secure('ann'), room, 'Ann');
    const bob = await browsers.bob.newPage();
    await bob.goto(`${plain('bob')}/r/${room}`);
    assert.equal(await bob.evaluate(() => isSecureContext), false);
    assert.ok(await bob.shows('button', 'Open the secure link'));
    await bob.fill('textbox', 'Your name', 'Bob');
    await bob.click('button', 'Join with camera and microphone off');
    await inRoom(bob);
    await mediaFlows(bob);
    await bob.until("Ann's picture is on the screen", (id) => document.querySelector(`[data-peer="${id}"] video`)?.videoWidth > 0, annId);
    await bob.evaluate(() => parlour.room.send('I can only watch'));
    await ann.until('Ann reads it', () => parlour.room.getSnapshot().chat.some(({ text }) => text === 'I can only watch'));
    assert.deepEqual((await snapshot(ann)).peers.map(({ mic, camera }) => ({ mic, camera })), [{ mic: false, camera: false }]);
    const [reading] = await media(ann);
    assert.equal(reading.frames, 0);
    await leave(bob);

    const cat = await browsers.bob.newPage();
    await cat.goto(`${plain('bob')}/r/${room}`);
    await cat.click('button', 'Open the secure link');
    await cat.until('the secure page is there', () => isSecureContext && location.pathname.startsWith('/r/'));
    assert.equal(new URL(await cat.evaluate(() => location.href)).origin, secure('bob'));
    await cat.close();
    await leave(ann);
  });
});
