// Somebody's own web app: pages and libraries of others, on an origin that is not the server's.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { atExit } from './cleanup.mjs';
import { here } from './out.mjs';

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8' };

/** What stands where: pages of ours, npm packages as they were published, and libraries of the SDK as they are built. */
const FOLDERS = { '/lib/': path.join(here, 'node_modules'), '/web/': path.join(here, '../../web'), '/': path.join(here, 'site') };

/** Serves `FOLDERS`. Gives its `origin`. */
export async function startSite() {
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://x');
    const [prefix, folder] = Object.entries(FOLDERS).find(([prefix]) => pathname.startsWith(prefix));
    const file = path.join(folder, pathname.slice(prefix.length));
    const bytes = file.startsWith(folder) && fs.existsSync(file) && fs.statSync(file).isFile() ? fs.readFileSync(file) : null;
    response.writeHead(bytes ? 200 : 404, { 'content-type': TYPES[path.extname(file)] ?? 'text/plain' });
    response.end(bytes ?? 'not found');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => { server.closeAllConnections(); server.close(); };
  const forget = atExit(close);
  return { origin: `http://127.0.0.1:${server.address().port}`, stop() { forget(); close(); } };
}
