// From joining to the first decoded picture of the other side, in Chromium through the binary. `--json` prints lines for machines.
import { launch } from './lib/browsers.mjs';
import { inRoom, join, joinLink, leave, newRoom } from './lib/call.mjs';
import { startServer } from './lib/server.mjs';

const ROUNDS = 10;
const json = process.argv.includes('--json');
const server = await startServer();
const chromium = await launch('chromium');
const cases = { 'page opened to first picture': [], 'WebSocket opened to first picture': [] };
for (let round = 0; round <= ROUNDS; round++) {
  const room = newRoom('bench');
  const ann = await chromium.newPage();
  await join(ann, server.http, room, 'Ann');
  const bob = await chromium.newPage();
  await bob.context.addInitScript(() => {
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
  await bob.goto(joinLink(server.http, room, 'Bob'));
  await inRoom(bob);
  const { picture, joining } = await bob.evaluate(async () => ({ picture: await firstPicture, joining: globalThis.joining }));
  // The first round warms everything up and does not count.
  if (round > 0) {
    cases['page opened to first picture'].push(picture);
    cases['WebSocket opened to first picture'].push(picture - joining);
  }
  await leave(bob);
  await leave(ann);
}
await chromium.close();
await server.stop();
for (const [name, values] of Object.entries(cases)) {
  values.sort((a, b) => a - b);
  const p50 = (values[ROUNDS / 2 - 1] + values[ROUNDS / 2]) / 2;
  if (json) console.log(JSON.stringify({ bench: 'join', case: name, contender: 'parlour', unit: 'ms', value: Math.round(p50) }));
  else console.log(`${name.padEnd(40)} p50 ${p50.toFixed(0).padStart(6)} ms   best ${values[0].toFixed(0).padStart(6)} ms   worst ${values.at(-1).toFixed(0).padStart(6)} ms`);
}
