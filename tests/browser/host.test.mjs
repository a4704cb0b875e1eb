// What hosts may do, and what the others see of it.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { launch } from './lib/browsers.mjs';
import { inRoom, join, joinLink, leave, newRoom, scenario, snapshot } from './lib/call.mjs';
import { startServer } from './lib/server.mjs';

const heading = (page, text) => page.until(`the page says "${text}"`, (text) => document.querySelector('h1')?.textContent === text, text);

describe('hosts', { concurrency: 1 }, () => {
  let server, chromium;

  before(async () => {
    server = await startServer();
    chromium = await launch('chromium');
  });
  after(async () => {
    await chromium?.close();
    await server?.stop();
  });

  /** Ann, host by coming first, and Bob. */
  async function two(name, more = '&cam=0&mic=0') {
    const room = newRoom(name);
    const ann = await chromium.newPage();
    await join(ann, server.http, room, 'Ann', more);
    const bob = await chromium.newPage();
    const bobId = await join(bob, server.http, room, 'Bob', more);
    assert.equal((await snapshot(ann)).you.role, 'host');
    assert.notEqual((await snapshot(bob)).you.role, 'host');
    await ann.until('Ann sees Bob', (id) => parlour.room.peers.has(id), bobId);
    return { room, ann, bob, bobId };
  }

  scenario('a host removes somebody, who is told so and may not come back with the same session', async () => {
    const { ann, bob, bobId } = await two('kick');
    await ann.click('button', /^People/);
    // The one in the list of people: tiles show theirs only under the pointer.
    await ann.native.getByRole('complementary').getByRole('button', { name: 'Options for Bob' }).click();
    await ann.click('menuitem', 'Remove from the call');
    await heading(bob, 'You were removed from the call');
    await ann.until('Bob is gone', (id) => !parlour.room.peers.has(id), bobId);
    await leave(ann);
    await bob.close();
  });

  scenario('nobody new comes into a locked room, until it is unlocked', async () => {
    const { room, ann, bob } = await two('lock');
    await ann.click('button', /^People/);
    await ann.click('switch', 'Lock the room');
    await bob.until('Bob sees the lock', () => parlour.room.getSnapshot().room.locked);
    const cat = await chromium.newPage();
    await cat.goto(joinLink(server.http, room, 'Cat', '&cam=0&mic=0'));
    await heading(cat, 'The room is locked');
    await ann.click('switch', 'Lock the room');
    await ann.until('the room is open', () => !parlour.room.getSnapshot().room.locked);
    await cat.click('button', 'Try again');
    await inRoom(cat);
    for (const page of [cat, bob, ann]) await leave(page);
  });

  scenario('in the waiting room people wait until a host lets them in or turns them away', async () => {
    const { room, ann, bob } = await two('waiting');
    await ann.click('button', /^People/);
    await ann.click('switch', 'Waiting room');
    await bob.until('newcomers wait', () => parlour.room.getSnapshot().room.waiting_room);
    const cat = await chromium.newPage();
    await cat.goto(joinLink(server.http, room, 'Cat', '&cam=0&mic=0'));
    await heading(cat, 'A host will let you in soon');
    assert.deepEqual((await snapshot(cat)).peers, [], 'who waits sees nobody');
    assert.deepEqual((await snapshot(bob)).waiting, [], 'only hosts see who waits');
    await ann.click('button', 'Admit Cat');
    await inRoom(cat);
    await cat.until('Cat sees both', () => parlour.room.peers.size === 2);

    const dan = await chromium.newPage();
    await dan.goto(joinLink(server.http, room, 'Dan', '&cam=0&mic=0'));
    await heading(dan, 'A host will let you in soon');
    await ann.click('button', 'Turn Dan away');
    await heading(dan, 'You were not let in');
    for (const page of [cat, bob, ann]) await leave(page);
    await dan.close();
  });

  scenario('a host mutes everybody; the request is carried out, and each may speak again', async () => {
    const { ann, bob } = await two('mute-all', '');
    await ann.click('button', /^People/);
    await ann.click('button', 'Mute everybody');
    await bob.until('Bob is muted', () => !parlour.room.getSnapshot().you.mic);
    await ann.until('Ann sees it', () => ![...parlour.room.peers.values()][0].getSnapshot().mic);
    assert.ok((await snapshot(ann)).you.mic, 'the host still speaks');
    await bob.click('button', 'Turn microphone on');
    await ann.until('Bob speaks again', () => [...parlour.room.peers.values()][0].getSnapshot().mic);
    await leave(bob);
    await leave(ann);
  });

  scenario('a room asks for its password', async () => {
    const { room, ann, bob } = await two('password');
    await ann.click('button', /^People/);
    await ann.fill('textbox', 'Password for newcomers', 'otter');
    await ann.click('button', 'Set password');
    await bob.until('the room has a password', () => parlour.room.getSnapshot().room.password);
    const cat = await chromium.newPage();
    await cat.goto(joinLink(server.http, room, 'Cat', '&cam=0&mic=0'));
    await heading(cat, 'This room asks for a password');
    await cat.fill('textbox', 'Password', 'beaver');
    await cat.click('button', 'Join');
    await heading(cat, 'That password is wrong');
    await cat.fill('textbox', 'Password', 'otter');
    await cat.click('button', 'Join');
    await inRoom(cat);
    for (const page of [cat, bob, ann]) await leave(page);
  });

  scenario('a host makes another one, and ends the call for all', async () => {
    const { ann, bob, bobId } = await two('end');
    await assert.rejects(bob.evaluate(() => parlour.room.end()), /not_permitted|may not|host/i);
    await ann.evaluate((id) => parlour.room.role(id, 'host'), bobId);
    await bob.until('Bob is host', () => parlour.room.getSnapshot().you.role === 'host');
    await bob.click('button', /^People/);
    await bob.click('button', 'End call for everybody');
    await bob.click('button', 'End call');
    await heading(ann, 'The call has ended');
    await heading(bob, 'The call has ended');
    await ann.close();
    await bob.close();
  });

  scenario('a viewer publishes nothing', async () => {
    const { ann, bob, bobId } = await two('viewer');
    await ann.evaluate((id) => parlour.room.role(id, 'viewer'), bobId);
    await bob.until('Bob is a viewer', () => parlour.room.getSnapshot().you.role === 'viewer' && !parlour.room.getSnapshot().you.can.publish);
    assert.ok(await bob.evaluate(() => document.querySelector('button[aria-label="Turn microphone on"]').disabled));
    await leave(bob);
    await leave(ann);
  });
});
