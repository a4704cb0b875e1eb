// What people say, show and send beside picture and sound.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { after, before, describe } from 'node:test';
import { launch } from './lib/browsers.mjs';
import { join, leave, newRoom, scenario } from './lib/call.mjs';
import { out } from './lib/out.mjs';
import { startServer } from './lib/server.mjs';

const shown = (page, text) => page.until(`"${text}" is in the list of messages`, (text) => document.querySelector('[role="log"][aria-label="Messages"]')?.innerText.includes(text), text);

describe('chat', { concurrency: 1 }, () => {
  let server, chromium, firefox;

  before(async () => {
    server = await startServer();
    chromium = await launch('chromium');
    firefox = await launch('firefox');
  });
  after(async () => {
    await chromium?.close();
    await firefox?.close();
    await server?.stop();
  });

  async function write(page, text) {
    await page.fill('textbox', 'Write a message', text);
    await page.click('button', 'Send message');
  }

  scenario('who comes late reads what was said, in order, but not what was said in private', async () => {
    const room = newRoom('chat');
    const [ann, bob] = [await chromium.newPage(), await firefox.newPage()];
    await join(ann, server.http, room, 'Ann', '&cam=0&mic=0');
    const bobId = await join(bob, server.http, room, 'Bob', '&cam=0&mic=0');
    await ann.click('button', 'Chat');
    await bob.click('button', /^Chat/);
    await write(ann, 'Hello, Bob');
    await shown(bob, 'Hello, Bob');
    await write(bob, 'Hi! See https://example.org/<b>');
    await shown(ann, 'Hi! See https://example.org/<b>');
    assert.equal(await ann.evaluate(() => document.querySelectorAll('[role="log"][aria-label="Messages"] b').length), 0, 'what people write is never markup');
    await ann.evaluate((to) => parlour.room.send('only for you', { to }), bobId);
    await shown(bob, 'only for you');

    const cat = await chromium.newPage();
    await join(cat, server.http, room, 'Cat', '&cam=0&mic=0');
    assert.deepEqual(await cat.evaluate(() => parlour.room.getSnapshot().chat.map(({ name, text }) => `${name}: ${text}`)), ['Ann: Hello, Bob', 'Bob: Hi! See https://example.org/<b>']);
    await cat.click('button', /^Chat/);
    await shown(cat, 'Hello, Bob');
    for (const page of [cat, bob, ann]) await leave(page);
  });

  scenario('a room that keeps no chat shows nothing to who comes late', async () => {
    const room = newRoom('forgetful');
    const ann = await chromium.newPage();
    await join(ann, server.http, room, 'Ann', '&cam=0&mic=0');
    await ann.evaluate(() => parlour.room.send('before'));
    await ann.evaluate(() => parlour.room.settings({ chat_history: false }));
    await ann.evaluate(() => parlour.room.send('after'));
    const bob = await chromium.newPage();
    await join(bob, server.http, room, 'Bob', '&cam=0&mic=0');
    assert.deepEqual(await bob.evaluate(() => parlour.room.getSnapshot().chat), []);
    await leave(bob);
    await leave(ann);
  });

  scenario('hands come in the order in which they were raised, and reactions fly by', async () => {
    const room = newRoom('hands');
    const [ann, bob] = [await chromium.newPage(), await firefox.newPage()];
    await join(ann, server.http, room, 'Ann', '&cam=0&mic=0');
    await join(bob, server.http, room, 'Bob', '&cam=0&mic=0');
    await bob.click('button', 'Raise hand');
    await ann.until('Bob has raised a hand', () => [...parlour.room.peers.values()][0].getSnapshot().hand !== null);
    await ann.click('button', 'Raise hand');
    await ann.click('button', /^People/);
    await ann.until('Bob is before Ann', () => {
      const names = [...document.querySelectorAll('section[aria-label^="Raised hands"] li')].map((item) => item.innerText);
      return names.length === 2 && names[0].includes('Bob') && names[1].includes('Ann');
    });
    await bob.evaluate(() => { globalThis.seen = []; parlour.room.on('reaction', ({ emoji }) => seen.push(emoji)); });
    await ann.evaluate(() => parlour.room.react('🎉'));
    await bob.until('the reaction arrived', () => seen.includes('🎉'));
    await leave(bob);
    await leave(ann);
  });

  scenario('a file is offered, accepted and saved, whole', async () => {
    const room = newRoom('file');
    const [ann, bob] = [await chromium.newPage(), await firefox.newPage()];
    await join(ann, server.http, room, 'Ann', '&cam=0&mic=0');
    await join(bob, server.http, room, 'Bob', '&cam=0&mic=0');
    const bytes = Buffer.alloc(3 << 20, 'Parlour sends files. ');
    const file = out('media', 'letter.bin');
    fs.writeFileSync(file, bytes);
    await ann.click('button', 'Files');
    await ann.upload('input[type=file]', file);
    await bob.click('button', /^Files/);
    await bob.click('button', 'Accept letter.bin');
    await bob.until('the file is there', () => parlour.room.getSnapshot().files[0]?.state === 'done', undefined, { within: 60_000 });
    assert.ok(await bob.shows('button', 'Save letter.bin'));
    const hash = await bob.evaluate(async () => {
      const blob = await parlour.room.transfer(parlour.room.getSnapshot().files[0].id).done;
      return [...new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    });
    assert.equal(hash, createHash('sha256').update(bytes).digest('hex'));

    await bob.evaluate(() => { [...parlour.room.peers.values()][0].sendFile(new File(['no'], 'unwanted.txt')); });
    await ann.click('button', 'Decline unwanted.txt');
    await bob.until('Bob is told', () => parlour.room.getSnapshot().files.at(-1).error?.code === 'file_declined');
    await leave(bob);
    await leave(ann);
  });
});
