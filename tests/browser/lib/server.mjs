// The real binary, as a person starts it.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { atExit } from './cleanup.mjs';
import { here, out } from './out.mjs';
import { soon } from './wait.mjs';

const BINARY = process.env.TEST_PARLOUR_BIN ?? path.join(here, '../../target/debug/parlour');
let started = 0;

/**
 * Starts a server on free ports with a data directory of its own.
 * `args` are more flags; `netns` runs it in that network namespace, where it listens on all addresses and on the usual ports.
 */
export async function startServer({ args = [], netns, name = 'server' } = {}) {
  if (!fs.existsSync(BINARY)) throw new Error(`${BINARY} is not there: build it with \`cargo build\`, or set TEST_PARLOUR_BIN.`);
  const data = fs.mkdtempSync(path.join(os.tmpdir(), 'parlour-test-'));
  const server = new Server(data, args, netns, out('logs', `${path.basename(process.argv[1] ?? 'x', '.test.mjs')}-${name}-${++started}.log`));
  await server.start(netns ? ['--listen', '0.0.0.0:8443', '--http', '0.0.0.0:8080', '--turn', '0.0.0.0:3478'] : ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', '--turn', '127.0.0.1:0']);
  return server;
}

class Server {
  #args; #netns; #child; #exited; #forget; #addresses;

  constructor(data, args, netns, log) {
    Object.assign(this, { data, log });
    this.#args = args;
    this.#netns = netns;
    fs.writeFileSync(log, '');
  }

  /** The process's id. */
  get pid() { return this.#child.pid; }

  async start(addresses) {
    const line = [BINARY, 'serve', '--json', '--data', this.data, ...addresses, ...this.#args];
    if (this.#netns) line.unshift('ip', 'netns', 'exec', this.#netns);
    // `ip netns exec` replaces itself by the command, so signals reach the server.
    const child = spawn(line[0], line.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    this.#forget = atExit(() => { child.kill('SIGKILL'); fs.rmSync(this.data, { recursive: true, force: true }); });
    this.#exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
    child.once('error', () => {});
    const log = fs.createWriteStream(this.log, { flags: 'a' });
    child.stderr.pipe(log, { end: false });
    const ready = new Promise((resolve, reject) => {
      readline.createInterface({ input: child.stdout }).on('line', (text) => {
        log.write(`${text}\n`);
        let event;
        try { event = JSON.parse(text); } catch { return; }
        if (event.event === 'ready') resolve(event);
      });
      this.#exited.then(({ code, signal }) => reject(new Error(`the server ended (${signal ?? code}) before it was ready:\n${this.tail()}`)));
    });
    Object.assign(this, await soon('the start of the server', ready));
    const port = (url) => new URL(url).port;
    const host = addresses[1].split(':')[0];
    // After a restart the same ports: pages have them in their address.
    this.#addresses = ['--listen', `${host}:${port(this.https)}`, '--http', `${host}:${port(this.http)}`, '--turn', this.turn?.replace('127.0.0.1', host) ?? 'off'];
  }

  /** Ends it with `signal`, and waits until it has. */
  async kill(signal = 'SIGTERM') {
    this.#child.kill(signal);
    return soon('the end of the server', this.#exited);
  }

  /** Starts it again with the same data and the same ports. */
  async startAgain() {
    this.#forget();
    await this.start(this.#addresses);
  }

  /** Ends it for good. */
  async stop() {
    this.#child.kill('SIGKILL');
    await this.#exited;
    this.#forget();
    fs.rmSync(this.data, { recursive: true, force: true });
  }

  /** Whether it runs. */
  get alive() { return this.#child.exitCode === null && this.#child.signalCode === null; }

  /** The last lines of its log. */
  tail(lines = 30) {
    return fs.readFileSync(this.log, 'utf8').split('\n').slice(-lines).join('\n');
  }
}
