// What one does in a call beside talking: record it, hold the space bar to talk, arrange the pictures, copy what helps whoever helps.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe } from 'node:test';
import { launch } from './lib/browsers.mjs';
import { join, leave, mediaFlows, newRoom, scenario } from './lib/call.mjs';
import { out } from './lib/out.mjs';
import { startServer } from './lib/server.mjs';

const SMALL = { width: 320, height: 180, frameRate: 15 };

describe('in the room', { concurrency: 1 }, () => {
  let server, chromium, ann, bob;

  before(async () => {
    server = await startServer();
    chromium = await launch('chromium');
    const room = newRoom('room');
    [ann, bob] = [await chromium.newPage({ camera: SMALL }), await chromium.newPage({ camera: SMALL })];
    for (const page of [ann, bob]) {
      await page.context.addInitScript(() => {
        const { wakeLock } = navigator;
        const request = wakeLock.request.bind(wakeLock);
        wakeLock.request = async (kind) => (globalThis.awake = await request(kind));
      });
    }
    await join(ann, server.http, room, 'Ann');
    await join(bob, server.http, room, 'Bob');
    await mediaFlows(ann);
  });
  after(async () => {
    await leave(bob);
    await leave(ann);
    await chromium?.close();
    await server?.stop();
  });

  const mic = (page) => page.evaluate(() => parlour.room.getSnapshot().you.mic);

  scenario('the space bar opens the microphone while it is held, and only then', async () => {
    await ann.evaluate(() => document.activeElement?.blur());
    await ann.press('m');
    await ann.until('M turned it off', () => !parlour.room.getSnapshot().you.mic);
    await ann.native.keyboard.down('Space');
    await bob.until('Bob sees that Ann may be heard', () => [...parlour.room.peers.values()][0].getSnapshot().mic);
    await ann.native.keyboard.up('Space');
    await bob.until('Bob sees that Ann is muted again', () => ![...parlour.room.peers.values()][0].getSnapshot().mic);
    // A window that loses the focus hears no key go up.
    await ann.native.keyboard.down('Space');
    await ann.until('it is open', () => parlour.room.getSnapshot().you.mic);
    await ann.evaluate(() => window.dispatchEvent(new Event('blur')));
    await ann.until('it is closed with the window gone', () => !parlour.room.getSnapshot().you.mic);
    await ann.native.keyboard.up('Space');
    assert.equal(await mic(ann), false);
    await ann.press('m');
    await ann.until('M turned it on', () => parlour.room.getSnapshot().you.mic);
  });

  scenario('a recording is a file that plays, with picture and sound, and the call goes on meanwhile', async () => {
    await ann.click('button', /^More options/);
    await ann.click('menuitem', 'Record on this device');
    await ann.until('it says that it records', () => document.querySelector('header')?.innerText.includes('Recording'));
    await mediaFlows(ann);
    await mediaFlows(bob);
    const coming = ann.native.waitForEvent('download');
    coming.catch(() => {});
    await ann.click('button', /^More options/);
    await ann.click('menuitem', 'Stop recording');
    const download = await coming;
    assert.match(download.suggestedFilename(), /\.webm$/);
    const file = out('media', 'recording.webm');
    await download.saveAs(file);
    const { frames, width, loudest, error } = await bob.evaluate(async (base64) => {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const video = document.createElement('video');
      video.muted = true;
      video.src = URL.createObjectURL(new Blob([bytes], { type: 'video/webm' }));
      await video.play();
      await new Promise((resolve) => { video.onended = video.onerror = resolve; });
      const sound = await new OfflineAudioContext(1, 48_000, 48_000).decodeAudioData(bytes.buffer);
      const loudest = sound.getChannelData(0).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
      return { frames: video.getVideoPlaybackQuality().totalVideoFrames, width: video.videoWidth, loudest, error: video.error?.message };
    }, fs.readFileSync(file).toString('base64'));
    assert.equal(error, undefined);
    assert.equal(width, 1280);
    assert.ok(frames >= 3, `${frames} pictures`);
    assert.ok(loudest > 0.01, `the loudest sample is ${loudest}`);
  });

  scenario('another microphone is taken up in the middle of the call', async () => {
    const before = await ann.evaluate(() => parlour.room.getSnapshot().you.devices.mic);
    await ann.click('button', 'Choose microphone and speaker');
    await ann.click('menuitemradio', 'Fake Audio Input 2');
    await ann.until('the other one is in use', (before) => { const { mic, devices } = parlour.room.getSnapshot().you; return mic && devices.mic && devices.mic !== before; }, before);
    await mediaFlows(bob);
    assert.deepEqual(await bob.evaluate(() => probe.connections.length), 1, 'over the same connection');
  });

  scenario('a picture is held large, the speaker is shown large, and the grid comes back', async () => {
    const widths = () => ann.evaluate(() => [...document.querySelectorAll('[data-peer][data-source=camera]')].map((tile) => ({ self: 'self' in tile.dataset, width: tile.getBoundingClientRect().width, video: tile.querySelector('video') !== null })));
    const large = (self) => ann.until(`${self ? 'Ann' : 'Bob'} is large`, (self) => {
      const [mine, other] = [true, false].map((own) => [...document.querySelectorAll('[data-peer][data-source=camera]')].find((tile) => ('self' in tile.dataset) === own).getBoundingClientRect().width);
      return self ? mine > 2 * other : other > 2 * mine;
    }, self);
    await large(false);
    await ann.evaluate(() => document.querySelectorAll('video').forEach((video) => { video.dataset.same = 'yes'; }));
    await ann.click('button', 'Options for You');
    await ann.click('menuitem', 'Keep large');
    await large(true);
    await ann.click('button', 'Layout');
    await ann.click('menuitemradio', 'Speaker large');
    await large(false);
    await ann.click('button', 'Layout');
    await ann.click('menuitemradio', 'Grid');
    await ann.until('both are of one size', () => new Set([...document.querySelectorAll('[data-peer][data-source=camera]')].map((tile) => Math.round(tile.getBoundingClientRect().width))).size === 1);
    assert.equal((await widths()).length, 2);
    assert.equal(await ann.evaluate(() => document.querySelectorAll('video[data-same]').length), 2, 'no picture was mounted anew');
  });

  scenario('the diagnostics that are copied say how the call is, and name nobody', async () => {
    await ann.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await ann.click('button', /^More options/);
    await ann.click('menuitem', 'Connection details');
    await ann.until('rates are shown', () => /[1-9]\d* kbit\/s|Mbit\/s/.test(document.querySelector('dialog[open] table')?.innerText ?? ''));
    await ann.click('button', 'Copy diagnostics');
    const text = await ann.until('it is copied', async () => { const text = await navigator.clipboard.readText(); return text.startsWith('{') && text; });
    const { peers, log, server: about } = JSON.parse(text);
    assert.equal(peers.length, 1);
    assert.equal(peers[0].state, 'connected');
    assert.ok(peers[0].path && peers[0].incoming.some(({ source, bitrate }) => source === 'camera' && bitrate > 0));
    assert.ok(log.length > 0 && about.node);
    assert.doesNotMatch(text, /Bob|Ann/);
    await ann.press('Escape');
  });

  scenario('the screen stays awake in the call, and may sleep after it', async () => {
    await bob.until('the screen is kept awake', () => globalThis.awake?.released === false);
    await bob.click('button', 'Leave call');
    await bob.until('it may sleep', () => globalThis.awake.released);
    await bob.click('button', 'Join again');
    await bob.until('Bob is back', () => globalThis.parlour?.room?.getSnapshot().status === 'joined');
    await mediaFlows(ann);
  });
});
