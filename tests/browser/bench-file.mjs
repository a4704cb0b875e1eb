// How fast a file goes from one browser to another on this machine, in every pair of browsers. `node bench-file.mjs [MiB] [pair …]`, a pair being
// for example `chromium-firefox` (from, to).
import { launch } from './lib/browsers.mjs';
import { join, newRoom } from './lib/call.mjs';
import { startServer } from './lib/server.mjs';

const [mib = '128', ...chosen] = process.argv.slice(2);
const pairs = chosen.length ? chosen : ['chromium-chromium', 'firefox-firefox', 'chromium-firefox', 'firefox-chromium'];
const size = Number(mib) << 20;

const server = await startServer({ name: 'bench' });
try {
  for (const pair of pairs) {
    const [from, to] = pair.split('-');
    const browsers = await Promise.all([launch(from), launch(to)]);
    const [ann, bob] = await Promise.all(browsers.map((browser) => browser.newPage()));
    const room = newRoom('bench');
    await join(ann, server.http, room, 'Ann', '&cam=0&mic=0');
    await join(bob, server.http, room, 'Bob', '&cam=0&mic=0');
    await ann.until('they are connected', () => [...parlour.room.peers.values()][0]?.getSnapshot().connection === 'connected');
    await bob.evaluate(() => {
      parlour.room.on('file', (file) => {
        globalThis.began = performance.now();
        file.accept().done.then(() => { globalThis.took = performance.now() - began; }, (error) => { globalThis.failed = String(error); });
      });
    });
    await ann.evaluate(async (size) => {
      const block = new Uint8Array(1 << 20);
      for (let at = 0; at < block.length; at += 65_536) crypto.getRandomValues(block.subarray(at, at + 65_536));
      await [...parlour.room.peers.values()][0].sendFile(new File(Array(size >> 20).fill(block), 'bench.bin'));
    }, size);
    const took = await bob.until('the file is there', () => { if (globalThis.failed) throw new Error(failed); return globalThis.took; }, undefined, { within: 300_000, every: 250 });
    console.log(`${pair}: ${mib} MiB in ${(took / 1000).toFixed(1)} s, ${(size / took / 1000).toFixed(1)} MB/s`);
    for (const browser of browsers) await browser.close();
  }
} finally {
  await server.stop();
}
