// How loud a track is.

let context: AudioContext | undefined;

/** Measures a microphone's level, 0 to 1. Needs a click on the page before it says more than 0. */
export function levelMeter(track: MediaStreamTrack): { level(): number; close(): void } {
  if (typeof AudioContext === 'undefined') return { level: () => 0, close: () => {} };
  const audio = (context ??= new AudioContext());
  void audio.resume();
  // A clone hears on when the track itself is muted, so that "you are muted" can be told.
  const ear = track.clone();
  ear.enabled = true;
  const input = audio.createMediaStreamSource(new MediaStream([ear]));
  const analyser = audio.createAnalyser();
  analyser.fftSize = 512;
  input.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return {
    level() {
      if (audio.state !== 'running') return 0;
      analyser.getFloatTimeDomainData(samples);
      let sum = 0;
      for (const sample of samples) sum += sample * sample;
      return Math.min(1, Math.sqrt(sum / samples.length) * 2);
    },
    close() {
      input.disconnect();
      ear.stop();
    },
  };
}

/** Level above which a person counts as speaking. */
const LOUD = 0.03;
/** How long a pause between words may be. */
const HOLD_MS = 800;
/** How long somebody else must be louder to be shown instead. */
const SWITCH_MS = 1_000;

/** Who speaks, from levels looked at a few times a second. Pure but for what it remembers. */
export class SpeakerDetector {
  #heard = new Map<string, number>();
  #smooth = new Map<string, number>();
  #since = 0;
  /** Who speaks, or spoke last. */
  speaker: string | null = null;

  /** Takes in the levels at `now` and returns who is speaking. */
  update(levels: ReadonlyMap<string, number>, now: number): Set<string> {
    for (const id of this.#smooth.keys()) if (!levels.has(id)) this.forget(id);
    let loudest: string | null = null;
    const speaking = new Set<string>();
    for (const [id, level] of levels) {
      const smooth = (this.#smooth.get(id) ?? 0) * 0.6 + level * 0.4;
      this.#smooth.set(id, smooth);
      if (level > LOUD) this.#heard.set(id, now);
      if (now - (this.#heard.get(id) ?? -Infinity) <= HOLD_MS) speaking.add(id);
      if (smooth > LOUD && smooth > (this.#smooth.get(loudest ?? '') ?? 0)) loudest = id;
    }
    if (loudest && loudest !== this.speaker && (this.speaker === null || !speaking.has(this.speaker) || now - this.#since >= SWITCH_MS)) {
      this.speaker = loudest;
      this.#since = now;
    }
    return speaking;
  }

  forget(id: string): void {
    this.#heard.delete(id);
    this.#smooth.delete(id);
    if (this.speaker === id) this.speaker = null;
  }
}
