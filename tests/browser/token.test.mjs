// Tokens: a signed link goes into the call; a forged one is refused with the reason, while a call beside it goes on.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { launch } from './lib/browsers.mjs';
import { inRoom, joinLink, leave, mediaFlows, newRoom, scenario } from './lib/call.mjs';
import { Raw } from './lib/raw.mjs';
import { startServer } from './lib/server.mjs';

const SECRET = 'a secret of more than thirty-two bytes';
const base64url = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;

/** A token as a server beside Parlour would sign it; `header` and `secret` to do it wrong. */
function token(claims, { header = {}, secret = SECRET } = {}) {
  const signed = `${base64url({ alg: 'HS256', typ: 'JWT', ...header })}.${base64url({ exp: inSeconds(600), ...claims })}`;
  return `${signed}.${secret === null ? '' : createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

describe('tokens', { concurrency: 1 }, () => {
  let server, chromium;
  before(async () => {
    server = await startServer({ args: ['--auth-mode', 'token', '--auth-jwt', `backend:HS256:${SECRET}`] });
    chromium = await launch('chromium');
  });
  after(async () => {
    await chromium?.close();
    await server?.stop();
  });

  scenario('a link with a token goes into the call, with the name and the role that were signed', async () => {
    const room = newRoom('signed');
    const page = await chromium.newPage();
    await page.goto(`${server.http}/r/${room}?token=${token({ room, name: 'Ann of the token', role: 'host' })}`);
    await page.fill('textbox', 'Your name', 'Mallory');
    await page.click('button', 'Join');
    await inRoom(page);
    const { name, role } = await page.evaluate(() => parlour.room.getSnapshot().you);
    assert.deepEqual({ name, role }, { name: 'Ann of the token', role: 'host' });
    assert.ok(!(await page.evaluate(() => location.href)).includes('token='), 'the token does not stay in the address, from where it would be copied as an invitation');
    assert.ok(!(await page.evaluate(() => parlour.room.link)).includes('token='));
    await leave(page);
  });

  scenario('forged tokens are refused with the reason, and the call beside goes on', async () => {
    const room = newRoom('forged');
    const [ann, bob] = [await chromium.newPage({ camera: { width: 320, height: 180, frameRate: 15 } }), await chromium.newPage({ camera: { width: 320, height: 180, frameRate: 15 } })];
    await ann.goto(joinLink(server.http, room, 'Ann', `&token=${token({ room, role: 'host' })}`));
    await bob.goto(joinLink(server.http, room, 'Bob', `&token=${token({ room })}`));
    await Promise.all([inRoom(ann), inRoom(bob)]);
    await Promise.all([mediaFlows(ann), mediaFlows(bob)]);
    const good = token({ room, role: 'host' });
    for (const [what, forged, reason] of [
      ['another key', token({ room, role: 'host' }, { secret: 'another secret of more than thirty-two bytes' }), /signature|signed/i],
      ['a changed claim under an old signature', [good.split('.')[0], base64url({ room, role: 'host', sub: 'x', exp: inSeconds(9999) }), good.split('.')[2]].join('.'), /signature|signed/i],
      ['ended', token({ room, exp: inSeconds(-60) }), /expired|ended/i],
      ['not begun', token({ room, nbf: inSeconds(600) }), /not .*yet|begin|valid/i],
      ['no algorithm', token({ room }, { header: { alg: 'none' }, secret: null }), /none|algorithm/i],
      ['another algorithm than the key has', token({ room }, { header: { alg: 'HS512' } }), /HS512|algorithm/i],
      ['an unknown claim', token({ room, admin: true }), /admin/],
      ['no end', token({ room, exp: undefined }), /exp/],
      ['another room', token({ room: 'elsewhere' }), /room/i],
      ['no token at all', 'nonsense', /token/i],
    ]) {
      const raw = await Raw.open(server);
      raw.hello(room, { token: forged });
      const error = await raw.error('bad_token').catch((late) => { throw new Error(`${what}: ${late.message}; got ${JSON.stringify(raw.messages)}`); });
      assert.ok(error.fatal, what);
      assert.match(error.message, reason, what);
      assert.deepEqual(await raw.end(), { code: 4000, reason: 'bad_token' }, what);
    }
    const raw = await Raw.open(server);
    raw.hello(room);
    await raw.error('token_required');
    await raw.end();
    await Promise.all([mediaFlows(ann), mediaFlows(bob)]);
    assert.deepEqual(await ann.evaluate(() => parlour.room.getSnapshot().peers.map(({ name }) => name)), ['Bob'], 'nobody came in');
    await leave(ann);
    await leave(bob);
  });

  scenario('who comes with a link that is no longer valid, or without one, is told what to do', async () => {
    const room = newRoom('told');
    const page = await chromium.newPage();
    for (const [query, title] of [
      [`&token=${token({ room, exp: inSeconds(-60) })}`, 'Your link is no longer valid'],
      ['', 'You need a personal link'],
    ]) {
      await page.goto(joinLink(server.http, room, 'Ann', query));
      await page.until(`it says: ${title}`, (title) => document.querySelector('h1')?.textContent === title, title);
    }
    await page.close();
  });
});
