// The Rust peer of examples/echo-server and real browsers: data channels, with either side as the offerer.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import readline from 'node:readline';
import { after, before, describe } from 'node:test';
import { launch } from './lib/browsers.mjs';
import { scenario } from './lib/call.mjs';
import { atExit } from './lib/cleanup.mjs';
import { here } from './lib/out.mjs';
import { PATIENCE, soon } from './lib/wait.mjs';

const BINARY = process.env.TEST_ECHO_BIN ?? path.join(here, '../../target/debug/echo-server');

async function startEcho() {
  const child = spawn(BINARY, ['127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const forget = atExit(() => child.kill('SIGKILL'));
  const url = await soon('the start of the echo server', new Promise((resolve, reject) => {
    readline.createInterface({ input: child.stdout }).once('line', resolve);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the echo server ended with ${code}`)));
  }));
  return { url, stop: () => { child.kill('SIGKILL'); forget(); } };
}

/** In the page: one channel of each kind, messages of every size and kind, 16 MiB, and the end. */
async function everything({ how, patience }) {
  const within = (what, promise) => Promise.race([promise, new Promise((_, no) => setTimeout(() => no(new Error(`waited in vain for ${what}`)), patience))]);
  const inits = { reliable: {}, unordered: { ordered: false }, once: { maxRetransmits: 0 }, brief: { maxPacketLifeTime: 500, ordered: false, protocol: 'game' }, ours: { negotiated: false, id: 12 } };
  const prepare = (connection) => Object.entries(inits).map(([label, init]) => connection.createDataChannel(label, init));
  const began = performance.now();
  const { connection, channels } = await echo[how](prepare);
  // A channel that comes later is announced by DCEP alone.
  if (how === 'answer') channels.push(...prepare(connection));
  const opened = (channel) => channel.readyState === 'open' || new Promise((resolve) => channel.addEventListener('open', resolve));
  await within('the channels to open', Promise.all(channels.map(opened)));
  const took = performance.now() - began;
  const next = (channel) => within(`an echo on ${channel.label}`, new Promise((resolve) => channel.addEventListener('message', ({ data }) => resolve(data), { once: true })));
  for (const channel of channels) {
    channel.binaryType = 'arraybuffer';
    const text = next(channel);
    channel.send('ä€😀');
    if (await text !== 'ä€😀') throw new Error(`another text came back on ${channel.label}`);
  }
  const sizes = [0, 1, 1200, 16_384, 65_536, 262_144];
  for (const size of sizes) {
    const bytes = new Uint8Array(size).map((_, place) => place * 31);
    const back = next(channels[0]);
    channels[0].send(bytes);
    const got = new Uint8Array(await back);
    if (got.length !== size || got.some((byte, place) => byte !== bytes[place])) throw new Error(`${size} bytes came back as ${got.length} others`);
  }
  const empty = next(channels[0]);
  channels[0].send('');
  if (await empty !== '') throw new Error('an empty text came back as something else');
  // 16 MiB there and back.
  const total = 16 << 20, piece = new Uint8Array(65_536);
  let received = 0;
  const all = new Promise((resolve) => channels[0].addEventListener('message', ({ data }) => (received += data.byteLength) >= total && resolve()));
  channels[0].bufferedAmountLowThreshold = 1 << 20;
  for (let sent = 0; sent < total; sent += piece.length) {
    if (channels[0].bufferedAmount > 4 << 20) await within('room', new Promise((resolve) => channels[0].addEventListener('bufferedamountlow', resolve, { once: true })));
    channels[0].send(piece);
  }
  await within('16 MiB', all);
  const closed = within('a closed channel', new Promise((resolve) => channels[1].addEventListener('close', resolve)));
  channels[1].close();
  await closed;
  const report = [...(await connection.getStats()).values()];
  const transport = report.find((one) => one.type === 'transport');
  const warp = [connection.localDescription, connection.remoteDescription].map(({ sdp }) => [/a=ice-options:.* sped/.test(sdp), /a=sctp-init:/.test(sdp)]);
  const result = { warp, took, all: performance.now() - began, max: connection.sctp.maxMessageSize, tls: transport?.tlsVersion, state: connection.connectionState };
  connection.close();
  return result;
}

describe('Rust peer', { concurrency: 1 }, () => {
  let server;
  before(async () => { server = await startEcho(); });
  after(() => server?.stop());

  // What Chromium has, and does not do unasked: DTLS in the checks of ICE, and SCTP without a handshake.
  const warp = ['--force-fieldtrials=WebRTC-IceHandshakeDtls/Enabled/', '--enable-features=WebRtcSctpSnap'];
  for (const [kind, name, args] of [['chromium', 'chromium'], ['firefox', 'firefox'], ['chromium', 'chromium with WARP', warp]]) {
    for (const how of ['offer', 'answer']) {
      scenario(`${name} ${how === 'offer' ? 'offers' : 'answers'}: channels of every kind carry everything`, async (t) => {
        const browser = await launch(kind, { args });
        try {
          const page = await browser.newPage();
          await page.goto(server.url);
          await page.until('the page is ready', () => typeof globalThis.echo === 'object');
          const seen = await page.evaluate(everything, { how, patience: 60_000 * PATIENCE });
          t.diagnostic(`open after ${Math.round(seen.took)} ms, everything after ${Math.round(seen.all)} ms, DTLS ${seen.tls}`);
          assert.equal(seen.state, 'connected');
          assert.equal(seen.max, 262_144);
          if (args) assert.deepEqual(seen.warp, [[true, true], [true, true]]);
        } finally {
          await browser.close();
        }
      });
    }
  }
});
