import { describe, expect, it } from 'vitest';
import { bannerFor, mediaIsCut } from '../src/lib/reconnect.ts';

describe('the banner while the server is out of reach', () => {
  const cut = { state: 'reconnecting', since: 100_000, retryAt: 115_500 } as const;

  it('says nothing about a cut under two seconds', () => {
    expect(bannerFor(cut, 101_999)).toEqual({ kind: 'none' });
  });

  it('says that it reconnects from two seconds on', () => {
    expect(bannerFor(cut, 102_000)).toEqual({ kind: 'reconnecting' });
    expect(bannerFor(cut, 109_999)).toEqual({ kind: 'reconnecting' });
  });

  it('counts down to the next try from ten seconds on', () => {
    expect(bannerFor(cut, 110_000)).toEqual({ kind: 'offline', retryIn: 6 });
    expect(bannerFor(cut, 120_000)).toEqual({ kind: 'offline', retryIn: 0 });
    expect(bannerFor({ ...cut, state: 'offline', retryAt: null }, 110_000)).toEqual({ kind: 'offline', retryIn: null });
  });

  it('vanishes with the cut', () => {
    expect(bannerFor({ state: 'connected', since: 0, retryAt: null }, 120_000)).toEqual({ kind: 'none' });
  });
});

describe('a picture that stands still', () => {
  it('is dimmed once its connection has been broken for two seconds', () => {
    const peer = { connection: 'reconnecting', connectionSince: 1_000 } as const;
    expect(mediaIsCut(peer, 2_900)).toBe(false);
    expect(mediaIsCut(peer, 3_000)).toBe(true);
    expect(mediaIsCut({ ...peer, connection: 'connected' }, 9_000)).toBe(false);
  });
});
