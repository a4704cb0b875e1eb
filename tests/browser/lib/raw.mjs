// A client without a browser, for what no library would send.
import WebSocket from 'ws';
import { soon, until } from './wait.mjs';

/** A WebSocket client that says whatever it likes. */
export class Raw {
  static async open(server, { origin = server.http, protocol = 'parlour.v1' } = {}) {
    const raw = new Raw();
    raw.socket = new WebSocket(`${server.http.replace('http', 'ws')}/v1/ws`, protocol, { headers: { origin } });
    raw.messages = [];
    raw.socket.on('message', (data) => raw.messages.push(JSON.parse(data)));
    raw.closed = new Promise((resolve) => raw.socket.on('close', (code, reason) => resolve({ code, reason: String(reason) })));
    await soon('the handshake', new Promise((resolve, reject) => {
      raw.socket.on('open', resolve);
      raw.socket.on('unexpected-response', (request, response) => reject(new Error(`HTTP ${response.statusCode}`)));
      raw.socket.on('error', reject);
    }));
    raw.socket.on('error', () => {});
    return raw;
  }

  send(message) { this.socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message)); return this; }
  hello(room, more = {}) { return this.send({ t: 'hello', v: 1, room, name: 'Mallory', ...more }); }
  message(what, test, within) { return until(what, () => this.messages.find(test), { within, every: 20 }); }
  welcome() { return this.message('welcome', ({ t }) => t === 'welcome'); }
  error(code) { return this.message(`error ${code}`, (message) => message.t === 'error' && message.code === code); }
  end(within) { return soon('the server to close the connection', this.closed, within); }
}
