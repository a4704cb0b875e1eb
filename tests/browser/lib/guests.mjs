// What tests of other people's clients stand on.
import { after, before } from 'node:test';
import { launch } from './browsers.mjs';
import { startServer } from './server.mjs';
import { startSite } from './site.mjs';

/** Small enough for several calls at a time. */
export const SMALL = { width: 320, height: 180, frameRate: 15 };

/**
 * For the `describe` in which it is called: a `site` that is not the server's, a `server` (with `args`) that lets that site's pages in, `chromium`
 * and `firefox`. They are there once the tests run. `page(browser, path)` opens a page of the site.
 */
export function guests(args = []) {
  const all = {
    async page(browser, path) {
      const page = await browser.newPage({ camera: SMALL, viewport: { width: 640, height: 480 } });
      await page.goto(`${all.site.origin}/${path}`);
      return page;
    },
    /** Where PeerJS's clients find the server. */
    get address() {
      const { hostname, port } = new URL(all.server.http);
      return { host: hostname, port: Number(port) };
    },
  };
  before(async () => {
    all.site = await startSite();
    all.server = await startServer({ args: [...args, '--origins', all.site.origin] });
    all.chromium = await launch('chromium');
    all.firefox = await launch('firefox');
  });
  after(async () => {
    await all.chromium?.close();
    await all.firefox?.close();
    await all.server?.stop();
    all.site?.stop();
  });
  return all;
}
