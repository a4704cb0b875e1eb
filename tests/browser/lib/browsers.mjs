// One face for both drivers: Playwright for Chromium, Puppeteer (WebDriver BiDi) for Firefox.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium as playwright } from 'playwright-core';
import puppeteer from 'puppeteer-core';
import { atExit } from './cleanup.mjs';
import { here, out } from './out.mjs';
import { instrument } from './page-script.mjs';
import { movingPicture, sound } from './media.mjs';
import { PATIENCE, until } from './wait.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
const LAUNCH_TIMEOUT = 90_000 * PATIENCE;
const CLICK_TIMEOUT = 30_000 * PATIENCE;

const CHROMIUM_FLAGS = [
  '--no-sandbox', // runs as root in containers
  '--autoplay-policy=no-user-gesture-required',
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  '--auto-select-desktop-capture-source=Entire screen',
  '--mute-audio',
  '--lang=en-GB',
];

const FIREFOX_PREFS = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'media.peerconnection.ice.loopback': true,
  'media.autoplay.default': 0,
  'media.autoplay.blocking_policy': 0,
  'media.suspend-background-video.enabled': false,
  'media.gmp-manager.updateEnabled': false,
  'dom.min_background_timeout_value': 4,
  'dom.timeout.enable_budget_timer_throttling': false,
  'intl.accept_languages': 'en-GB, en',
  'app.update.disabledForTesting': true,
  'datareporting.policy.dataSubmissionEnabled': false,
};

const open = new Set();

/** Every page that is open now, for pictures when a scenario fails. */
export const openPages = () => [...open];

/**
 * Starts a browser; once more if it dies at once, which a loaded machine sees now and then.
 *
 * - `devices` (Chromium): `file` plays a moving picture and a melody that we make, `fake` the browser's own pattern and beep, `none` has none.
 * - `prompt` (Chromium): `grant` answers yes to every question about devices, `deny` answers no.
 * - `hue` colours the picture of `file`.
 * - `netns` (Chromium): the network namespace it lives in.
 * - `args` (Chromium), `prefs` (Firefox): more of its own settings.
 * - `ca` (Firefox): a file with the certificate of an authority that it trusts.
 */
export async function launch(kind, options = {}) {
  try {
    return await (kind === 'firefox' ? launchFirefox(options) : launchChromium(options));
  } catch (error) {
    console.error(`${kind} did not start, trying once more: ${String(error).split('\n')[0]}`);
    return kind === 'firefox' ? launchFirefox(options) : launchChromium(options);
  }
}

async function launchChromium({ devices = 'fake', prompt = 'grant', hue = 'red', netns, args = [] } = {}) {
  const flags = [...CHROMIUM_FLAGS, ...args];
  if (devices !== 'none') flags.push('--use-fake-device-for-media-stream');
  if (devices === 'file') flags.push(`--use-file-for-fake-video-capture=${movingPicture(hue)}`, `--use-file-for-fake-audio-capture=${sound()}`);
  if (prompt === 'grant') flags.push('--use-fake-ui-for-media-stream');
  const browser = await playwright.launch({
    executablePath: netns ? path.join(here, 'lib/chromium-in-netns.sh') : CHROMIUM,
    env: { ...process.env, PARLOUR_TEST_NETNS: netns ?? '', PARLOUR_TEST_CHROMIUM: CHROMIUM },
    headless: true,
    timeout: LAUNCH_TIMEOUT,
    args: flags,
  });
  return {
    kind: 'chromium',
    version: browser.version(),
    async newPage({ viewport = { width: 1280, height: 720 }, camera, relay, colorScheme = 'light' } = {}) {
      const context = await browser.newContext({ viewport, colorScheme, ignoreHTTPSErrors: true, locale: 'en-GB' });
      await context.addInitScript(instrument, { camera, relay });
      const page = await context.newPage();
      return register(new ChromiumPage(page, context));
    },
    close: () => browser.close(),
  };
}

/** A profile of Firefox that trusts the authority whose certificate is in the file `ca`: TURN by TLS has no page that could vouch for one. */
function trusting(ca) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'parlour-firefox-'));
  for (const args of [['-N', '--empty-password'], ['-A', '-n', 'parlour', '-t', 'C,,', '-i', ca]]) {
    execFileSync('certutil', ['-d', `sql:${profile}`, ...args]);
  }
  atExit(() => fs.rmSync(profile, { recursive: true, force: true }));
  return profile;
}

async function launchFirefox({ prefs = {}, ca } = {}) {
  const browser = await puppeteer.launch({
    browser: 'firefox', executablePath: FIREFOX, headless: true, timeout: LAUNCH_TIMEOUT, protocolTimeout: LAUNCH_TIMEOUT,
    acceptInsecureCerts: !ca, ...(ca && { userDataDir: trusting(ca) }), extraPrefsFirefox: { ...FIREFOX_PREFS, ...prefs },
  });
  return {
    kind: 'firefox',
    version: await browser.version(),
    async newPage({ viewport = { width: 1280, height: 720 }, camera, relay } = {}) {
      const context = await browser.createBrowserContext();
      const page = await context.newPage();
      await page.setViewport(viewport);
      await page.evaluateOnNewDocument(instrument, { camera, relay });
      return register(new FirefoxPage(page, context));
    },
    close: () => browser.close(),
  };
}

function register(page) {
  open.add(page);
  return page;
}

/** What both kinds of page have in common. `native` is the driver's own page. */
class Page {
  constructor(native, context) {
    this.native = native;
    this.context = context;
    this.console = [];
    native.on('console', (message) => this.console.push(`${message.type()}: ${message.text()}`));
    native.on('pageerror', (error) => this.console.push(`uncaught: ${error?.stack ?? error}`));
  }

  /** Errors that no script of the page caught. */
  get uncaught() { return this.console.filter((line) => line.startsWith('uncaught')); }

  async goto(url) { await this.native.goto(url, { waitUntil: 'load', timeout: 2 * CLICK_TIMEOUT }); }
  evaluate(fn, argument) { return this.native.evaluate(fn, argument); }

  /** Waits until `fn`, run in the page, gives something truthy, and gives that. */
  until(what, fn, argument, options) { return until(what, () => this.evaluate(fn, argument), options); }

  async screenshot(name) {
    const file = out('screenshots', `${name}.png`);
    await this.native.screenshot({ path: file });
    return file;
  }

  async close() {
    open.delete(this);
    await this.context.close();
  }
}

class ChromiumPage extends Page {
  kind = 'chromium';

  #find(role, name) { return this.native.getByRole(role, { name, exact: typeof name === 'string' }); }

  /** Clicks the control with this role and accessible name (a string is the whole name, else a pattern). */
  click(role, name) { return this.#find(role, name).first().click({ timeout: CLICK_TIMEOUT }); }
  fill(role, name, text) { return this.#find(role, name).first().fill(text, { timeout: CLICK_TIMEOUT }); }
  press(key) { return this.native.keyboard.press(key); }
  async shows(role, name) { return this.#find(role, name).first().isVisible(); }
  setViewport(size) { return this.native.setViewportSize(size); }
  colorScheme(scheme) { return this.native.emulateMedia({ colorScheme: scheme }); }
  async offline(on) { await this.context.setOffline(on); }
  async upload(selector, files) { await this.native.locator(selector).first().setInputFiles(files); }
}

/** Where controls of a role are found. */
const CONTROLS = {
  button: 'button:not([role]), [role=button]', menuitem: '[role=menuitem]', menuitemradio: '[role=menuitemradio]', switch: '[role=switch]',
  textbox: 'input:not([type]), input[type=text], input[type=password], textarea',
};

class FirefoxPage extends Page {
  kind = 'firefox';

  // Not by the driver's own search by role: it walks the page's whole accessibility tree and stops the page for seconds.
  async #find(role, name) {
    for (const handle of await this.native.$$(CONTROLS[role])) {
      const called = await handle.evaluate((node) => {
        const ids = node.getAttribute('aria-labelledby')?.split(/\s+/) ?? [];
        const texts = ids.length > 0 ? ids.map((id) => document.getElementById(id)?.textContent) : [node.ariaLabel ?? node.labels?.[0]?.textContent ?? node.textContent];
        return texts.join(' ').replace(/\s+/g, ' ').trim();
      });
      if ((typeof name === 'string' ? name === called : name.test(called)) && (await handle.isVisible())) return handle;
    }
    return null;
  }

  #wait(role, name) { return until(`there is a ${role} named ${name}`, () => this.#find(role, name)); }

  async click(role, name) { await (await this.#wait(role, name)).click(); }
  async fill(role, name, text) {
    const handle = await this.#wait(role, name);
    await handle.evaluate((node) => node.select?.());
    await handle.type(text);
  }
  press(key) { return this.native.keyboard.press(key); }
  async shows(role, name) { return (await this.#find(role, name)) !== null; }
  setViewport(size) { return this.native.setViewport(size); }
  async upload(selector, files) { const input = await this.native.$(selector); await input.uploadFile(...[files].flat()); }
}

/** Keeps pictures and messages of all open pages in out/failed/NAME. */
export async function keepEvidence(name) {
  let n = 0;
  for (const page of open) {
    const file = out('failed', name, `page-${++n}-${page.kind}.png`);
    await page.native.screenshot({ path: file }).catch(() => {});
    const state = await page.evaluate(async () => ({
      url: location.href, text: document.body?.innerText?.slice(0, 4000), media: await globalThis.probe?.media().catch(String),
      room: (() => { try { return JSON.parse(JSON.stringify(globalThis.parlour?.room?.getSnapshot?.() ?? null)); } catch (error) { return String(error); } })(),
    })).catch(String);
    fs.writeFileSync(file.replace(/png$/, 'txt'), `${JSON.stringify(state, null, 1)}\n\n${page.console.join('\n')}\n`);
  }
}
