// A TCP proxy before the server, so that a scenario can cut the way to it. Browsers see the proxy's loopback address as the origin.
import net from 'node:net';

/** Listens on loopback and passes everything on to `target` (a URL). */
export async function openProxy(target) {
  const { hostname, port } = new URL(target);
  const pairs = new Set();
  let way = 'open';
  const listener = net.createServer({ allowHalfOpen: true }, (near) => {
    if (way === 'cut') return near.resetAndDestroy();
    const far = net.connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    const pair = { near, far };
    pairs.add(pair);
    const drop = () => { pairs.delete(pair); near.destroy(); far.destroy(); };
    for (const socket of [near, far]) socket.on('error', drop).on('close', drop).setNoDelay(true);
    if (way === 'silent') return void near.pause();
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${listener.address().port}`,
    /** Resets all connections and refuses new ones. */
    cut() { way = 'cut'; for (const { near, far } of pairs) { near.resetAndDestroy(); far.resetAndDestroy(); } },
    /** Lets connections stand, but nothing goes through them: as when a cable is pulled somewhere. */
    silence() { way = 'silent'; for (const { near, far } of pairs) { near.unpipe(far); far.unpipe(near); near.pause(); far.pause(); } },
    /** Lets everything through again; connections that stood in silence go on. */
    mend() {
      const were = way;
      way = 'open';
      if (were === 'silent') for (const { near, far } of pairs) { near.pipe(far); far.pipe(near); }
    },
    close() { this.cut(); listener.close(); },
  };
}
