// What scenarios do and look at in a call.
import { test } from 'node:test';
import { keepEvidence, openPages } from './browsers.mjs';
import { PATIENCE, until } from './wait.mjs';

/** A test that keeps pictures, messages and states of all open pages when it fails. */
export function scenario(name, body, { timeout = 180_000 } = {}) {
  test(name, { timeout: timeout * PATIENCE }, async (t) => {
    const before = new Set(openPages());
    try {
      await body(t);
    } catch (error) {
      await keepEvidence(name);
      // What a failed scenario leaves open would take the processor from the next one.
      for (const page of openPages()) if (!before.has(page)) await page.close().catch(() => {});
      throw error;
    }
  });
}

let rooms = 0;

/** A room that no other scenario uses. */
export const newRoom = (name = 'room') => `${name}-${process.pid}-${++rooms}`;

/** The link that joins at once. */
export function joinLink(base, room, name, more = '') {
  return `${base}/r/${room}?name=${encodeURIComponent(name)}&join${more}`;
}

/** Opens `page` in the room and waits until it is in. Gives the participant's id. */
export async function join(page, base, room, name, more = '') {
  await page.goto(joinLink(base, room, name, more));
  return inRoom(page);
}

/** Waits until `page` is in the room; gives the participant's id. */
export async function inRoom(page) {
  return page.until('the page has joined', () => globalThis.parlour?.room?.getSnapshot().status === 'joined' && parlour.room.you, undefined, { within: 45_000 });
}

/** Leaves in good order, so that others need not wait for a time-out, and closes the page. */
export async function leave(page) {
  await page.evaluate(() => globalThis.parlour?.room?.leave()).catch(() => {});
  await page.close();
}

/** The call as the page's library sees it. */
export const snapshot = (page) => page.evaluate(() => JSON.parse(JSON.stringify(parlour.room.getSnapshot())));

/** What the browser itself measures on each live connection. */
export const media = (page) => page.evaluate(() => probe.media());

/**
 * Waits until pictures are decoded and sound arrives on `connections` connections, and go on to be: both figures must grow twice.
 * Gives the last reading.
 */
export async function mediaFlows(page, connections = 1, { video = true, audio = true, within = 45_000 } = {}) {
  let base = null, grown = 0;
  return until(`${connections} connections bring ${video ? 'pictures' : ''} ${audio ? 'and sound' : ''}`, async () => {
    const now = await media(page);
    if (now.length !== connections || now.some((one) => one.state !== 'connected')) { base = null; grown = 0; throw new Error(short(now)); }
    if (base === null || base.length !== now.length) { base = now; throw new Error(short(now)); }
    const more = now.every((one, n) => (!video || one.frames >= base[n].frames + 3) && (!audio || one.energy > base[n].energy));
    if (more) { base = now; grown++; }
    if (grown >= 2) return now;
    throw new Error(short(now));
  }, { within, every: 250 });
}

const short = (all) => JSON.stringify(all.map(({ state, ice, frames, energy, audioBytes, local, remote }) => ({ state, ice, frames, energy, audioBytes, local, remote })));

/**
 * Watches, inside the page, that pictures keep coming: remembers the longest time without a new decoded one. Gives a function that ends the
 * watch and gives that time in milliseconds and how many pictures came.
 */
export async function watchPictures(page) {
  await page.evaluate(() => {
    const watch = { longest: 0, frames: 0, first: null, since: performance.now(), on: true };
    globalThis.pictureWatch = watch;
    (async () => {
      while (watch.on) {
        const frames = (await probe.media()).reduce((sum, one) => sum + one.frames, 0);
        const now = performance.now();
        watch.first ??= frames;
        if (watch.last !== undefined) watch.longest = Math.max(watch.longest, now - watch.since);
        if (frames !== watch.last) { watch.last = frames; watch.since = now; }
        watch.frames = frames - watch.first;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
  });
  return async () => page.evaluate(() => { pictureWatch.on = false; return { longest: Math.round(pictureWatch.longest), frames: pictureWatch.frames }; });
}

/** Whether the picture of the `<video>` in `peer`'s tile moves on the screen, and its average colour, as `{ red, green, blue }`. */
export async function pictureOf(page, peer) {
  const look = () => page.evaluate((id) => {
    const video = document.querySelector(`[data-peer="${id}"] video`);
    return video && video.videoWidth > 0 ? probe.picture(video) : null;
  }, peer);
  const first = await until('a picture is on the screen', look);
  await until('the picture moves', async () => {
    const now = await look();
    return now && now.reduce((sum, value, n) => sum + Math.abs(value - first[n]), 0) > 4000;
  });
  const mean = (offset) => first.filter((_, n) => n % 4 === offset).reduce((sum, value) => sum + value, 0) / (first.length / 4);
  return { red: mean(0), green: mean(1), blue: mean(2) };
}

/** Collects every chat text that the page is shown, in order, from now on. */
export async function collectChat(page) {
  await page.evaluate(() => { globalThis.heard = []; parlour.room.on('message', (message) => heard.push(message.text)); });
  return { heard: () => page.evaluate(() => heard) };
}

/** Says something in the chat; resolves when the server has it. */
export function say(page, text) {
  const said = page.evaluate((text) => parlour.room.send(text), text);
  // Some scenarios look at the outcome only later.
  said.catch(() => {});
  return said;
}
