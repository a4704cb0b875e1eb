// What this participant sends: microphone, camera, and a shared screen with its sound.

import type { ParlourError } from '../errors.ts';
import type { Device, ScreenOptions, Source } from '../types.ts';
import { levelMeter } from './levels.ts';
import { openCamera, openMic, openScreen } from './devices.ts';

export interface LocalHandlers {
  /** What is sent from `source` changed: another track, or none. */
  replaced(source: Source): void;
  /** On, off, muted or interrupted. */
  changed(): void;
  failed(error: ParlourError): void;
}

type Kind = 'mic' | 'camera';

export class LocalMedia {
  readonly #handlers: LocalHandlers;
  #tracks = new Map<Source, MediaStreamTrack>();
  #streams = new Map<Source, MediaStream>();
  #constraints: Record<Kind, MediaTrackConstraints> = { mic: {}, camera: {} };
  #meter: ReturnType<typeof levelMeter> | null = null;
  #call: MediaStream | null = null;
  #share: MediaStream | null = null;
  /** Changes of a source happen one after another. */
  #queue: Record<Kind, Promise<unknown>> = { mic: Promise.resolve(), camera: Promise.resolve() };
  #closed = false;
  motion = false;

  constructor(handlers: LocalHandlers) {
    this.#handlers = handlers;
  }

  /** What is sent from a source now. */
  track(source: Source): MediaStreamTrack | null {
    return this.#tracks.get(source) ?? null;
  }

  stream(source: Source): MediaStream | undefined {
    return this.#streams.get(source);
  }

  /** On and not muted. */
  on(source: Source): boolean {
    return this.track(source)?.enabled ?? false;
  }

  interrupted(source: Kind): boolean {
    return this.on(source) && (this.track(source)?.muted ?? false);
  }

  device(source: Kind): string | null {
    return this.track(source)?.getSettings?.().deviceId ?? null;
  }

  /** Height of the pictures of a source; an assumption while nothing is known. */
  height(source: Source): number {
    const { width = 1280, height = 720 } = this.track(source)?.getSettings?.() ?? {};
    return Math.min(width, height);
  }

  /** Pictures that a source gives in a second; an assumption while nothing is known. */
  fps(source: Source): number {
    return this.track(source)?.getSettings?.().frameRate || 30;
  }

  /** The stream that a source belongs to, so that receivers keep its sound and picture together. */
  group(source: Source): MediaStream {
    return source === 'mic' || source === 'camera' ? (this.#call ??= new MediaStream()) : (this.#share ??= new MediaStream());
  }

  /** Level of the open microphone, muted or not. */
  level(): number {
    return this.#meter?.level() ?? 0;
  }

  set(kind: Kind, device: Device, signal?: AbortSignal): Promise<void> {
    const run = this.#queue[kind].then(() => this.#set(kind, device, signal));
    this.#queue[kind] = run.catch(() => {});
    return run;
  }

  /** Uses another device, on or off as it is. */
  choose(kind: Kind, deviceId: string, signal?: AbortSignal): Promise<void> {
    const on = this.on(kind);
    if (this.track(kind)) return this.set(kind, { deviceId }, signal).then(() => (on ? undefined : this.set(kind, false)));
    this.#constraints[kind] = { ...this.#constraints[kind], deviceId };
    return Promise.resolve();
  }

  async #set(kind: Kind, device: Device, signal: AbortSignal | undefined): Promise<void> {
    const track = this.track(kind);
    if (device === false) {
      if (kind === 'camera') this.#put(kind, null);
      else if (track) track.enabled = false;
      return this.#handlers.changed();
    }
    if (device === true && track) {
      track.enabled = true;
      return this.#handlers.changed();
    }
    if (isTrack(device)) return this.#put(kind, device);
    if (device !== true) this.#constraints[kind] = { ...this.#constraints[kind], ...device };
    const open = kind === 'mic' ? openMic : openCamera;
    const next = await open(this.#constraints[kind], signal ? { signal } : {});
    if (this.#closed) return next.stop();
    this.#put(kind, next);
  }

  async screen(options: ScreenOptions): Promise<void> {
    this.motion = options.motion ?? false;
    const stream = await openScreen(options);
    if (this.#closed) return stream.getTracks().forEach((track) => track.stop());
    const [video] = stream.getVideoTracks();
    const [audio] = stream.getAudioTracks();
    if (video) video.contentHint = this.motion ? 'motion' : 'detail';
    this.#put('screen', video ?? null);
    this.#put('screen_audio', audio ?? null);
  }

  stopScreen(): void {
    this.#put('screen', null);
    this.#put('screen_audio', null);
  }

  async setMotion(on: boolean): Promise<void> {
    this.motion = on;
    const track = this.track('screen');
    if (track) {
      track.contentHint = on ? 'motion' : 'detail';
      await track.applyConstraints({ frameRate: { ideal: on ? 30 : 15, max: 30 } });
      this.#handlers.replaced('screen');
    }
    this.#handlers.changed();
  }

  close(): void {
    this.#closed = true;
    for (const source of [...this.#tracks.keys()]) this.#put(source, null);
  }

  #put(source: Source, track: MediaStreamTrack | null): void {
    const old = this.track(source);
    if (old === track) return;
    if (old) {
      old.onended = old.onmute = old.onunmute = null;
      old.stop();
    }
    if (track) {
      this.#tracks.set(source, track);
      this.#streams.set(source, new MediaStream([track]));
      track.onended = () => this.#ended(source, track);
      track.onmute = track.onunmute = () => this.#handlers.changed();
    } else {
      this.#tracks.delete(source);
      this.#streams.delete(source);
    }
    if (source === 'mic') {
      this.#meter?.close();
      this.#meter = track && levelMeter(track);
    }
    this.#handlers.replaced(source);
    this.#handlers.changed();
  }

  /** The device vanished, or the person stopped sharing in the browser's own bar. */
  #ended(source: Source, track: MediaStreamTrack): void {
    if (this.track(source) !== track) return;
    if (source === 'screen') return this.stopScreen();
    if (source === 'screen_audio') return this.#put(source, null);
    const on = track.enabled;
    this.#put(source, null);
    if (!on) return;
    // Another device of the kind is better than none.
    delete this.#constraints[source].deviceId;
    this.set(source, true).catch((error: ParlourError) => this.#handlers.failed(error));
  }
}

function isTrack(device: Device): device is MediaStreamTrack {
  return typeof device === 'object' && typeof (device as MediaStreamTrack).stop === 'function';
}
