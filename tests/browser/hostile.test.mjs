// Clients that break the rules are cut off with a word that says why, while a call beside them goes on.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe } from 'node:test';
import WebSocket from 'ws';
import { launch } from './lib/browsers.mjs';
import { join, leave, mediaFlows, newRoom, say, scenario, watchPictures } from './lib/call.mjs';
import { Raw } from './lib/raw.mjs';
import { startServer } from './lib/server.mjs';
import { LONGEST_GAP, soon, until } from './lib/wait.mjs';

describe('hostile clients', { concurrency: 1 }, () => {
  let server, chromium, ann, bob, room, stop;

  before(async () => {
    server = await startServer({ args: ['--limits-conns-per-ip', '400', '--limits-joins-per-min-per-ip', '1000'] });
    chromium = await launch('chromium');
    room = newRoom('beside');
    [ann, bob] = [await chromium.newPage({ camera: { width: 320, height: 180, frameRate: 30 } }), await chromium.newPage({ camera: { width: 320, height: 180, frameRate: 30 } })];
    await join(ann, server.http, room, 'Ann');
    await join(bob, server.http, room, 'Bob');
    await Promise.all([mediaFlows(ann), mediaFlows(bob)]);
    stop = await watchPictures(ann);
  });
  after(async () => {
    await leave(ann);
    await leave(bob);
    await chromium?.close();
    await server?.stop();
  });

  let said = 0;
  /** The call beside: words still go through, pictures still come, nobody was lost. */
  async function callGoesOn() {
    const text = `still here ${++said}`;
    await say(ann, text);
    await bob.until('Bob hears Ann', (text) => parlour.room.getSnapshot().chat.some((message) => message.text === text), text, { within: 5_000 });
    assert.ok(server.alive);
  }

  scenario('a page of another site may not connect', async () => {
    for (const origin of ['https://evil.example', 'null', `${server.http}.evil.example`]) {
      await assert.rejects(Raw.open(server, { origin }), /HTTP 403/, origin);
    }
    await callGoesOn();
  });

  scenario('what is not the protocol is refused with its code', async () => {
    for (const [what, talk, code] of [
      ['no JSON', (raw) => raw.send('}{'), 'bad_message'],
      ['no object', (raw) => raw.send('[1,2,3]'), 'bad_message'],
      ['a binary frame', (raw) => raw.send(Buffer.from([1, 2, 3])), 'bad_message'],
      ['a very deep object', (raw) => raw.send(`{"t":"hello","v":1,"room":${'['.repeat(20_000)}${']'.repeat(20_000)}}`), 'bad_message'],
      ['no hello', (raw) => raw.send({ t: 'chat', seq: 1, text: 'hi' }), 'out_of_order'],
      ['another version', (raw) => raw.hello(room, { v: 99 }), 'unknown_version'],
      ['a wrong room', (raw) => raw.hello('../../etc/passwd'), 'bad_room'],
      ['a wrong name', (raw) => raw.hello(room, { name: 'x'.repeat(65) }), 'bad_name'],
    ]) {
      const raw = await Raw.open(server);
      talk(raw);
      const error = await raw.error(code).catch((late) => { throw new Error(`${what}: ${late.message}; got ${JSON.stringify(raw.messages)}`); });
      assert.ok(error.fatal && error.message.length > 10, `${what}: the error is fatal and says what to do`);
      const { code: closed, reason } = await raw.end();
      assert.equal(closed, 4000, what);
      assert.equal(reason, code, what);
    }
    await callGoesOn();
  });

  scenario('too long a message ends the connection', async () => {
    const raw = await Raw.open(server);
    raw.hello(newRoom('long'));
    await raw.welcome();
    raw.send({ t: 'msg', seq: 1, topic: 'x', data: 'x'.repeat(70_000) });
    assert.equal((await raw.end()).code, 1009);
    // A header that promises 4 GiB, and then nothing: the server must not wait for it, nor set memory aside.
    const { port } = new URL(server.http);
    const socket = net.connect(Number(port), '127.0.0.1');
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('error', () => {});
    socket.write(`GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nOrigin: ${server.http}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: parlour.v1\r\n\r\n`);
    await soon('the upgrade', new Promise((resolve) => socket.once('data', resolve)));
    socket.write(Buffer.from([0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4]));
    await soon('the server to close the connection', closed);
    await callGoesOn();
  });

  scenario('a flood is first refused, then cut off', async () => {
    const raw = await Raw.open(server);
    raw.hello(newRoom('flood'));
    await raw.welcome();
    let seq = 0;
    const began = performance.now();
    const pump = setInterval(() => { if (raw.socket.readyState === WebSocket.OPEN && raw.socket.bufferedAmount < 1 << 20) for (let n = 0; n < 20; n++) raw.send({ t: 'msg', seq: ++seq, topic: 'x', data: 1 }); }, 20);
    try {
      const { fatal } = await raw.error('rate');
      assert.equal(fatal, false, 'the first answer to too many messages is a warning');
      await callGoesOn();
      const { reason } = await raw.end(60_000);
      assert.equal(reason, 'rate');
      assert.ok(performance.now() - began >= 10_000, 'only who goes on for ten seconds is cut off');
    } finally {
      clearInterval(pump);
    }
    await callGoesOn();
  }, { timeout: 120_000 });

  scenario('who may not moderate does not moderate, and nobody speaks for another', async () => {
    const raw = await Raw.open(server);
    raw.hello(room);
    const { snapshot } = await raw.welcome();
    const [victim] = snapshot.peers;
    const attempts = [
      { t: 'kick', peer: victim.id }, { t: 'lock', on: true }, { t: 'end' }, { t: 'role', peer: snapshot.you.id, role: 'host' },
      { t: 'admit', peer: victim.id, ok: false }, { t: 'settings', chat_history: false }, { t: 'hand', on: true, peer: victim.id },
    ];
    attempts.forEach((attempt, n) => raw.send({ ...attempt, id: n + 1, seq: n + 1 }));
    for (const [n, attempt] of attempts.entries()) {
      const answer = await raw.message(`the answer to ${attempt.t}`, ({ re }) => re === n + 1);
      assert.equal(answer.t, 'error', attempt.t);
      assert.ok(['not_permitted', 'no_such_peer', 'bad_message'].includes(answer.code), `${attempt.t}: ${answer.code}`);
    }
    // Strange descriptions and candidates reach only who they are for, and break nothing there.
    raw.send({ t: 'sdp', seq: 20, pc: `p:${victim.id}`, gen: 0, kind: 'offer', sdp: 'v=0\r\nnonsense' });
    raw.send({ t: 'ice', seq: 21, pc: `p:${victim.id}`, gen: 4294967295, cand: { candidate: 'candidate:\u0000', sdpMid: '9' } });
    raw.send({ t: 'sdp', seq: 22, pc: `p:${victim.id}`, gen: 4294967295, kind: 'answer', sdp: '' });
    await callGoesOn();
    raw.send({ t: 'bye' });
    await raw.end();
    await ann.until('Mallory is gone', () => parlour.room.peers.size === 1);
  });

  scenario('a session is not taken over with a wrong secret, nor twice with the right one', async () => {
    const ours = newRoom('theft');
    const owner = await Raw.open(server);
    owner.hello(ours);
    const { sid, secret, snapshot } = await owner.welcome();
    const thief = await Raw.open(server);
    thief.hello(ours, { resume: { sid, secret: 'A'.repeat(secret.length), last: 0 } });
    const other = await thief.welcome();
    assert.equal(other.resumed, false);
    assert.notEqual(other.sid, sid);
    assert.notEqual(other.snapshot.you.id, snapshot.you.id);
    assert.equal(owner.socket.readyState, WebSocket.OPEN, 'the owner keeps the session');
    const again = await Raw.open(server);
    again.hello(ours, { resume: { sid, secret, last: 0 } });
    await again.welcome();
    await owner.message('bye', ({ t, why }) => t === 'bye' && why === 'replaced');
    assert.equal((await owner.end()).code, 4001);
    thief.socket.close();
    again.socket.close();
    await callGoesOn();
  });

  scenario('who does not read is cut off, and does not slow the others', async () => {
    const ours = newRoom('slow');
    const slow = await Raw.open(server);
    slow.hello(ours);
    const { snapshot } = await slow.welcome();
    slow.socket.pause();
    const loud = await Raw.open(server);
    loud.hello(ours);
    await loud.welcome();
    let seq = 0;
    const gone = until('the slow one is away or gone', () => loud.messages.find((message) => message.t === 'peer' && message.peer.id === snapshot.you.id && (message.op === 'del' || message.peer.state === 'away')), { within: 90_000 });
    const pump = setInterval(() => { for (let n = 0; n < 4; n++) loud.send({ t: 'msg', seq: ++seq, topic: 'x', data: 'x'.repeat(60_000) }); }, 100);
    try {
      await gone;
    } finally {
      clearInterval(pump);
    }
    slow.socket.terminate();
    loud.socket.close();
    await callGoesOn();
  }, { timeout: 150_000 });

  scenario('many half-open connections do not keep people out', async () => {
    const { port } = new URL(server.http);
    const sockets = Array.from({ length: 200 }, () => { const socket = net.connect(Number(port), '127.0.0.1'); socket.on('error', () => {}); socket.write('GET /v1/ws HTTP/1.1\r\nHost: x\r\n'); return socket; });
    try {
      const raw = await Raw.open(server);
      raw.hello(newRoom('half-open'));
      await raw.welcome();
      raw.socket.close();
      await callGoesOn();
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });

  scenario('all this time the call beside had its pictures', async (t) => {
    // However quick the machine was with the attacks, there is enough to judge by.
    const pictures = async () => (await ann.evaluate(() => probe.media()))[0].frames;
    const begin = await pictures();
    await until('some more pictures come', async () => (await pictures()) > begin + 60);
    const { longest, frames } = await stop();
    t.diagnostic(`longest time without a new picture ${longest} ms, ${frames} pictures`);
    assert.ok(frames > 100, `${frames} pictures`);
    assert.ok(longest < LONGEST_GAP, `never longer than ${LONGEST_GAP} ms without a picture: ${longest} ms`);
    await Promise.all([mediaFlows(ann), mediaFlows(bob)]);
  });
});
