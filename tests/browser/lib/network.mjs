// A small network of its own: a server's host between two homes, each in a network namespace. Paths are cut at the server's host, so nothing
// outside notices.
import { execFileSync } from 'node:child_process';
import { atExit } from './cleanup.mjs';

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
let made = 0;

/**
 *   ann (10.77.1.2) ── hub (10.77.1.1, 10.77.2.1) ── bob (10.77.2.2)
 *
 * The server runs in `hub`, which also forwards what Ann and Bob send to each other.
 */
export class Network {
  static open() { return new Network(); }

  #forget;

  constructor() {
    const prefix = `plr${process.pid}x${++made}`;
    this.hub = `${prefix}h`;
    this.homes = { ann: { netns: `${prefix}a`, ip: '10.77.1.2', server: '10.77.1.1' }, bob: { netns: `${prefix}b`, ip: '10.77.2.2', server: '10.77.2.1' } };
    this.#forget = atExit(() => this.#remove());
    ip('netns', 'add', this.hub);
    ip('-n', this.hub, 'link', 'set', 'lo', 'up');
    execFileSync('ip', ['netns', 'exec', this.hub, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1']);
    for (const [who, home] of Object.entries(this.homes)) {
      ip('netns', 'add', home.netns);
      ip('-n', home.netns, 'link', 'set', 'lo', 'up');
      ip('-n', this.hub, 'link', 'add', who, 'type', 'veth', 'peer', 'name', 'lan', 'netns', home.netns);
      ip('-n', this.hub, 'addr', 'add', `${home.server}/24`, 'dev', who);
      ip('-n', this.hub, 'link', 'set', who, 'up');
      ip('-n', home.netns, 'addr', 'add', `${home.ip}/24`, 'dev', 'lan');
      ip('-n', home.netns, 'link', 'set', 'lan', 'up');
      // Browsers gather candidates only where there is a way out.
      ip('-n', home.netns, 'route', 'add', 'default', 'via', home.server);
    }
    this.#nft('add table inet cut');
  }

  /** Cuts the way between the two homes; both still reach the server. */
  cutMedia() {
    this.#nft('add chain inet cut between { type filter hook forward priority 0; }', 'add rule inet cut between drop');
  }

  /** Cuts the way of both homes to the server; they still reach each other. */
  cutServer() {
    this.#nft('add chain inet cut server { type filter hook input priority 0; }', 'add rule inet cut server iifname "ann" drop', 'add rule inet cut server iifname "bob" drop');
  }

  /** Drops all UDP of both homes, to the server and to each other, as some offices and hotels do. */
  cutUdp() {
    this.#nft(
      'add chain inet cut noudp-in { type filter hook input priority 0; }', 'add rule inet cut noudp-in meta l4proto udp drop',
      'add chain inet cut noudp-forward { type filter hook forward priority 0; }', 'add rule inet cut noudp-forward meta l4proto udp drop',
    );
  }

  /** Lets both homes reach nothing but this TCP port of the server. */
  cutAllBut(port) {
    this.#nft(
      'add chain inet cut only-in { type filter hook input priority 0; }', `add rule inet cut only-in iifname { "ann", "bob" } tcp dport != ${port} drop`,
      'add rule inet cut only-in iifname { "ann", "bob" } meta l4proto != tcp drop',
      'add chain inet cut only-forward { type filter hook forward priority 0; }', 'add rule inet cut only-forward drop',
    );
  }

  /** Takes back every cut. */
  mend() {
    this.#nft('delete table inet cut', 'add table inet cut');
  }

  close() {
    this.#remove();
    this.#forget();
  }

  #nft(...rules) {
    execFileSync('ip', ['netns', 'exec', this.hub, 'nft', '-f', '-'], { input: `${rules.join('\n')}\n`, stdio: ['pipe', 'pipe', 'pipe'] });
  }

  #remove() {
    for (const netns of [this.homes.ann.netns, this.homes.bob.netns, this.hub]) {
      try { ip('netns', 'del', netns); } catch { /* it was never made */ }
    }
  }
}
