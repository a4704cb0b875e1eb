// From opening a page to the first decoded picture of the other side, in Chromium: Parlour's app through the binary, and a page with PeerJS's
// client at PeerJS's own server and at ours. `--json` prints lines for machines.
import { PeerServer } from 'peer';
import { launch } from './lib/browsers.mjs';
import { inRoom, join, joinLink, leave, newRoom } from './lib/call.mjs';
import { startServer } from './lib/server.mjs';
import { startSite } from './lib/site.mjs';

const ROUNDS = 10;
const json = process.argv.includes('--json');

const site = await startSite();
const server = await startServer({ args: ['--origins', site.origin] });
let listening;
const peerjs = new Promise((resolve) => { listening = resolve; });
PeerServer({ host: '127.0.0.1', port: 0, path: '/peerjs' }, listening);
const original = await peerjs;
const chromium = await launch('chromium');

/** Remembers when the page began to connect, and when the first picture was there. */
async function watched() {
  const page = await chromium.newPage();
  await page.context.addInitScript(() => {
    const Native = WebSocket;
    globalThis.WebSocket = class extends Native { constructor(...args) { super(...args); globalThis.joining ??= performance.now(); } };
    globalThis.firstPicture = new Promise((resolve) => {
      const look = async () => {
        for (const { frames } of await probe.media()) if (frames > 0) return resolve(performance.now());
        setTimeout(look, 2);
      };
      look();
    });
  });
  return page;
}

const seen = (page) => page.evaluate(async () => ({ picture: await firstPicture, joining: globalThis.joining }));

async function parlour() {
  const room = newRoom('bench');
  const ann = await chromium.newPage();
  await join(ann, server.http, room, 'Ann');
  const bob = await watched();
  await bob.goto(joinLink(server.http, room, 'Bob'));
  await inRoom(bob);
  const times = await seen(bob);
  await leave(bob);
  await leave(ann);
  return times;
}

const peerjsAt = (port, settings) => async () => {
  const options = { host: '127.0.0.1', port, config: { iceServers: [] }, ...settings };
  const url = `${site.origin}/peerjs.html?client=peerjs/dist/peerjs.min.js`;
  const ann = await chromium.newPage();
  await ann.goto(url);
  const id = await ann.evaluate((options) => open(null, options), options);
  const bob = await watched();
  await bob.goto(url);
  await bob.evaluate(async ({ id, options }) => { await open(null, options); await call(id); }, { id, options });
  const times = await seen(bob);
  await bob.close();
  await ann.close();
  return times;
};

const contenders = {
  parlour,
  'peerjs-server': peerjsAt(original.address().port, { path: '/peerjs' }),
  'parlour/peerjs': peerjsAt(Number(new URL(server.http).port), {}),
};
const results = Object.fromEntries(Object.keys(contenders).map((name) => [name, { page: [], socket: [] }]));
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, measure] of Object.entries(contenders)) {
    const { picture, joining } = await measure();
    // The first round warms everything up and does not count.
    if (round === 0) continue;
    results[name].page.push(picture);
    results[name].socket.push(picture - joining);
  }
}
await chromium.close();
await server.stop();
site.stop();

const CASES = { page: 'page opened to first picture', socket: 'WebSocket opened to first picture' };
for (const [name, cases] of Object.entries(results)) {
  for (const [key, values] of Object.entries(cases)) {
    values.sort((a, b) => a - b);
    const p50 = (values[ROUNDS / 2 - 1] + values[ROUNDS / 2]) / 2;
    if (json) console.log(JSON.stringify({ bench: 'join', case: CASES[key], contender: name, unit: 'ms', value: Math.round(p50) }));
    else console.log(`${name.padEnd(16)} ${CASES[key].padEnd(36)} p50 ${p50.toFixed(0).padStart(6)} ms   best ${values[0].toFixed(0).padStart(6)} ms   worst ${values.at(-1).toFixed(0).padStart(6)} ms`);
  }
}
// PeerJS's server keeps timers that nothing ends.
process.exit();
