// How much picture to send to one receiver of a mesh. Pure: figures in, encoding out.

/** What is sent at each step, best first. The last sends no picture, so that sound keeps its room. */
export const LADDER = [
  { name: '720p', height: 720, fps: 30, bitrate: 1_500_000 },
  { name: '540p', height: 540, fps: 25, bitrate: 800_000 },
  { name: '360p', height: 360, fps: 20, bitrate: 450_000 },
  { name: '180p', height: 180, fps: 15, bitrate: 150_000 },
  { name: 'sound only', height: 0, fps: 0, bitrate: 0 },
] as const;

const R540 = 1;
const R360 = 2;
const R180 = 3;
const SOUND = 4;

/** Upload that all cameras of one sender may use together, in bits a second. */
const BUDGET = 4_000_000;
/** With this many participants nobody sends more than 540p: in a grid of four on a large screen no picture is higher, and each is encoded three times. */
const FOUR = 4;
/** With more participants than this a computer that is too slow is believed at once: it encodes and decodes for each of them. */
const FEW = 3;
/** The browser's estimate says little while it still grows. */
const GRACE_MS = 8_000;
/** How long the encoder must say that the computer is too slow, in a call of few. */
const CPU_MS = 4_000;
/** How long pictures must be too few, where that counts. */
const STARVED_MS = 2_000;
/** Part of the pictures below which they are too few. A camera in the dark gives half of them, and that is no reason. */
const STARVED = 0.4;
const UP_MS = 10_000;
const UP_MAX_MS = 80_000;

/** What was measured on the connection to the receiver. */
export interface AdaptSample {
  /** When, in milliseconds of any clock. */
  readonly at: number;
  /** Part of the packets that the receiver lost, 0 to 1; `null` while unknown. */
  readonly loss: number | null;
  /** What the browser thinks it could send, in bits a second; `null` where it does not say. */
  readonly available: number | null;
  /** `qualityLimitationReason` of the camera's encoder. */
  readonly limited: string | null;
  /** Pictures encoded in a second; `null` while unknown. */
  readonly fps?: number | null;
}

/** What is to be sent to whom. */
export interface AdaptContext {
  /** Participants in the call, this one too. */
  readonly people: number;
  /** What the receiver shows. */
  readonly wanted: 'full' | 'small' | 'none';
  /** Height of the camera's pictures. */
  readonly height: number;
}

export interface AdaptState {
  /** Index into {@link LADDER}. */
  readonly rung: number;
  readonly started: number | null;
  /** Smoothed loss. */
  readonly loss: number;
  /** Polls in a row with too much loss, and with too little room. */
  readonly lossy: number;
  readonly narrow: number;
  readonly cpuSince: number | null;
  readonly goodSince: number | null;
  /** How long things must be good before the next step up; grows when a step up was a mistake. */
  readonly patience: number;
  readonly steppedUp: number | null;
}

export const INITIAL: AdaptState = {
  rung: 0, started: null, loss: 0, lossy: 0, narrow: 0, cpuSince: null, goodSince: null, patience: UP_MS, steppedUp: null,
};

/** What `RTCRtpSender.setParameters` is told. */
export interface Encoding {
  readonly active: boolean;
  readonly maxBitrate: number;
  readonly maxFramerate: number;
  readonly scaleResolutionDownBy: number;
}

/** Takes in one poll, about every 2 s. */
export function adapt(sample: AdaptSample, state: AdaptState, context: AdaptContext): { state: AdaptState; encoding: Encoding } {
  const next = step(sample, { ...state, started: state.started ?? sample.at }, context);
  return { state: next, encoding: encodingFor(next, context) };
}

/** The encoding for where the ladder stands. */
export function encodingFor(state: AdaptState, context: AdaptContext): Encoding {
  const rung = Math.max(state.rung, best(context));
  const { height, fps, bitrate } = LADDER[rung] ?? LADDER[SOUND];
  const active = rung !== SOUND && context.wanted !== 'none';
  return {
    active,
    maxBitrate: active ? Math.min(bitrate, share(context)) : LADDER[R180].bitrate,
    maxFramerate: fps || 15,
    scaleResolutionDownBy: Math.max(1, context.height / (height || LADDER[R180].height)),
  };
}

function share({ people }: AdaptContext): number {
  return Math.min(LADDER[0].bitrate, BUDGET / Math.max(1, people - 1));
}

/** The best rung that the context allows. */
function best(context: AdaptContext): number {
  if (context.wanted !== 'full') return R180;
  if (context.people > FOUR) return R360;
  if (context.people === FOUR) return R540;
  return 0;
}

function step(sample: AdaptSample, state: AdaptState, context: AdaptContext): AdaptState {
  const loss = sample.loss === null ? state.loss : (state.loss + sample.loss) / 2;
  const encoding = encodingFor(state, context);
  const target = state.rung === SOUND ? 0 : encoding.maxBitrate;
  const young = sample.at - (state.started ?? sample.at) < GRACE_MS;
  const tooLittle = !young && sample.available !== null && sample.available < 0.8 * target;
  // A starved computer does not even get as far as finding its encoder slow: it takes too few pictures from the camera.
  const crowded = context.people > FEW;
  const fresh = state.started === sample.at;
  const starved = crowded && !fresh && encoding.active && !!sample.fps && sample.fps < STARVED * encoding.maxFramerate;
  const cpu = sample.limited === 'cpu';
  const measured: AdaptState = {
    ...state,
    loss,
    lossy: loss > 0.08 ? state.lossy + 1 : 0,
    narrow: tooLittle ? state.narrow + 1 : 0,
    cpuSince: cpu || starved ? (state.cpuSince ?? sample.at) : null,
  };
  const patience = !crowded ? CPU_MS : cpu ? 0 : STARVED_MS;
  const slow = measured.cpuSince !== null && sample.at - measured.cpuSince >= patience;
  if (measured.lossy >= 2 || measured.narrow >= 2 || slow) return down(sample, measured, context);

  const room = sample.available === null || sample.available >= 1.1 * target;
  const good = loss < 0.02 && room && !cpu && !starved;
  const goodSince = good ? (state.goodSince ?? sample.at) : null;
  if (goodSince === null || state.rung <= best(context) || sample.at - goodSince < state.patience) return { ...measured, goodSince };
  return { ...measured, rung: state.rung - 1, goodSince: null, steppedUp: sample.at };
}

function down(sample: AdaptSample, state: AdaptState, context: AdaptContext): AdaptState {
  let rung = Math.max(state.rung, best(context)) + 1;
  // A narrow path: go at once to what fits.
  if (state.narrow >= 2) while (rung < SOUND && (LADDER[rung]?.bitrate ?? 0) > (sample.available ?? 0)) rung += 1;
  // The picture is given up only where it would not leave room for sound.
  if (rung >= SOUND && state.loss < 0.2 && (sample.available ?? Infinity) > 100_000) rung = R180;
  const mistake = state.steppedUp !== null && sample.at - state.steppedUp < 2 * UP_MS;
  const patience = mistake ? Math.min(UP_MAX_MS, state.patience * 2) : UP_MS;
  return { ...state, rung: Math.min(rung, SOUND), lossy: 0, narrow: 0, cpuSince: null, goodSince: null, steppedUp: null, patience };
}

/** The encoding of a shared screen: sharp text at 15 pictures a second, or motion at 30. */
export function screenEncoding(people: number, motion: boolean): Encoding {
  return { active: true, maxBitrate: Math.min(2_500_000, 6_000_000 / Math.max(1, people - 1)), maxFramerate: motion ? 30 : 15, scaleResolutionDownBy: 1 };
}
