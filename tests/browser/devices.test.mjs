// Camera and microphone are refused or missing: the page says what to do, and the call goes on without them.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { launch } from './lib/browsers.mjs';
import { inRoom, join, leave, mediaFlows, newRoom, scenario, snapshot } from './lib/call.mjs';
import { startServer } from './lib/server.mjs';

const says = (page, text) => page.until(`the page says "${text}"`, (text) => document.body.innerText.includes(text), text);

describe('devices', { concurrency: 1 }, () => {
  let server, ann;
  const room = newRoom('devices');
  let sender;

  before(async () => {
    server = await startServer();
    sender = await launch('chromium');
    ann = await sender.newPage();
    await join(ann, server.http, room, 'Ann');
  });
  after(async () => {
    await leave(ann);
    await sender?.close();
    await server?.stop();
  });

  for (const [what, options, [ofBoth, ofCamera]] of [
    ['refused', { prompt: 'deny' }, ['The browser was not allowed to use the camera and the microphone.', 'The browser was not allowed to use the camera.']],
    ['missing', { devices: 'none' }, ['No device found for the camera and the microphone.', 'No device found for the camera.']],
  ]) {
    scenario(`camera and microphone are ${what}: the page says so before the call, and one can join, see and hear`, async () => {
      const browser = await launch('chromium', options);
      try {
        const bob = await browser.newPage();
        await bob.goto(`${server.http}/r/${room}`);
        await says(bob, ofBoth);
        assert.ok(await bob.shows('button', 'Try again'));
        await bob.fill('textbox', 'Your name', 'Bob');
        await bob.click('button', 'Join');
        await inRoom(bob);
        await mediaFlows(bob);
        assert.deepEqual((await snapshot(ann)).peers.map(({ mic, camera }) => ({ mic, camera })), [{ mic: false, camera: false }]);
        assert.deepEqual(bob.uncaught, []);
        await leave(bob);

        const cat = await browser.newPage();
        await join(cat, server.http, room, 'Cat');
        await says(cat, ofBoth);
        await mediaFlows(cat);
        await cat.click('button', 'Turn camera on');
        await says(cat, ofCamera);
        assert.ok(!(await snapshot(cat)).you.camera, 'a camera that did not open is not shown as on');
        await leave(cat);
        await ann.until('Ann is alone again', () => parlour.room.peers.size === 0);
      } finally {
        await browser.close();
      }
    });
  }
});
