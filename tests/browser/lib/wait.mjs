// Waiting for conditions, never for time.
import { setTimeout as sleep } from 'node:timers/promises';

/** Multiplies every deadline: for machines that have much else to do. */
export const PATIENCE = Number(process.env.TEST_PATIENCE ?? 1);

/** The longest time without a new picture that still counts as media going on, in milliseconds. */
export const LONGEST_GAP = 2_000 * PATIENCE;

/**
 * Asks `condition` again and again until it gives something truthy, and gives that. After `within` milliseconds it fails with `what`
 * and the last thing that the condition gave or threw.
 */
export async function until(what, condition, { within = 30_000, every = 100 } = {}) {
  within *= PATIENCE;
  const deadline = Date.now() + within;
  let last;
  for (;;) {
    try {
      last = await condition();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= deadline) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`waited ${within / 1000} s in vain until ${what}; last seen: ${seen}`);
    }
    await sleep(every);
  }
}

/** Asks `condition` for `period` milliseconds; it must hold every time. For "nothing happens while …", where there is no event to wait for. */
export async function holds(what, condition, period, every = 250) {
  const end = Date.now() + period;
  while (Date.now() < end) {
    const seen = await condition();
    if (!seen) throw new Error(`it did not hold that ${what}`);
    await sleep(every);
  }
}

/** Gives what `promise` gives, or fails after `within` milliseconds. */
export async function soon(what, promise, within = 30_000) {
  within *= PATIENCE;
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`${what} took longer than ${within / 1000} s`)), within); });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
