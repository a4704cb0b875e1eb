import { describe, expect, test } from 'vitest';
import { adapt, encodingFor, INITIAL, LADDER, screenEncoding, type AdaptContext, type AdaptSample, type AdaptState } from '../src/media/adapt.ts';

const TWO: AdaptContext = { people: 2, wanted: 'full', height: 720 };
const GOOD = { loss: 0, available: 5_000_000, limited: 'none' };

/** Polls every 2 s with what `measure` gives, and tells the rung after each. */
function run(seconds: number, measure: (at: number, state: AdaptState) => Partial<AdaptSample>, context = TWO, from = INITIAL): { rungs: string[]; state: AdaptState } {
  let state = from;
  const rungs: string[] = [];
  const start = from.started === null ? 0 : 1_000_000;
  for (let at = start; at < start + seconds * 1_000; at += 2_000) {
    state = adapt({ at, ...GOOD, ...measure(at - start, state) }, state, context).state;
    rungs.push(LADDER[state.rung]!.name);
  }
  return { rungs, state };
}

describe('the ladder', () => {
  test('starts at the top and stays there while all is well', () => {
    expect(new Set(run(120, () => ({})).rungs)).toEqual(new Set(['720p']));
  });

  test('more than 8 % loss in two polls: a step down', () => {
    const { rungs } = run(10, (at) => ({ loss: at >= 2_000 ? 0.3 : 0 }));
    expect(rungs.slice(0, 3)).toEqual(['720p', '720p', '540p']);
  });

  test('a single bad poll changes nothing', () => {
    expect(new Set(run(60, (at) => ({ loss: at === 20_000 ? 0.15 : 0, available: at === 30_000 ? 100_000 : 5_000_000 })).rungs)).toEqual(new Set(['720p']));
  });

  test('a narrow path: at once to what fits; the estimate of the first 8 s is not believed', () => {
    const { rungs } = run(20, () => ({ available: 500_000 }));
    expect(rungs.slice(0, 4)).toEqual(['720p', '720p', '720p', '720p']);
    expect(rungs.at(-1)).toBe('360p');
  });

  test('a computer too slow for 4 s: a step down', () => {
    const { rungs } = run(8, () => ({ limited: 'cpu' }));
    expect(rungs).toEqual(['720p', '720p', '540p', '540p']);
  });

  test('among four, a computer too slow is believed at once', () => {
    const { rungs } = run(10, (at) => ({ limited: at < 4_000 ? 'none' : 'cpu' }), { ...TWO, people: 4 });
    expect(rungs).toEqual(['720p', '720p', '360p', '180p', '180p']);
  });

  test('among four, far too few pictures mean a starved computer; half of them do not, nor do they in a call of two', () => {
    expect(run(12, () => ({ fps: 5 }), { ...TWO, people: 4 }).rungs).toEqual(['720p', '720p', '360p', '360p', '180p', '180p']);
    expect(run(60, () => ({ fps: 5 }), { ...TWO, people: 4 }).rungs).not.toContain('sound only');
    expect(new Set(run(60, () => ({ fps: 12 }), { ...TWO, people: 4 }).rungs)).toEqual(new Set(['720p']));
    expect(new Set(run(60, () => ({ fps: 5 })).rungs)).toEqual(new Set(['720p']));
  });

  test('a computer too slow never costs the picture itself, and gets it back when it has time', () => {
    const { rungs, state } = run(60, () => ({ limited: 'cpu' }), { ...TWO, people: 6 });
    expect(rungs).not.toContain('sound only');
    expect(run(40, () => ({}), { ...TWO, people: 6 }, state).rungs.at(-1)).toBe('360p');
  });

  test('the picture is given up only where sound would have no room, and comes back', () => {
    const { rungs, state } = run(40, () => ({ available: 60_000 }));
    expect(rungs.at(-1)).toBe('sound only');
    expect(encodingFor(state, TWO).active).toBe(false);
    expect(run(30, () => ({}), TWO, state).rungs).toContain('180p');
    expect(run(60, () => ({ available: 150_000 })).rungs).not.toContain('sound only');
  });

  test('10 s without trouble: a step up, and so to the top', () => {
    const { state } = run(20, () => ({ available: 500_000 }));
    const { rungs } = run(60, () => ({}), TWO, { ...state, goodSince: null });
    expect(rungs.indexOf('540p')).toBe(5);
    expect(rungs.at(-1)).toBe('720p');
  });

  test('a step up that was a mistake makes the next one wait longer, so that the picture does not swing', () => {
    // The path carries 700 kbit/s; what is sent above is lost.
    const { rungs } = run(400, (_, state) => ({ available: null, loss: encodingFor(state, TWO).maxBitrate > 700_000 ? 0.25 : 0 }));
    const ups = rungs.flatMap((rung, index) => (rung === '540p' && rungs[index - 1] === '360p' ? [index * 2] : []));
    const waits = ups.slice(1).map((at, index) => at - ups[index]!);
    expect(waits.length).toBeGreaterThan(2);
    expect(waits.at(-1)).toBeGreaterThan(2 * waits[0]!);
  });
});

describe('the encoding', () => {
  test('all cameras together stay within 4 Mbit/s; among four nobody sends more than 540p, above four not more than 360p', () => {
    for (let people = 2; people <= 12; people++) expect(encodingFor(INITIAL, { ...TWO, people }).maxBitrate * (people - 1)).toBeLessThanOrEqual(people < 11 ? 4_000_000 : 4_000_001);
    expect(encodingFor(INITIAL, { ...TWO, people: 3 })).toMatchObject({ maxBitrate: 1_500_000, scaleResolutionDownBy: 1 });
    expect(encodingFor(INITIAL, { ...TWO, people: 4 })).toMatchObject({ maxBitrate: 800_000, maxFramerate: 25, scaleResolutionDownBy: 720 / 540 });
    expect(encodingFor(INITIAL, { ...TWO, people: 6 })).toMatchObject({ maxBitrate: 450_000, scaleResolutionDownBy: 2 });
  });

  test('a small tile gets 180p, a hidden one nothing', () => {
    expect(encodingFor(INITIAL, { ...TWO, wanted: 'small' })).toMatchObject({ active: true, maxBitrate: 150_000, scaleResolutionDownBy: 4 });
    expect(encodingFor(INITIAL, { ...TWO, wanted: 'none' }).active).toBe(false);
  });

  test('pictures are never made larger than the camera gives', () => {
    expect(encodingFor(INITIAL, { ...TWO, height: 480 }).scaleResolutionDownBy).toBe(1);
  });

  test('a screen: text at 15 pictures a second, motion at 30, less for many', () => {
    expect(screenEncoding(2, false)).toMatchObject({ maxBitrate: 2_500_000, maxFramerate: 15 });
    expect(screenEncoding(2, true).maxFramerate).toBe(30);
    expect(screenEncoding(6, false).maxBitrate).toBe(1_200_000);
  });
});
