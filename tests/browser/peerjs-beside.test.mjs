// PeerJS's own server and ours, side by side: the same requests get the same answers. No browser is needed for that.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { PeerServer } from 'peer';
import { WebSocket } from 'ws';
import { startServer } from './lib/server.mjs';
import { soon } from './lib/wait.mjs';

const ORIGIN = 'https://app.example';

/** PeerJS's own server, on a port of its choice. */
async function original(options) {
  let listening;
  const server = new Promise((resolve) => { listening = resolve; });
  PeerServer({ host: '127.0.0.1', port: 0, ...options }, listening);
  const it = await server;
  return { port: it.address().port, stop() { it.closeAllConnections(); it.close(); } };
}

async function ours(args) {
  const server = await startServer({ args: ['--origins', '*', ...args] });
  return { port: Number(new URL(server.http).port), stop: () => server.stop() };
}

/** Sends a request; gives what a client can tell of the answer. */
function ask(port, path, { method = 'GET', headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path, method, headers: { origin: ORIGIN, ...headers } }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() }));
    });
    request.on('error', reject);
    request.end();
  });
}

/** A client on a WebSocket that remembers all that it hears. */
class Client {
  constructor(port, path) {
    this.heard = [];
    this.socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { origin: ORIGIN });
    this.socket.on('message', (data) => this.#note(JSON.parse(data)));
    this.socket.on('close', (code) => this.#note({ closed: code }));
    this.socket.on('error', () => {});
    this.opened = new Promise((resolve) => this.socket.on('open', resolve));
  }

  #note(entry) {
    this.heard.push(entry);
    this.wake?.();
  }

  say(message) { this.socket.send(typeof message === 'string' ? message : JSON.stringify(message)); }

  /** Waits until it has heard `count` things in all. */
  async until(count) {
    await soon(`${count} messages, beside ${JSON.stringify(this.heard)}`, (async () => {
      while (this.heard.length < count) await new Promise((resolve) => { this.wake = resolve; });
    })());
    return this.heard;
  }
}

/** The path of the WebSocket below where the server is mounted. */
const path = (mount, id, token, key = 'peerjs') => `${mount}peerjs?key=${key}&id=${id}&token=${token}&version=1.5.5`;

/** What happens, step by step; gives everything that all clients heard. The same for both servers. */
const STORIES = {
  async 'a client comes and is told so'(port, mount) {
    const ann = new Client(port, path(mount, 'ann', 't'));
    await ann.until(1);
    return [ann];
  },
  async 'offers, answers and candidates are passed on with the sender\'s id'(port, mount) {
    const [ann, bob] = [new Client(port, path(mount, 'ann', 't')), new Client(port, path(mount, 'bob', 't'))];
    await ann.until(1);
    await bob.until(1);
    for (const type of ['OFFER', 'ANSWER', 'CANDIDATE', 'EXPIRE', 'LEAVE']) ann.say({ type, src: 'forged', dst: 'bob', payload: { n: [1, null, 'ä'] }, more: 'x' });
    ann.say({ type: 'OFFER', dst: 'bob' });
    ann.say({ type: 'OFFER', dst: 'bob', payload: null });
    await bob.until(8);
    bob.say({ type: 'ANSWER', dst: 'ann', payload: 'text' });
    await ann.until(2);
    return [ann, bob];
  },
  async 'kinds that a client has not to say are passed over'(port, mount) {
    const [ann, bob] = [new Client(port, path(mount, 'ann', 't')), new Client(port, path(mount, 'bob', 't'))];
    await ann.until(1);
    await bob.until(1);
    for (const type of ['OPEN', 'ERROR', 'ID-TAKEN', 'INVALID-KEY', 'HEARTBEAT', 'NONSENSE', undefined]) ann.say({ type, dst: 'bob', payload: 1 });
    ann.say({ type: 'OFFER', payload: 'to nobody' });
    ann.say({ type: 'OFFER', dst: '', payload: 'to nobody' });
    ann.say({ type: 'OFFER', dst: 'bob', payload: 'last' });
    await bob.until(2);
    return [ann, bob];
  },
  async 'what is missing is told'(port, mount) {
    const paths = [`${mount}peerjs`, `${mount}peerjs?key=peerjs`, `${mount}peerjs?key=peerjs&id=ann`, `${mount}peerjs?id=ann&token=t`, path(mount, '', 't'), path(mount, 'ann', '')];
    const all = paths.map((path) => new Client(port, path));
    for (const one of all) await one.until(2);
    return all;
  },
  async 'a wrong key is told'(port, mount) {
    const ann = new Client(port, path(mount, 'ann', 't', 'wrong'));
    await ann.until(2);
    return [ann];
  },
  async 'an id that is taken is told'(port, mount) {
    const ann = new Client(port, path(mount, 'ann', 't'));
    await ann.until(1);
    const eve = new Client(port, path(mount, 'ann', 'other'));
    await eve.until(2);
    ann.say({ type: 'OFFER', dst: 'ann', payload: 'still here' });
    await ann.until(2);
    return [ann, eve];
  },
  async 'the same id and token come again, and messages go to the new connection'(port, mount) {
    const [ann, bob] = [new Client(port, path(mount, 'ann', 't')), new Client(port, path(mount, 'bob', 't'))];
    await ann.until(1);
    await bob.until(1);
    const again = new Client(port, path(mount, 'ann', 't'));
    await again.opened;
    // What the new connection says is heard, and shows that it is in.
    again.say({ type: 'OFFER', dst: 'bob', payload: 'from the new one' });
    await bob.until(2);
    bob.say({ type: 'OFFER', dst: 'ann', payload: 'to the new one' });
    await again.until(1);
    ann.say({ type: 'OFFER', dst: 'bob', payload: 'from the old one' });
    await bob.until(3);
    ann.socket.close();
    await ann.until(2);
    bob.say({ type: 'OFFER', dst: 'ann', payload: 'still there' });
    await again.until(2);
    // The code of a close that the client itself began says nothing about the server.
    ann.heard.pop();
    return [ann, bob, again];
  },
  async 'an id is free when its client has gone'(port, mount) {
    const ann = new Client(port, path(mount, 'ann', 't'));
    await ann.until(1);
    ann.socket.close();
    await ann.until(2);
    let other;
    // The server may hear of it a little later than the client.
    for (let n = 0; n < 50; n++) {
      other = new Client(port, path(mount, 'ann', 'other'));
      if ((await other.until(1))[0].type === 'OPEN') break;
    }
    ann.heard.pop();
    return [ann, other];
  },
  async 'what comes for an absent one waits for it, in order'(port, mount) {
    const ann = new Client(port, path(mount, 'ann', 't'));
    await ann.until(1);
    ann.say({ type: 'OFFER', dst: 'bob', payload: 1 });
    ann.say({ type: 'CANDIDATE', dst: 'bob', payload: 2 });
    ann.say({ type: 'LEAVE', dst: 'bob' });
    ann.say({ type: 'ANSWER', dst: 'bob', payload: 3 });
    ann.say({ type: 'OFFER', dst: 'ann', payload: 'said' });
    await ann.until(2);
    const bob = new Client(port, path(mount, 'bob', 't'));
    await bob.until(4);
    return [ann, bob];
  },
  async 'what nobody comes for expires, once for each absent one'(port, mount) {
    const ann = new Client(port, path(mount, 'ann', 't'));
    await ann.until(1);
    for (const n of [1, 2, 3]) ann.say({ type: 'OFFER', dst: 'nobody', payload: n });
    ann.say({ type: 'OFFER', dst: 'no one', payload: 1 });
    await ann.until(3);
    ann.heard.sort((one, other) => String(one.src).localeCompare(String(other.src)));
    return [ann];
  },
  async 'who says LEAVE to nobody is gone for others, and may go on talking'(port, mount) {
    const [ann, bob] = [new Client(port, path(mount, 'ann', 't')), new Client(port, path(mount, 'bob', 't'))];
    await ann.until(1);
    await bob.until(1);
    ann.say({ type: 'LEAVE' });
    ann.say({ type: 'OFFER', dst: 'bob', payload: 'after' });
    await bob.until(2);
    const other = new Client(port, path(mount, 'ann', 'other'));
    await other.until(1);
    return [ann, bob, other];
  },
  async 'ids may have any letters'(port, mount) {
    const odd = encodeURIComponent('ä "b\\c" +&=');
    const ann = new Client(port, path(mount, odd, 't'));
    await ann.until(1);
    ann.say({ type: 'OFFER', dst: 'ä "b\\c" +&=', payload: 'to myself' });
    await ann.until(2);
    return [ann];
  },
};

for (const mount of ['/', '/peerjs/']) {
  describe(`beside PeerJS's own server, at ${mount}`, { concurrency: 1 }, () => {
    let theirs, mine;

    before(async () => {
      theirs = await original({ path: mount });
      mine = await ours([]);
    });
    after(async () => {
      theirs?.stop();
      await mine?.stop();
    });

    for (const [name, story] of Object.entries(STORIES)) {
      test(name, { timeout: 90_000 }, async () => {
        const run = async ({ port }) => {
          const clients = await story(port, mount);
          const heard = clients.map((client) => [...client.heard]);
          await Promise.all(clients.map(async (client) => {
            const closed = new Promise((resolve) => (client.socket.readyState === WebSocket.CLOSED ? resolve() : client.socket.on('close', resolve)));
            client.socket.close();
            await closed;
          }));
          return heard;
        };
        const [expected, got] = await Promise.all([run(theirs), run(mine)]);
        assert.deepEqual(got, expected);
      });
    }

    const plain = [
      [`${mount}peerjs/id`], [`${mount}peerjs/id?ts=1&version=1.5.5`], [`${mount}other/id`], [`${mount}peerjs/peers`], [`${mount}peerjs/nothing`],
      [`${mount}peerjs/id`, { method: 'POST' }], [`${mount}peerjs/id`, { method: 'HEAD' }],
      [`${mount}peerjs/id`, { method: 'OPTIONS', headers: { 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-mine' } }],
      ...(mount === '/' ? [] : [[mount], [mount.slice(0, -1)]]),
    ].filter(([path]) => !(mount === '/' && path.startsWith('/other')));
    for (const [path, options] of plain) {
      test(`${options?.method ?? 'GET'} ${path}`, async () => {
        const told = ({ status, headers, body }) => ({
          status,
          // The words of a 404 are the server's own affair, and so is an id.
          ...(status < 400 && { type: headers['content-type'] }),
          body: status === 404 ? '' : body.replace(/^[0-9a-f-]{36}$/, 'an id'),
          ...(status < 400 && { origin: headers['access-control-allow-origin'], methods: headers['access-control-allow-methods'], asked: headers['access-control-allow-headers'] }),
        });
        const normal = (answer) => ({ ...told(answer), body: answer.status === 200 && /json/.test(answer.headers['content-type']) && answer.body ? JSON.parse(answer.body) : told(answer).body });
        const [expected, got] = [await ask(theirs.port, path, options), await ask(mine.port, path, options)];
        assert.deepEqual(normal(got), normal(expected));
      });
    }
  });
}

describe('beside PeerJS\'s own server, with other settings', { concurrency: 1 }, () => {
  async function both(theirOptions, ourArguments, story) {
    const [theirs, mine] = [await original(theirOptions), await ours(ourArguments)];
    try {
      assert.deepEqual(await story(mine), await story(theirs));
    } finally {
      theirs.stop();
      await mine.stop();
    }
  }

  test('discovery lists all ids', async () => {
    await both({ allow_discovery: true }, ['--compat-peerjs-discovery'], async ({ port }) => {
      const [ann, bob] = [new Client(port, path('/', 'ann', 't')), new Client(port, path('/', 'bob', 't'))];
      await ann.until(1);
      await bob.until(1);
      const { status, body } = await ask(port, '/peerjs/peers');
      ann.socket.close();
      bob.socket.close();
      return { status, ids: JSON.parse(body).sort() };
    });
  });

  test('a key of one\'s own', async () => {
    await both({ key: 'mine' }, ['--compat-peerjs-key', 'mine'], async ({ port }) => {
      const [ann, eve] = [new Client(port, path('/', 'ann', 't', 'mine')), new Client(port, path('/', 'eve', 't'))];
      await ann.until(1);
      await eve.until(2);
      const { status } = await ask(port, '/mine/id');
      ann.socket.close();
      return { ann: ann.heard.slice(0, 1), eve: eve.heard, status };
    });
  });

  test('the most clients that may be there', async () => {
    await both({ concurrent_limit: 1 }, ['--limits-max-peers-total', '1'], async ({ port }) => {
      const ann = new Client(port, path('/', 'ann', 't'));
      await ann.until(1);
      const bob = new Client(port, path('/', 'bob', 't'));
      await bob.until(2);
      ann.socket.close();
      return [ann.heard.slice(0, 1), bob.heard];
    });
  });
});
