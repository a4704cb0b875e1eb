// Calls: who hears and sees whom, in every pair of browsers and in a group.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { launch } from './lib/browsers.mjs';
import { inRoom, join, leave, media, mediaFlows, newRoom, pictureOf, scenario, snapshot } from './lib/call.mjs';
import { startServer } from './lib/server.mjs';
import { until } from './lib/wait.mjs';

/** DTLS 1.3 and 1.2, as `RTCTransportStats.tlsVersion` writes them. */
const DTLS = { FEFC: '1.3', FEFD: '1.2' };

describe('calls', { concurrency: 1 }, () => {
  let server, chromium, firefox;

  before(async () => {
    server = await startServer();
    chromium = await launch('chromium', { devices: 'file' });
    firefox = await launch('firefox');
  });
  after(async () => {
    await chromium?.close();
    await firefox?.close();
    await server?.stop();
  });

  for (const [first, second] of [['chromium', 'chromium'], ['firefox', 'firefox'], ['chromium', 'firefox'], ['firefox', 'chromium']]) {
    scenario(`${first} and then ${second}: picture and sound go both ways`, async (t) => {
      const browsers = { chromium, firefox };
      const room = newRoom('pair');
      const ann = await browsers[first].newPage();
      const annId = await join(ann, server.http, room, 'Ann');
      const bob = await browsers[second].newPage();
      const bobId = await join(bob, server.http, room, 'Bob');
      const [toAnn, toBob] = await Promise.all([mediaFlows(ann), mediaFlows(bob)]);
      t.diagnostic(`DTLS ${DTLS[toAnn[0].tls] ?? toAnn[0].tls}, ${toAnn[0].srtpCipher}`);
      for (const [reading] of [toAnn, toBob]) assert.ok(DTLS[reading.tls], `DTLS 1.2 or 1.3 was negotiated, not ${reading.tls}`);
      assert.equal(toAnn[0].tls, toBob[0].tls, 'both ends tell the same DTLS version');
      assert.equal(toAnn[0].dtlsCipher, toBob[0].dtlsCipher, 'both ends tell the same cipher');
      await Promise.all([pictureOf(ann, bobId), pictureOf(bob, annId)]);
      const [{ peers }] = [await snapshot(ann)];
      assert.deepEqual(peers.map(({ name, mic, camera, connection }) => ({ name, mic, camera, connection })), [{ name: 'Bob', mic: true, camera: true, connection: 'connected' }]);
      await leave(bob);
      await ann.until('Bob is gone', () => parlour.room.peers.size === 0);
      for (const page of [ann]) assert.deepEqual(page.uncaught, []);
      await leave(ann);
    });
  }

  scenario('what leaves a camera is what the other side sees', async () => {
    const room = newRoom('picture');
    const ann = await chromium.newPage();
    const annId = await join(ann, server.http, room, 'Ann', '&mic=0');
    const bob = await firefox.newPage();
    await join(bob, server.http, room, 'Bob', '&cam=0&mic=0');
    await mediaFlows(bob, 1, { audio: false });
    const { red, blue } = await pictureOf(bob, annId);
    assert.ok(red > blue + 5, `the bar in Ann's picture is red: red ${red.toFixed()}, blue ${blue.toFixed()}`);
    await leave(bob);
    await leave(ann);
  });

  scenario('microphone and camera go off and on, and everybody sees it', async () => {
    const room = newRoom('mute');
    const ann = await chromium.newPage();
    await join(ann, server.http, room, 'Ann');
    const bob = await firefox.newPage();
    await join(bob, server.http, room, 'Bob');
    await Promise.all([mediaFlows(ann), mediaFlows(bob)]);

    const sees = (page, what, state) => page.until(`${what} is ${state}`, ([what, state]) => [...parlour.room.peers.values()][0]?.getSnapshot()[what] === state, [what, state]);
    await ann.click('button', 'Turn microphone off');
    await sees(bob, 'mic', false);
    const energy = async () => (await media(bob))[0].energy;
    // What was on its way still arrives; then the energy stands still.
    let last = await energy();
    await until('no more sound arrives', async () => { const now = await energy(); const still = now - last < 1e-6; last = now; return still; }, { every: 700 });
    await ann.click('button', 'Turn camera off');
    await sees(bob, 'camera', false);

    await ann.click('button', 'Turn microphone on');
    await ann.click('button', 'Turn camera on');
    await sees(bob, 'mic', true);
    await sees(bob, 'camera', true);
    await Promise.all([mediaFlows(ann), mediaFlows(bob)]);
    await leave(bob);
    await leave(ann);
  });

  scenario('a shared screen arrives beside the camera, and goes again', async () => {
    const room = newRoom('screen');
    const ann = await chromium.newPage();
    const annId = await join(ann, server.http, room, 'Ann');
    const viewers = [await chromium.newPage(), await firefox.newPage()];
    for (const [n, page] of viewers.entries()) await join(page, server.http, room, `Viewer ${n + 1}`, '&cam=0&mic=0');
    for (const page of viewers) await page.until('Ann is on the screen', (id) => !!parlour.room.peers.get(id)?.getSnapshot().streams.camera, annId);

    await ann.click('button', 'Share screen');
    for (const page of viewers) {
      await page.until('the screen has arrived', (id) => { const { screen, streams } = parlour.room.peers.get(id).getSnapshot(); return screen && !!streams.screen; }, annId);
      await page.until('the screen is shown', (id) => {
        const video = document.querySelector(`[data-peer="${id}"][data-source="screen"] video`);
        return video?.videoWidth > 0 && video.currentTime > 0;
      }, annId);
      const screenFrames = (id) => page.evaluate(async (id) => {
        const track = parlour.room.peers.get(id).getSnapshot().streams.screen.getVideoTracks()[0];
        for (const connection of probe.connections) {
          for (const receiver of connection.getReceivers()) {
            if (receiver.track.id !== track.id) continue;
            for (const entry of (await receiver.getStats()).values()) if (entry.type === 'inbound-rtp') return entry.framesDecoded;
          }
        }
        return 0;
      }, id);
      const before = await screenFrames(annId);
      await until('new pictures of the screen are decoded', async () => (await screenFrames(annId)) >= before + 3);
      assert.ok(await page.evaluate((id) => !!parlour.room.peers.get(id).getSnapshot().streams.camera, annId), 'the camera is still there');
    }
    await ann.click('button', 'Stop sharing');
    for (const page of viewers) await page.until('the screen is gone', (id) => { const { screen, streams } = parlour.room.peers.get(id).getSnapshot(); return !screen && !streams.screen; }, annId);
    for (const page of viewers) await leave(page);
    await leave(ann);
  });

  scenario('four people, two browsers of each kind: everybody sees and hears everybody', async () => {
    const room = newRoom('mesh');
    const pages = [];
    for (const [n, browser] of [chromium, firefox, chromium, firefox].entries()) {
      const page = await browser.newPage({ viewport: { width: 960, height: 540 }, camera: { width: 320, height: 180, frameRate: 10 } });
      pages.push(page);
      await join(page, server.http, room, `Person ${n + 1}`);
    }
    const readings = await Promise.all(pages.map((page) => mediaFlows(page, 3, { within: 90_000 })));
    for (const reading of readings) assert.equal(reading.length, 3);
    // One leaves without a word; the other three go on with each other.
    await pages.pop().close();
    await Promise.all(pages.map((page) => page.until('three are left', () => parlour.room.peers.size === 2, undefined, { within: 60_000 })));
    await Promise.all(pages.map((page) => mediaFlows(page, 2, { within: 60_000 })));
    for (const page of pages) await leave(page);
  }, { timeout: 300_000 });

  scenario('from the start page: new call, prejoin, invitation, and the other comes by the link', async () => {
    const ann = await chromium.newPage();
    await ann.goto(server.http);
    await ann.click('button', 'New call');
    await ann.fill('textbox', 'Your name', 'Ann');
    await ann.click('button', 'Join');
    await inRoom(ann);
    assert.ok(await ann.shows('button', 'Copy link'), 'the first one is offered the link');
    const link = await ann.evaluate(() => parlour.room.link);
    assert.match(link, new RegExp(`^${server.http}/r/[a-z0-9-]+$`));
    const bob = await firefox.newPage();
    await bob.goto(link);
    await bob.fill('textbox', 'Your name', 'Bob');
    await bob.click('button', 'Join');
    await inRoom(bob);
    await Promise.all([mediaFlows(ann), mediaFlows(bob)]);
    await ann.click('button', 'Leave call');
    await ann.until('the page says that the call is over', () => document.querySelector('h1')?.textContent === 'You left the call');
    await bob.until('Ann is gone', () => parlour.room.peers.size === 0);
    await leave(bob);
    await ann.close();
  });
});
