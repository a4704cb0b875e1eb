import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Monitor, type Watched } from '../src/peer/monitor.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A connection on which sound arrives at 100 bytes a millisecond, or nothing at all. */
function watch({ arrives }: { arrives: boolean }) {
  let looks = 0;
  const pc = {
    connectionState: 'connected',
    async getStats() {
      looks += 1;
      const bytes = arrives ? Date.now() * 100 : 7;
      await new Promise((resolve) => setTimeout(resolve, 30));
      return new Map<string, object>([
        ['P', { id: 'P', type: 'candidate-pair', selected: true, bytesReceived: bytes }],
        ['I', { id: 'I', type: 'inbound-rtp', mid: '0', bytesReceived: bytes }],
      ]);
    },
  };
  const link = {
    pc, state: 'connected', steady: true, expecting: true, quality: { level: 'good', reason: 'none', score: 100 }, context: { people: 2, wanted: 'full', height: 720 },
    sourceOf: () => 'mic', sends: () => false,
  } as unknown as Watched;
  const stalled = vi.fn();
  const monitor = new Monitor(link, { stalled, judged: () => {}, encode: () => {}, log: () => {} });
  return { monitor, stalled, looks: () => looks };
}

test('whoever asks at the same moment as the poll gets its rates, not those of no time', async () => {
  const { monitor, stalled, looks } = watch({ arrives: true });
  await vi.advanceTimersByTimeAsync(4_000);
  const all = Promise.all([monitor.sample(), monitor.sample()]);
  await vi.advanceTimersByTimeAsync(100);
  for (const { incoming } of await all) expect(incoming[0]?.bitrate).toBeCloseTo(800_000, -5);
  expect(looks()).toBe(2);
  // Somebody looks each second: the polls between see that something arrives all the same.
  for (let second = 0; second < 20; second++) {
    void monitor.sample();
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(stalled).not.toHaveBeenCalled();
  monitor.close();
});

test('nothing arrives in two polls although it should: stalled', async () => {
  const { monitor, stalled } = watch({ arrives: false });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(stalled).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(stalled).toHaveBeenCalled();
  monitor.close();
});
