import { describe, expect, it } from 'vitest';
import { judgePaths } from '../src/check/network.ts';
import { type Finding, verdict } from '../src/check/types.ts';
import { inviteLinks } from '../src/lib/inviteLinks.ts';
import { fitPicture, pause } from '../src/lib/recorder.ts';
import { readServerInfo, secureUrl } from '../src/lib/serverInfo.ts';

const finding = (status: Finding['status']): Finding => ({ status, detail: 'x', facts: {} });
const path = (type: string) => ({ type, protocol: 'UDP', address: '192.0.2.1:1' });

describe('the verdict on this computer', () => {
  it('is good when all that was checked works', () => {
    expect(verdict({ browser: finding('ok'), call: finding('ok') })).toBe('good');
  });
  it('is bad when no call is possible', () => {
    for (const subject of ['browser', 'server', 'network', 'call'] as const) expect(verdict({ [subject]: finding('fail') })).toBe('bad');
  });
  it('is limited when a device is missing, because one can still watch', () => {
    expect(verdict({ browser: finding('ok'), camera: finding('fail') })).toBe('limited');
    expect(verdict({ speed: finding('warn') })).toBe('limited');
  });
});

describe('network paths', () => {
  it('are judged by how far they lead', () => {
    expect(judgePaths([]).status).toBe('fail');
    expect(judgePaths([path('host')]).detail).toBe('local');
    expect(judgePaths([path('host'), path('srflx')]).detail).toBe('direct');
    expect(judgePaths([path('host'), path('relay')])).toMatchObject({ status: 'ok', facts: { n: 2 } });
  });
});

describe('what the server tells about itself', () => {
  const info = readServerInfo({ https: 'https://10.0.0.2:8443', auth: 'password', p2p_max: 4, lan: ['https://10.0.0.2:8443', 7] });

  it('is read with defaults for what is missing', () => {
    expect(info).toMatchObject({ auth: 'password', p2pMax: 4, lan: ['https://10.0.0.2:8443'] });
    expect(readServerInfo(null)).toMatchObject({ https: null, auth: 'open', p2pMax: 6, lan: [] });
  });

  it('gives the secure address of this very page', () => {
    expect(secureUrl(info, { hostname: '192.0.2.9', pathname: '/r/a', search: '?name=B' })).toBe('https://192.0.2.9:8443/r/a?name=B');
    expect(secureUrl(readServerInfo({}), { hostname: 'x', pathname: '/', search: '' })).toBeNull();
  });

  it('makes a link that others can open', () => {
    expect(inviteLinks(new URL('http://localhost:8080/r/a'), info, null)).toEqual({ link: 'https://10.0.0.2:8443/r/a', local: false });
    expect(inviteLinks(new URL('http://localhost:8080/r/a'), null, null)).toEqual({ link: 'http://localhost:8080/r/a', local: true });
    expect(inviteLinks(new URL('http://192.0.2.9:8080/r/a'), info, 'https://192.0.2.9:8443/x').link).toBe('https://192.0.2.9:8443/r/a');
    expect(inviteLinks(new URL('https://meet.example/r/a'), info, null).link).toBe('https://meet.example/r/a');
  });
});

describe('a picture in a recording', () => {
  const place = { x: 10, y: 20, width: 160, height: 90 };
  it('fills its place, cut at the sides', () => {
    expect(fitPicture(400, 300, place, false)).toEqual({ sx: 0, sy: 37.5, sw: 400, sh: 225, x: 10, y: 20, w: 160, h: 90 });
  });
  it('is shown whole when it is a screen', () => {
    expect(fitPicture(400, 300, place, true)).toEqual({ sx: 0, sy: 0, sw: 400, sh: 300, x: 30, y: 20, w: 120, h: 90 });
  });
  it('leaves the page at least half of its time, however slow the computer draws', () => {
    expect([0, 10, 20, 35, 200].map(pause)).toEqual([40, 30, 20, 35, 200]);
  });
});
