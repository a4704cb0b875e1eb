// When to restart ICE, when to doubt the connection to the server and when to start a new RTCPeerConnection. Pure: time comes in as an argument.

import { backoff } from '../signaling/backoff.ts';

/** How long `disconnected` may last before ICE is restarted: many cuts heal by themselves. */
const HEAL_MS = 2_500;
/** How much later the polite side acts, so that as a rule only one side does. */
const POLITE_MS = 1_000;
/** How long the answer to a restart may take before the connection to the server is doubted. */
const ANSWER_MS = 5_000;
/** How long to wait before replacing a connection whose other end is gone. */
const LOST_MS = 1_000;
/** How long a restart, or a new connection, may take before the next one. */
const CONNECT_MS = 10_000;

/**
 * Where the connection to one participant stands.
 *
 * `connecting` → `connected` → `disconnected` → `restarting` → `connected`, or back to `connecting` with a new RTCPeerConnection; from `connected`
 * straight to `restarting` when ICE failed or the network changed.
 */
export interface PolicyState {
  readonly phase: 'connecting' | 'connected' | 'disconnected' | 'restarting';
  /** When the phase began. */
  readonly since: number;
  /** The other side answered the restart. */
  readonly answered: boolean;
  /** The connection to the server has been doubted in this phase. */
  readonly reopened: boolean;
  /** New connections in a row that did not come up. */
  readonly rebuilds: number;
  /** A restart waits until it can be told to the other side. */
  readonly due: boolean;
  /** Messages reach the server, and the other side. */
  readonly signaling: boolean;
  readonly present: boolean;
  readonly polite: boolean;
}

export type PolicyEvent =
  /** What the browser says of the connection. */
  | { type: 'connected' | 'disconnected' | 'failed' }
  /** Nothing arrives although it should. */
  | { type: 'stalled' }
  /** The data channels broke, or descriptions do not fit: an ICE restart would not bring this connection back. */
  | { type: 'lost' }
  /** The server lost messages, descriptions maybe among them. */
  | { type: 'forgotten' }
  /** The network changed or the computer woke up. */
  | { type: 'disturbed' }
  /** The other side asked for a restart. */
  | { type: 'asked' }
  /** The other side began a restart or a new connection. */
  | { type: 'negotiating'; rebuilt: boolean }
  /** The other side answered. */
  | { type: 'answered' }
  | { type: 'signaling'; up: boolean }
  | { type: 'presence'; here: boolean }
  /** Time went by; `connected` is what the browser says now. */
  | { type: 'tick'; connected: boolean };

/** `restart` ICE, `reopen` the connection to the server, `rebuild` with a new RTCPeerConnection. */
export type PolicyAction = 'restart' | 'reopen' | 'rebuild';

export interface PolicyStep {
  state: PolicyState;
  actions: PolicyAction[];
  /** When to come back with a `tick`, if nothing happens before. */
  wake: number | null;
}

export function initialPolicy(polite: boolean, signaling: boolean, now: number): PolicyState {
  return { phase: 'connecting', since: now, answered: false, reopened: false, rebuilds: 0, due: false, signaling, present: true, polite };
}

export function reconnectPolicy(state: PolicyState, event: PolicyEvent, now: number): PolicyStep {
  const { next, actions } = react(state, event, now);
  return { state: next, actions, wake: deadline(next) };
}

interface Reaction {
  next: PolicyState;
  actions: PolicyAction[];
}

function react(state: PolicyState, event: PolicyEvent, now: number): Reaction {
  const stay: Reaction = { next: state, actions: [] };
  switch (event.type) {
    case 'connected':
      return state.phase === 'restarting' && !state.answered ? stay : { next: enter(state, 'connected', now, { rebuilds: 0 }), actions: [] };
    case 'disconnected':
    case 'stalled':
      return state.phase === 'connected' ? { next: enter(state, 'disconnected', now), actions: [] } : stay;
    case 'failed':
      return state.phase === 'connecting' ? { next: { ...state, since: now - patience(state) }, actions: [] } : state.phase === 'restarting' ? stay : restart(state, now);
    case 'lost':
      // If the other side left, the server says so in a moment, and nothing has to be done.
      return state.phase === 'connecting' ? stay : { next: enter(state, 'connecting', now - patience(state) + LOST_MS * (state.polite ? 2 : 1)), actions: [] };
    case 'forgotten':
      return state.phase === 'connected' ? stay : rebuild(state, now);
    case 'disturbed':
      return state.phase === 'connecting' ? { next: { ...state, since: now, rebuilds: 0 }, actions: [] } : restart(state, now);
    case 'asked':
      return state.phase === 'connecting' || state.phase === 'restarting' ? stay : restart(state, now);
    case 'negotiating':
      if (event.rebuilt) return { next: enter(state, 'connecting', now), actions: [] };
      return state.phase === 'connecting' ? stay : { next: enter(state, 'restarting', now, { answered: true }), actions: [] };
    case 'answered':
      return state.phase === 'restarting' ? { next: { ...state, answered: true }, actions: [] } : stay;
    case 'signaling':
      return reach(state, { ...state, signaling: event.up }, now);
    case 'presence':
      return reach(state, { ...state, present: event.here }, now);
    case 'tick':
      return tick(state, event.connected, now);
  }
}

/** Begins a phase. */
function enter(state: PolicyState, phase: PolicyState['phase'], now: number, more: Partial<PolicyState> = {}): PolicyState {
  return { ...state, phase, since: now, answered: false, reopened: false, due: false, ...more };
}

function canTell(state: PolicyState): boolean {
  return state.signaling && state.present;
}

function restart(state: PolicyState, now: number): Reaction {
  if (!canTell(state)) return { next: { ...state, due: true }, actions: [] };
  return { next: enter(state, 'restarting', now), actions: ['restart'] };
}

/** The other side came within reach, or went out of it. */
function reach(before: PolicyState, state: PolicyState, now: number): Reaction {
  if (!canTell(state) || canTell(before)) return { next: state, actions: [] };
  if (state.due || state.phase === 'disconnected') return restart(state, now);
  // What was under way could not be heard of meanwhile: it gets some time more.
  return { next: state.phase === 'connected' ? state : { ...state, since: Math.max(state.since, now - ANSWER_MS) }, actions: [] };
}

function tick(state: PolicyState, connected: boolean, now: number): Reaction {
  if (state.phase === 'restarting' && state.answered && connected) return { next: enter(state, 'connected', now, { rebuilds: 0 }), actions: [] };
  const due = deadline(state);
  if (due === null || now < due) return { next: state, actions: [] };
  switch (state.phase) {
    case 'connected':
      return { next: state, actions: [] };
    case 'disconnected':
      return restart(state, now);
    case 'restarting':
      if (!state.answered && !state.reopened) return { next: { ...state, reopened: true }, actions: ['reopen'] };
      return rebuild(state, now);
    case 'connecting':
      return rebuild(state, now);
  }
}

function rebuild(state: PolicyState, now: number): Reaction {
  return { next: enter(state, 'connecting', now, { rebuilds: state.rebuilds + 1 }), actions: ['rebuild'] };
}

/** How long a connection may take to come up; longer after each one that did not. */
function patience(state: PolicyState): number {
  return CONNECT_MS + (state.polite ? 5 * POLITE_MS : 0) + backoff(state.rebuilds, 0.5);
}

function deadline(state: PolicyState): number | null {
  if (state.phase === 'connected') return null;
  if (!canTell(state)) return null;
  switch (state.phase) {
    case 'disconnected':
      return state.since + HEAL_MS + (state.polite ? POLITE_MS : 0);
    case 'restarting':
      return state.since + (state.answered || state.reopened ? CONNECT_MS : ANSWER_MS);
    case 'connecting':
      return state.since + patience(state);
  }
}
