const STEPS = [0, 300, 1_200, 2_700, 4_800];
const LAST = 7_000;

/** How long to wait before try number `attempt` (from 0), in milliseconds: quick at first, then steady, spread by `random` in [0, 1). */
export function backoff(attempt: number, random: number): number {
  const base = STEPS[attempt] ?? LAST;
  return attempt < 2 ? base : Math.round(base + random * Math.min(1_000, base / 2));
}
