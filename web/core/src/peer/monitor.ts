// Watches one connection: how well it does, whether anything still arrives, and how much picture it can take.

import { adapt, encodingFor, INITIAL, screenEncoding, type AdaptContext, type AdaptState, type Encoding } from '../media/adapt.ts';
import type { PeerConnectionState, Quality, Source } from '../types.ts';
import { judge } from './quality.ts';
import { NOTHING, readStats, type Sample } from './stats.ts';

const POLL_MS = 2_000;
/** A sample younger than this is good enough for whoever asks. */
const FRESH_MS = 900;

/** What is watched. */
export interface Watched {
  readonly pc: RTCPeerConnection | null;
  readonly state: PeerConnectionState;
  /** The connection is up, and nothing is being done about it. */
  readonly steady: boolean;
  /** The other side should be sending something now. */
  readonly expecting: boolean;
  readonly quality: Quality;
  readonly context: AdaptContext;
  sourceOf(mid: string): Source | undefined;
  /** Whether this side sends from a source. */
  sends(source: Source): boolean;
}

export interface MonitorHandlers {
  /** Nothing arrives although it should. */
  stalled(): void;
  /** There is a verdict; `alive` if something arrived since the one before. */
  judged(quality: Quality, alive: boolean): void;
  /** What should be sent may have changed. */
  encode(): void;
  log(line: string): void;
}

export class Monitor {
  readonly #link: Watched;
  readonly #handlers: MonitorHandlers;
  readonly #timer: ReturnType<typeof setInterval>;
  #sample: Sample | null = null;
  /** A look that is under way. Two at once would measure the same, and the second one rates of nothing. */
  #looking: Promise<Sample | null> | null = null;
  /** What had arrived at the poll before. */
  #signs: number | null = null;
  #silentPolls = 0;
  #adapt: AdaptState = INITIAL;

  constructor(link: Watched, handlers: MonitorHandlers) {
    this.#link = link;
    this.#handlers = handlers;
    this.#timer = setInterval(() => void this.#measure(), POLL_MS);
  }

  /** What the connection does now. */
  async sample(): Promise<Sample> {
    const young = this.#sample && Date.now() - this.#sample.at < FRESH_MS;
    return (young ? this.#sample : await (this.#looking ??= this.#look().finally(() => (this.#looking = null)))) ?? NOTHING;
  }

  /** What the camera should send. */
  camera(): Encoding {
    return encodingFor(this.#adapt, this.#link.context);
  }

  /** What a shared screen should send. */
  screen(motion: boolean): Encoding {
    return screenEncoding(this.#link.context.people, motion);
  }

  /** The camera's encoding in words. */
  ladder(): string {
    const { active, scaleResolutionDownBy, maxBitrate } = this.camera();
    return active ? `${Math.round(this.#link.context.height / scaleResolutionDownBy)}p ${Math.round(maxBitrate / 1_000)} kbit/s` : 'paused';
  }

  /** Another RTCPeerConnection begins; what was learned about the path stays. */
  reset(): void {
    this.#sample = this.#signs = null;
    this.#silentPolls = 0;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<Sample | null> {
    const { pc } = this.#link;
    if (!pc || pc.connectionState === 'closed') return null;
    const report = await pc.getStats();
    if (pc !== this.#link.pc) return null;
    return (this.#sample = readStats(report, Date.now(), this.#sample, (mid) => this.#link.sourceOf(mid)));
  }

  async #measure(): Promise<void> {
    const sample = await this.sample().catch(() => NOTHING);
    if (sample === NOTHING) return;
    const alive = sample.signs !== this.#signs;
    const silent = sample.signs !== null && !alive && this.#link.expecting && this.#link.steady;
    this.#signs = sample.signs;
    this.#silentPolls = silent ? this.#silentPolls + 1 : 0;
    if (this.#silentPolls >= 2) this.#handlers.stalled();
    this.#handlers.judged(judge(sample, this.#link.state, this.#silentPolls > 1, this.#link.quality), alive);
    if (this.#link.sends('camera') && this.#link.steady) this.#adaptTo(sample);
  }

  #adaptTo(sample: Sample): void {
    const camera = sample.outgoing.find((stream) => stream.source === 'camera');
    // With a shared screen the estimate is for both; the screen takes its part first.
    const screen = this.#link.sends('screen') ? (sample.outgoing.find((stream) => stream.source === 'screen')?.bitrate ?? 0) : 0;
    const available = sample.availableOut === null ? null : Math.max(0, sample.availableOut - screen);
    const before = this.ladder();
    this.#adapt = adapt({ at: sample.at, loss: camera?.loss ?? null, available, limited: camera?.limited ?? null, fps: camera?.fps ?? null }, this.#adapt, this.#link.context).state;
    if (this.ladder() !== before) this.#handlers.log(`camera ${this.ladder()}`);
    this.#handlers.encode();
  }
}
