// Socket.IO's own server and ours, side by side: the same requests and the same clients get the same answers. No browser is needed for that.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import ioBefore from 'socket.io-client-2';
import { WebSocket } from 'ws';
import { startServer } from './lib/server.mjs';
import { soon } from './lib/wait.mjs';

/** The relay of the tutorials on Socket.IO's own server. */
async function original() {
  const server = http.createServer();
  const sockets = new Server(server, { allowEIO3: true, maxHttpBufferSize: 65_536 });
  sockets.on('connection', (socket) => {
    socket.emit('me', socket.id);
    for (const name of ['offer', 'answer', 'ice-candidate', 'signal']) {
      socket.on(name, ({ to, ...rest }, done) => {
        sockets.to(to).emit(name, { from: socket.id, ...rest });
        done?.({ ok: true });
      });
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: server.address().port, stop: () => { sockets.close(); server.closeAllConnections(); } };
}

async function ours() {
  const server = await startServer();
  return { port: Number(new URL(server.http).port), stop: () => server.stop() };
}

/** Ids differ; what is compared are the packets around them. */
const withoutIds = (text) => text.replace(/[\w-]{20}/g, 'an id');

/** Sends a request; gives what a client can tell of the answer. */
function ask(port, path, { method = 'GET', body } = {}) {
  return soon(`${method} ${path}`, new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'text/plain;charset=UTF-8' };
    const request = http.request({ host: '127.0.0.1', port, path: `/socket.io/${path}`, method, headers }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        const { statusCode: status, headers } = response;
        resolve({ status, type: headers['content-type']?.toLowerCase(), ...(status === 200 && { cache: headers['cache-control'] }), body: Buffer.concat(chunks).toString() });
      });
    });
    request.on('error', reject);
    request.end(body);
  }));
}

/** A session in single requests. */
class Poller {
  static async open(port, revision = 4) {
    const poller = new Poller();
    const opened = await ask(port, `?EIO=${revision}&transport=polling`);
    Object.assign(poller, { port, revision, heard: [], sid: /"sid":"([\w-]+)"/.exec(opened.body)[1], opened });
    poller.#note(opened.body);
    return poller;
  }

  get path() { return `?EIO=${this.revision}&transport=polling&sid=${this.sid}`; }

  post(body) { return ask(this.port, this.path, { method: 'POST', body }); }

  async poll() {
    const answer = await ask(this.port, this.path);
    if (answer.status === 200) this.#note(answer.body);
    return answer;
  }

  #note(body) {
    if (this.revision === 4) return this.heard.push(...body.split('\x1e'));
    for (let rest = body; rest;) {
      const colon = rest.indexOf(':');
      const end = colon + 1 + Number(rest.slice(0, colon));
      this.heard.push(rest.slice(colon + 1, end));
      rest = rest.slice(end);
    }
  }

  /** Polls until it has heard `count` packets in all. */
  async until(count) {
    while (this.heard.length < count) assert.equal((await this.poll()).status, 200);
  }
}

/** A session on a WebSocket that remembers all that it hears. */
class Wire {
  constructor(port, query = '?EIO=4&transport=websocket') {
    this.heard = [];
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/${query}`);
    this.socket.on('message', (data) => this.#note(String(data)));
    this.socket.on('close', (code) => this.#note(`closed: ${code}`));
    this.socket.on('error', () => {});
    this.socket.on('unexpected-response', (_, response) => this.#note(`refused: ${response.statusCode}`));
  }

  #note(text) { this.heard.push(text); this.wake?.(); }

  say(text) { this.socket.send(text); }

  async until(count) {
    await soon(`${count} packets, beside ${JSON.stringify(this.heard)}`, (async () => {
      while (this.heard.length < count) await new Promise((resolve) => { this.wake = resolve; });
    })());
  }

  /** Enters; gives the id. */
  async enter() {
    await this.until(1);
    this.say('40');
    await this.until(3);
    return /\["me","([\w-]+)"\]/.exec(this.heard[2])[1];
  }
}

/** What happens, step by step; gives all that was heard and answered. The same for both servers. */
const STORIES = {
  async 'a client comes on a WebSocket, talks to itself'(port) {
    const ann = new Wire(port);
    const id = await ann.enter();
    ann.say(`42["offer",{"to":"${id}","offer":{"sdp":"v=0\\r\\n"},"list":[1,null,"ä😀"]}]`);
    await ann.until(4);
    ann.say(`4212["signal",{"to":"${id}"}]`);
    await ann.until(6);
    return [ann];
  },
  async 'other namespaces are refused'(port) {
    const ann = new Wire(port);
    await ann.enter();
    ann.say('40/admin,');
    ann.say('40/admin/more,{"token":1}');
    await ann.until(5);
    return [ann];
  },
  async 'who speaks before it has entered is closed'(port) {
    const ann = new Wire(port);
    await ann.until(1);
    ann.say('42["offer",{"to":"x"}]');
    await ann.until(2);
    return [ann];
  },
  async 'who asks in place of the server is closed'(port) {
    const ann = new Wire(port);
    await ann.until(1);
    ann.say('2');
    await ann.until(2);
    return [ann];
  },
  async 'the protocol before, on a WebSocket'(port) {
    const ann = new Wire(port, '?EIO=3&transport=websocket');
    await ann.until(3);
    const id = /\["me","([\w-]+)"\]/.exec(ann.heard[2])[1];
    assert.ok(ann.heard[0].includes(id), 'one id for both');
    ann.say('2');
    await ann.until(4);
    ann.say(`421["offer",{"to":"${id}","offer":1}]`);
    await ann.until(6);
    ann.say('40/admin,');
    await ann.until(7);
    return [ann];
  },
  async 'single requests'(port) {
    const ann = await Poller.open(port);
    const answers = [ann.opened, await ann.post('40')];
    await ann.until(3);
    const id = /\["me","([\w-]+)"\]/.exec(ann.heard[2])[1];
    answers.push(await ann.post(`42["offer",{"to":"${id}","n":1}]\x1e42["offer",{"to":"${id}","n":"ä😀"}]\x1e429["offer",{"to":"${id}"}]`));
    await ann.until(7);
    const waiting = ann.poll();
    answers.push(await ann.post(`42["answer",{"to":"${id}"}]`));
    await waiting;
    answers.push(await ann.post('1'), await ann.poll());
    return [ann, { heard: answers.map((answer) => ({ ...answer, body: withoutIds(answer.body) })) }];
  },
  async 'single requests of the protocol before'(port) {
    const ann = await Poller.open(port, 3);
    await ann.until(3);
    const id = /\["me","([\w-]+)"\]/.exec(ann.heard[2])[1];
    const packets = [`42["offer",{"to":"${id}","n":"ä😀"}]`, '2'];
    const answers = [await ann.post(packets.map((packet) => `${packet.length}:${packet}`).join(''))];
    await ann.until(5);
    ann.heard.splice(3, 2, ...ann.heard.slice(3).sort());
    return [ann, { heard: answers }];
  },
  async 'two polling requests at a time end the session'(port) {
    const ann = await Poller.open(port);
    await ann.post('40');
    await ann.until(3);
    const both = (await Promise.all([ann.poll(), ann.poll()])).map(({ status, body }) => ({ status, ...(status === 200 && { body }) }));
    const later = await ann.poll();
    return [{ heard: [...both.sort((one, other) => one.status - other.status), later] }];
  },
  async 'from requests to a WebSocket'(port) {
    const ann = await Poller.open(port);
    await ann.post('40');
    await ann.until(3);
    const id = /\["me","([\w-]+)"\]/.exec(ann.heard[2])[1];
    const waiting = ann.poll();
    const wire = new Wire(port, `?EIO=4&transport=websocket&sid=${ann.sid}`);
    await soon('the WebSocket', new Promise((resolve) => wire.socket.on('open', resolve)));
    wire.say('2probe');
    await wire.until(1);
    await waiting;
    wire.say('5');
    wire.say(`42["offer",{"to":"${id}"}]`);
    await wire.until(2);
    const late = await ann.poll();
    return [ann, wire, { heard: [late] }];
  },
  async 'a WebSocket that does not change over is closed, and the session goes on'(port) {
    const ann = await Poller.open(port);
    await ann.post('40');
    await ann.until(3);
    const wire = new Wire(port, `?EIO=4&transport=websocket&sid=${ann.sid}`);
    await soon('the WebSocket', new Promise((resolve) => wire.socket.on('open', resolve)));
    wire.say('42["offer",{"to":"x"}]');
    await wire.until(1);
    const id = /\["me","([\w-]+)"\]/.exec(ann.heard[2])[1];
    await ann.post(`42["offer",{"to":"${id}"}]`);
    await ann.until(4);
    return [ann, wire];
  },
  async 'a WebSocket for no session is refused'(port) {
    const ann = new Wire(port, '?EIO=4&transport=websocket&sid=aaaaaaaaaaaaaaaaaaaa');
    await ann.until(1);
    return [ann];
  },
};

describe('beside Socket.IO\'s own server', { concurrency: 1 }, () => {
  let theirs, mine;

  before(async () => {
    theirs = await original();
    mine = await ours();
  });
  after(async () => {
    theirs?.stop();
    await mine?.stop();
  });

  for (const [name, story] of Object.entries(STORIES)) {
    test(name, { timeout: 90_000 }, async () => {
      const run = async ({ port }) => {
        const all = await story(port);
        const heard = all.map((one) => one.heard.map((text) => (typeof text === 'string' ? withoutIds(text) : text)));
        for (const one of all) one.socket?.terminate();
        return heard;
      };
      const [expected, got] = await Promise.all([run(theirs), run(mine)]);
      assert.deepEqual(got, expected);
    });
  }

  for (const [path, options] of [
    ['?EIO=4&transport=polling'], ['?EIO=3&transport=polling'], ['?EIO=4'], ['?EIO=4&transport=pigeon'], ['?EIO=4&transport=websocket'],
    ['?EIO=4&transport=polling', { method: 'POST', body: '40' }], ['?EIO=4&transport=polling&sid=nobody'], ['?EIO=4&transport=polling&sid=nobody', { method: 'POST', body: '40' }],
  ]) {
    test(`${options?.method ?? 'GET'} ${path}`, async () => {
      const told = async ({ port }) => {
        const { body, ...rest } = await ask(port, path, options);
        // In the protocol before, the body may tell at once that the client is in.
        const [first] = withoutIds(body).split(/(?<=\}|")2:40/);
        return { ...rest, body: rest.status === 200 ? first.replace(/^\d+:/, '') : JSON.parse(body) };
      };
      assert.deepEqual(await told(mine), await told(theirs));
    });
  }

  const clients = {
    'today\'s client, as it comes': (url) => io(url, { forceNew: true }),
    'today\'s client by WebSocket': (url) => io(url, { forceNew: true, transports: ['websocket'] }),
    'today\'s client by requests': (url) => io(url, { forceNew: true, transports: ['polling'] }),
    'the client of two versions before, as it comes': (url) => ioBefore(url, { forceNew: true }),
    'the client of two versions before by WebSocket': (url) => ioBefore(url, { forceNew: true, transports: ['websocket'] }),
    'the client of two versions before by requests': (url) => ioBefore(url, { forceNew: true, transports: ['polling'] }),
  };
  for (const [name, connect] of Object.entries(clients)) {
    test(name, { timeout: 90_000 }, async () => {
      const run = async ({ port }) => {
        const log = [];
        const [ann, bob] = [connect(`http://127.0.0.1:${port}`), connect(`http://127.0.0.1:${port}`)];
        const event = (socket, name) => soon(name, new Promise((resolve) => socket.once(name, (...values) => resolve(values))));
        const ids = await Promise.all([event(ann, 'me'), event(bob, 'me')]);
        log.push(ids[0][0] === ann.id, ids[1][0] === bob.id);
        // Before, between and after a change of what carries the session, in order.
        const heard = [];
        const all = new Promise((resolve) => bob.on('ice-candidate', ({ from, candidate }) => {
          heard.push([from === ann.id, candidate]);
          if (candidate === 39) resolve();
        }));
        for (let n = 0; n < 40; n++) {
          ann.emit('ice-candidate', { to: bob.id, candidate: n });
          if (n % 4 === 0) log.push(await soon('an acknowledgement', new Promise((resolve) => ann.emit('signal', { to: bob.id }, resolve))));
        }
        const answered = event(ann, 'answer');
        bob.emit('answer', { to: ann.id, answer: { type: 'answer', sdp: 'v=0 '.repeat(5_000) } });
        const [{ from, answer }] = await answered;
        await soon('all candidates', all);
        log.push(from === bob.id, answer.sdp.length, heard.join(' '));
        const transport = () => ann.io.engine.transport.name;
        if (name.endsWith('as it comes')) await soon('the WebSocket', (async () => { while (transport() !== 'websocket') await new Promise((resolve) => setImmediate(resolve)); })());
        log.push(transport());
        const left = event(ann, 'disconnect');
        ann.disconnect();
        log.push(await left);
        bob.disconnect();
        return log;
      };
      const [expected, got] = await Promise.all([run(theirs), run(mine)]);
      assert.deepEqual(got, expected);
    });
  }
});
