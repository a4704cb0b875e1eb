// Every screen: axe finds nothing serious, in light and dark; nothing overflows on a phone or a large display.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe } from 'node:test';
import { launch } from './lib/browsers.mjs';
import { inRoom, join, joinLink, leave, newRoom, scenario } from './lib/call.mjs';
import { startServer } from './lib/server.mjs';
import { until } from './lib/wait.mjs';

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SIZES = { phone: { width: 360, height: 640 }, large: { width: 1920, height: 1080 } };

/** What axe calls serious or critical on the page as it is now. */
async function axe(page) {
  await page.native.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
    return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 5).map(({ target, failureSummary }) => `${target} (${failureSummary?.replace(/\s+/g, ' ')})`).join('; ')}`);
  });
  return found;
}

/** What does not fit: a page wider than the window, controls outside of it or over each other. */
const misplaced = (page) => page.evaluate(() => {
  const wrong = [];
  const { clientWidth: width } = document.documentElement;
  if (document.documentElement.scrollWidth > width) wrong.push(`the page is ${document.documentElement.scrollWidth} px wide in a window of ${width} px`);
  const scope = document.querySelector('dialog[open]') ?? document.body;
  const scrolled = (node) => { for (let up = node.parentElement; up && up !== document.body; up = up.parentElement) if (/auto|scroll|hidden|clip/.test(getComputedStyle(up).overflowX + getComputedStyle(up).overflowY)) return true; return false; };
  const boxes = [...scope.querySelectorAll('button, a[href], input, select, textarea')]
    .filter((node) => node.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !node.closest('[inert], [aria-hidden="true"], [popover]'))
    .map((node) => ({ node, box: node.getBoundingClientRect(), name: node.getAttribute('aria-label') ?? (node.textContent?.trim() || node.id || node.tagName) }))
    .filter(({ box }) => box.width > 1 && box.height > 1);
  for (const { node, box, name } of boxes) {
    if ((box.left < -1 || box.right > width + 1) && !scrolled(node)) wrong.push(`${name} is outside of the window`);
  }
  for (const [n, one] of boxes.entries()) {
    for (const other of boxes.slice(n + 1)) {
      if (one.node.contains(other.node) || other.node.contains(one.node) || one.node.labels?.[0]?.contains(other.node)) continue;
      const across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const down = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
      // What a panel or a dialog covers is meant to be covered: only what can be clicked at that point counts.
      const hit = (entry) => { const { left, top, width, height } = entry.box; const at = document.elementFromPoint(left + width / 2, top + height / 2); return at && (entry.node.contains(at) || at.contains(entry.node)); };
      if (across > 2 && down > 2 && hit(one) && hit(other)) wrong.push(`${one.name} lies over ${other.name}`);
    }
  }
  return wrong;
});

describe('screens', { concurrency: 1 }, () => {
  let server, chromium, guest, room;

  before(async () => {
    server = await startServer();
    chromium = await launch('chromium');
    room = newRoom('screens');
    // Somebody with a long name and an unbroken word, which is where layouts break.
    guest = await chromium.newPage();
    await join(guest, server.http, room, 'Wolfeschlegelsteinhausenbergerdorff the Elder');
  });
  after(async () => {
    await leave(guest);
    await chromium?.close();
    await server?.stop();
  });

  const inCall = async (page) => {
    await join(page, server.http, room, 'Ann');
    await page.until('the other is on the screen', () => [...document.querySelectorAll('[data-peer] video')].filter((video) => video.videoWidth > 0).length >= 2);
  };
  const press = (page, name) => page.click('button', name);
  /** On a phone some controls stand in the menu. */
  const panel = (name) => async (page, size) => {
    await inCall(page);
    if (size === 'phone' && name !== 'Chat') { await press(page, /^More options/); await page.click('menuitem', new RegExp(name)); } else await press(page, new RegExp(`^${name}`));
    await page.until(`${name} is open`, (name) => !!document.querySelector(`aside[aria-label="${name}"]`), name);
  };
  const dialog = (item) => async (page) => {
    await inCall(page);
    await press(page, /^More options/);
    await page.click('menuitem', item);
    await page.until('a dialog is open', () => !!document.querySelector('dialog[open]'));
  };

  const SCREENS = {
    home: async (page) => { await page.goto(server.http); await page.until('it is there', () => !!document.querySelector('h1')); },
    unknown: async (page) => { await page.goto(`${server.http}/no/such/page`); await page.until('it is there', () => !!document.querySelector('h1')); },
    prejoin: async (page) => {
      await page.goto(`${server.http}/r/${newRoom('prejoin')}`);
      await page.until('the preview runs', () => document.querySelector('video')?.videoWidth > 0);
    },
    alone: async (page) => { await join(page, server.http, newRoom('alone'), 'Ann'); },
    call: inCall,
    chat: async (page, size) => {
      await panel('Chat')(page, size);
      for (const text of ['Hello', 'https://example.org/a-very-long-link-without-any-break-that-has-to-wrap-somewhere-in-the-narrow-panel']) await page.evaluate((text) => parlour.room.send(text), text);
      await page.until('the messages are there', () => document.querySelectorAll('[role="log"][aria-label="Messages"] article').length >= 2);
    },
    people: panel('People'),
    files: panel('Files'),
    settings: dialog(/^Settings/),
    statistics: dialog(/^Connection details/),
    // A phone has no keyboard, so its menu does not offer them; a tablet with one has the key.
    shortcuts: async (page) => {
      await inCall(page);
      await page.press('?');
      await page.until('a dialog is open', () => !!document.querySelector('dialog[open]'));
    },
    refused: async (page) => { await page.goto(joinLink(server.http, 'not a room!', 'Ann')); await page.until('it says why', () => document.querySelector('h1')?.textContent.length > 5); },
    left: async (page) => { await join(page, server.http, newRoom('left'), 'Ann'); await press(page, 'Leave call'); await page.until('it says so', () => document.querySelector('h1')?.textContent === 'You left the call'); },
    check: async (page) => {
      await page.goto(`${server.http}/check`);
      await press(page, 'Start the check');
      await page.until('the check is done', () => !/Checking…/.test(document.body.innerText) && !!document.querySelector('main h2'), undefined, { within: 60_000 });
    },
  };

  for (const [name, open] of Object.entries(SCREENS)) {
    scenario(`screen "${name}": accessible in light and dark, and everything fits`, async () => {
      const problems = [];
      for (const [size, viewport] of Object.entries(SIZES)) {
        const page = await chromium.newPage({ viewport });
        await open(page, size);
        for (const scheme of ['light', 'dark']) {
          await page.colorScheme(scheme);
          // Colours may fade from one scheme to the other: wait for the end of it.
          await until('nothing moves', () => page.evaluate(() => document.getAnimations().every(({ playState, effect }) => playState !== 'running' || effect?.getTiming().iterations === Infinity)), { within: 10_000 });
          await page.screenshot(`${name}-${size}-${scheme}`);
          for (const found of await axe(page)) problems.push(`${size}, ${scheme}: ${found}`);
        }
        for (const found of await misplaced(page)) problems.push(`${size}: ${found}`);
        assert.deepEqual(page.uncaught, [], 'no script failed');
        if (await page.evaluate(() => !!globalThis.parlour?.room)) await leave(page); else await page.close();
      }
      assert.deepEqual(problems, []);
    });
  }

  scenario('in every language everything fits on a phone', async () => {
    const problems = [];
    for (const language of ['de', 'es', 'fr', 'pt-BR']) {
      const page = await chromium.newPage({ viewport: SIZES.phone });
      await page.goto(server.http);
      await page.evaluate((language) => localStorage.setItem('parlour.prefs', JSON.stringify({ language })), language);
      for (const [name, open] of Object.entries({ home: SCREENS.home, prejoin: SCREENS.prejoin, call: inCall })) {
        await open(page, 'phone');
        await page.until(`the page is in ${language}`, (language) => document.documentElement.lang === language, language);
        await page.screenshot(`${name}-${language}`);
        for (const found of await misplaced(page)) problems.push(`${name}, ${language}: ${found}`);
      }
      assert.deepEqual(page.uncaught, [], 'no script failed');
      await leave(page);
    }
    assert.deepEqual(problems, []);
  });

  scenario('the check says that calls work here', async () => {
    const page = await chromium.newPage();
    await SCREENS.check(page);
    assert.doesNotMatch(await page.evaluate(() => document.body.innerText), /Something stands in the way/);
    await page.close();
  });

  scenario('with the keyboard alone one creates a call and comes in', async () => {
    const page = await chromium.newPage();
    await page.goto(server.http);
    const to = async (name) => until(`the focus is on ${name}`, async () => {
      await page.press('Tab');
      return (await page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.labels?.[0]?.textContent ?? document.activeElement?.textContent))?.trim() === name;
    }, { every: 10 });
    await to('New call');
    await page.press('Enter');
    await page.until('the prejoin is there', () => document.querySelector('h1')?.textContent === 'Ready to join?');
    await to('Your name');
    await page.native.keyboard.type('Ann');
    await page.press('Enter');
    await inRoom(page);
    await page.until('the microphone is on', () => parlour.room.getSnapshot().you.mic);
    await page.evaluate(() => document.activeElement?.blur());
    await page.press('m');
    await page.until('M turned it off', () => !parlour.room.getSnapshot().you.mic);
    await leave(page);
  });
});
