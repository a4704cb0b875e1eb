// Calls through the relay: by UDP, TCP and TLS, in both browsers, and where nothing else gets through.
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import path from 'node:path';
import { after, before, describe } from 'node:test';
import tls from 'node:tls';
import { launch } from './lib/browsers.mjs';
import { join, leave, media, mediaFlows, newRoom, scenario } from './lib/call.mjs';
import { Network } from './lib/network.mjs';
import { startServer } from './lib/server.mjs';

const CAMERA = { width: 320, height: 180, frameRate: 15 };

/** Has Chromium take this server's certificate in TURN by TLS too, where no page can click a warning away. */
async function trust(url) {
  const { hostname, port } = new URL(url);
  const raw = await new Promise((resolve, reject) => {
    const socket = tls.connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().raw);
      socket.destroy();
    });
    socket.on('error', reject);
  });
  const key = new X509Certificate(raw).publicKey.export({ type: 'spki', format: 'der' });
  return [`--ignore-certificate-errors-spki-list=${createHash('sha256').update(key).digest('base64')}`, '--ignore-certificate-errors'];
}

async function call(t, one, other, base, { relay, name }) {
  const room = newRoom(name);
  const ann = await one.newPage({ camera: CAMERA, relay });
  await join(ann, base(0), room, 'Ann');
  const bob = await other.newPage({ camera: CAMERA, relay });
  await join(bob, base(1), room, 'Bob');
  await Promise.all([mediaFlows(ann), mediaFlows(bob)]);
  const [[toAnn], [toBob]] = await Promise.all([media(ann), media(bob)]);
  t.diagnostic(`${one.kind}: ${toAnn.local} by ${toAnn.relayProtocol}; ${other.kind}: ${toBob.local} by ${toBob.relayProtocol}`);
  return { ann, bob, toAnn, toBob };
}

async function end({ ann, bob }) {
  await leave(bob);
  await leave(ann);
}

describe('relayed calls on one machine', { concurrency: 1 }, () => {
  let server, chromium, firefox;

  before(async () => {
    server = await startServer();
    chromium = await launch('chromium', { args: await trust(server.https) });
    firefox = await launch('firefox', { ca: path.join(server.data, 'tls/ca.pem') });
  });
  after(async () => {
    await chromium?.close();
    await firefox?.close();
    await server?.stop();
  });

  for (const relay of ['udp', 'tcp', 'tls']) {
    for (const [first, second] of [['chromium', 'chromium'], ['firefox', 'firefox'], ['chromium', 'firefox']]) {
      scenario(`${first} and ${second} through the relay by ${relay}`, async (t) => {
        const browsers = { chromium, firefox };
        // Firefox takes TURN by TLS from names only, not from addresses.
        const base = server.http.replace('127.0.0.1', 'localhost');
        const made = await call(t, browsers[first], browsers[second], () => base, { relay, name: relay });
        for (const one of [made.toAnn, made.toBob]) {
          assert.equal(one.local, 'relay');
          assert.equal(one.relayProtocol, relay);
        }
        await end(made);
      });
    }
  }
});

describe('Firefox without UDP', { concurrency: 1 }, () => {
  let server, firefox;

  before(async () => {
    server = await startServer();
    firefox = await launch('firefox', { prefs: { 'media.peerconnection.nat_simulator.block_udp': true } });
  });
  after(async () => {
    await firefox?.close();
    await server?.stop();
  });

  scenario('Firefox finds the way by itself when all UDP is blocked', async (t) => {
    const made = await call(t, firefox, firefox, () => server.http, { name: 'no-udp' });
    await end(made);
  });
});

describe('networks that block much', { concurrency: 1 }, () => {
  let network, server, browsers;
  const base = (n) => `https://${network.homes[['ann', 'bob'][n]].server}:8443`;

  before(async () => {
    network = Network.open();
    server = await startServer({ netns: network.hub });
    browsers = {};
    for (const [who, home] of Object.entries(network.homes)) {
      browsers[who] = await launch('chromium', { netns: home.netns, devices: 'fake', args: ['--ignore-certificate-errors'] });
    }
  });
  after(async () => {
    for (const browser of Object.values(browsers ?? {})) await browser.close();
    await server?.stop();
    network?.close();
  });

  scenario('all UDP is blocked: Chromium finds the way by TCP by itself', async (t) => {
    network.cutUdp();
    try {
      const made = await call(t, browsers.ann, browsers.bob, base, { name: 'no-udp' });
      assert.ok([made.toAnn, made.toBob].every((one) => one.local === 'relay' ? one.relayProtocol !== 'udp' : true));
      await end(made);
    } finally {
      network.mend();
    }
  });

  scenario('nothing but the HTTPS port is open: the call goes through it', async (t) => {
    network.cutAllBut(8443);
    try {
      const made = await call(t, browsers.ann, browsers.bob, base, { name: 'only-https' });
      assert.ok(made.toAnn.local === 'relay' || made.toBob.local === 'relay');
      await end(made);
    } finally {
      network.mend();
    }
  });
});
