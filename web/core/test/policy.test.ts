import { describe, expect, test } from 'vitest';
import { initialPolicy, reconnectPolicy, type PolicyAction, type PolicyEvent, type PolicyState } from '../src/peer/policy.ts';

/** Plays events at their times and ticks when the policy wants to; returns what it did and when. */
function play(script: [at: number, event: PolicyEvent][], until: number, options: { polite?: boolean; connected?: (at: number) => boolean } = {}): [number, PolicyAction][] {
  let state: PolicyState = initialPolicy(options.polite ?? false, true, 0);
  let wake: number | null = 0;
  const done: [number, PolicyAction][] = [];
  const events = [...script];
  const step = (now: number, event: PolicyEvent) => {
    const result = reconnectPolicy(state, event, now);
    state = result.state;
    wake = result.wake;
    done.push(...result.actions.map((action): [number, PolicyAction] => [now, action]));
  };
  for (let rounds = 0; rounds < 1_000; rounds++) {
    const next = events[0]?.[0] ?? Infinity;
    const tickAt = wake ?? Infinity;
    if (Math.min(next, tickAt) > until) return done;
    if (next <= tickAt) step(next, events.shift()![1]);
    else step(tickAt, { type: 'tick', connected: options.connected?.(tickAt) ?? false });
  }
  throw new Error('the policy never rests');
}

const connected: [number, PolicyEvent] = [100, { type: 'connected' }];

describe('the reconnect policy', () => {
  test('leaves a connection alone that works, and one that heals within 2.5 s', () => {
    expect(play([connected], 1e9)).toEqual([]);
    expect(play([connected, [1_000, { type: 'disconnected' }], [3_400, { type: 'connected' }]], 1e9)).toEqual([]);
  });

  test('restarts ICE after 2.5 s of `disconnected`; the polite side waits a second longer', () => {
    const cut: [number, PolicyEvent][] = [connected, [1_000, { type: 'disconnected' }]];
    expect(play(cut, 5_000)).toEqual([[3_500, 'restart']]);
    expect(play(cut, 5_000, { polite: true })).toEqual([[4_500, 'restart']]);
  });

  test.each<PolicyEvent['type']>(['failed', 'disturbed', 'asked'])('restarts ICE at once: %s', (type) => {
    expect(play([connected, [1_000, { type } as PolicyEvent]], 1_500)).toEqual([[1_000, 'restart']]);
  });

  test('without an answer in 5 s doubts the connection to the server, and after 10 s makes a new one', () => {
    expect(play([connected, [1_000, { type: 'failed' }]], 12_000)).toEqual([[1_000, 'restart'], [6_000, 'reopen'], [11_000, 'rebuild']]);
  });

  test('answered, but not connected 10 s after the restart: a new connection', () => {
    expect(play([connected, [1_000, { type: 'failed' }], [1_200, { type: 'answered' }]], 12_000)).toEqual([[1_000, 'restart'], [11_000, 'rebuild']]);
  });

  test('answered, while the browser says `connected` all the time: done', () => {
    const script: [number, PolicyEvent][] = [connected, [1_000, { type: 'disturbed' }], [1_200, { type: 'answered' }], [2_000, { type: 'tick', connected: true }]];
    expect(play(script, 1e6)).toEqual([[1_000, 'restart']]);
  });

  test('an old `connected` does not end a restart that was not answered', () => {
    expect(play([connected, [1_000, { type: 'failed' }], [1_050, { type: 'connected' }]], 6_500)).toEqual([[1_000, 'restart'], [6_000, 'reopen']]);
  });

  test('goes on making new connections, less and less often, for ever', () => {
    const rebuilds = play([connected, [1_000, { type: 'failed' }]], 400_000).filter(([, action]) => action === 'rebuild').map(([at]) => at);
    const gaps = rebuilds.slice(1).map((at, index) => at - rebuilds[index]!);
    expect(gaps[0]).toBeLessThan(gaps.at(-1)!);
    expect(Math.max(...gaps)).toBeLessThan(20_000);
    expect(rebuilds.length).toBeGreaterThan(18);
  });

  test('when the other end is gone, makes a new connection after a second, unless it is told that the participant left', () => {
    expect(play([connected, [1_000, { type: 'lost' }]], 3_000)).toEqual([[2_000, 'rebuild']]);
  });

  test.each<[string, PolicyEvent, PolicyEvent]>([
    ['the server', { type: 'signaling', up: false }, { type: 'signaling', up: true }],
    ['the other side', { type: 'presence', here: false }, { type: 'presence', here: true }],
  ])('does nothing while %s cannot be reached, and restarts as soon as it can', (_, gone, back) => {
    const script: [number, PolicyEvent][] = [connected, [900, gone], [1_000, { type: 'disconnected' }], [5_000, { type: 'failed' }], [60_000, back]];
    expect(play(script, 61_000)).toEqual([[60_000, 'restart']]);
  });

  test('follows the other side when that restarts or begins anew', () => {
    expect(play([connected, [1_000, { type: 'disconnected' }], [1_500, { type: 'negotiating', rebuilt: false }], [2_000, { type: 'connected' }]], 1e6)).toEqual([]);
    expect(play([connected, [1_000, { type: 'negotiating', rebuilt: true }], [2_000, { type: 'connected' }]], 1e6)).toEqual([]);
  });
});
