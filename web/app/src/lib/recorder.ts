import type { Room } from '@parlour/client';
import { gridPlaces, type Place } from './grid.ts';

const WIDTH = 1280;
const HEIGHT = 720;
const FPS = 25;
const GAP = 8;
/** VP8 first: what records also encodes and decodes for the call, and VP9 costs a multiple. */
const TYPES = ['video/webm;codecs=vp8,opus', 'video/webm', 'video/mp4'];
const SLICE_MS = 2_000;

/** A recording that runs. */
export interface Recorder {
  /** Ends it and gives the file to the browser's downloads. Calling it again does nothing. */
  stop(): Promise<void>;
}

/** Where a picture of `width` × `height` is cut so that it fills `place`; `whole` shows all of it instead. */
export function fitPicture(
  width: number,
  height: number,
  place: Place,
  whole: boolean,
): { sx: number; sy: number; sw: number; sh: number; x: number; y: number; w: number; h: number } {
  if (whole) {
    const scale = Math.min(place.width / width, place.height / height);
    const w = width * scale;
    const h = height * scale;
    return { sx: 0, sy: 0, sw: width, sh: height, x: place.x + (place.width - w) / 2, y: place.y + (place.height - h) / 2, w, h };
  }
  const scale = Math.max(place.width / width, place.height / height);
  const sw = place.width / scale;
  const sh = place.height / scale;
  return { sx: (width - sw) / 2, sy: (height - sh) / 2, sw, sh, x: place.x, y: place.y, w: place.width, h: place.height };
}

/** The pictures on the stage now: what the page shows is what is recorded, so that nothing is decoded twice. */
function pictures(): { video: HTMLVideoElement; name: string; screen: boolean }[] {
  return [...document.querySelectorAll<HTMLElement>('[data-peer][data-source]')].flatMap((tile) => {
    const video = tile.querySelector('video');
    return video ? [{ video, name: tile.getAttribute('aria-label') ?? '', screen: tile.dataset['source'] === 'screen' }] : [];
  });
}

function draw(canvas: CanvasRenderingContext2D): void {
  canvas.fillStyle = '#161513';
  canvas.fillRect(0, 0, WIDTH, HEIGHT);
  const all = pictures();
  // A shared screen is recorded large and alone, as those who watch it later want it.
  const screens = all.filter((picture) => picture.screen);
  const shown = screens.length > 0 ? screens : all;
  const places = gridPlaces(shown.length, WIDTH, HEIGHT, GAP);
  canvas.textBaseline = 'middle';
  shown.forEach(({ video, name, screen }, index) => {
    const place = places[index];
    if (!place) return;
    canvas.fillStyle = '#24221f';
    canvas.fillRect(place.x, place.y, place.width, place.height);
    if (video.srcObject && video.videoWidth > 0) {
      const { sx, sy, sw, sh, x, y, w, h } = fitPicture(video.videoWidth, video.videoHeight, place, screen);
      canvas.drawImage(video, sx, sy, sw, sh, x, y, w, h);
    }
    canvas.font = '500 20px system-ui, sans-serif';
    const width = Math.min(canvas.measureText(name).width + 24, place.width);
    canvas.fillStyle = 'rgb(16 15 14 / 72%)';
    canvas.fillRect(place.x, place.y + place.height - 36, width, 36);
    canvas.fillStyle = '#ffffff';
    canvas.fillText(name, place.x + 12, place.y + place.height - 18, place.width - 24);
  });
}

/** Mixes the sound of everybody, and follows those who come and go. */
function mixSound(room: Room): { track: MediaStreamTrack | undefined; close: () => void } {
  const context = new AudioContext();
  const output = context.createMediaStreamDestination();
  const sources = new Map<MediaStream, MediaStreamAudioSourceNode>();
  const follow = (): void => {
    const { you, peers } = room.getSnapshot();
    const wanted = new Set<MediaStream>();
    for (const { streams, mic } of [you, ...peers]) {
      if (streams.mic && (mic || streams !== you.streams)) wanted.add(streams.mic);
      if (streams.screen_audio) wanted.add(streams.screen_audio);
    }
    for (const [stream, node] of sources) {
      if (wanted.has(stream)) continue;
      node.disconnect();
      sources.delete(stream);
    }
    for (const stream of wanted) {
      if (sources.has(stream) || stream.getAudioTracks().length === 0) continue;
      const node = context.createMediaStreamSource(stream);
      node.connect(output);
      sources.set(stream, node);
    }
  };
  follow();
  const unsubscribe = room.subscribe(follow);
  return {
    track: output.stream.getAudioTracks()[0],
    close() {
      unsubscribe();
      void context.close().catch(() => undefined);
    },
  };
}

/** How long to wait after a picture that took `took` milliseconds to draw: at least as long, so that a slow computer records fewer and the call goes on. */
export function pause(took: number): number {
  return Math.max(1000 / FPS - took, took);
}

/** Lets the browser download the recording. */
function download(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Records what is on the stage and what is heard, on this device only. Throws where the browser cannot. */
export function startRecording(room: Room): Recorder {
  const canvas = document.createElement('canvas');
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext('2d', { alpha: false });
  const type = TYPES.find((candidate) => MediaRecorder.isTypeSupported(candidate));
  if (!context || !type) throw new Error('This browser cannot record.');

  draw(context);
  // A worker's clock goes on at full speed while the page is in the background.
  const clock = new Worker(new URL('./recorderClock.ts', import.meta.url), { type: 'module' });
  clock.onmessage = () => {
    const began = performance.now();
    draw(context);
    clock.postMessage(pause(performance.now() - began));
  };
  clock.postMessage(pause(0));

  const sound = mixSound(room);
  const stream = canvas.captureStream(FPS);
  if (sound.track) stream.addTrack(sound.track);
  const recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: 3_000_000, audioBitsPerSecond: 128_000 });
  const parts: Blob[] = [];
  recorder.ondataavailable = (event) => {
    if (event.data.size > 0) parts.push(event.data);
  };
  const ended = new Promise<void>((resolve) => {
    recorder.onstop = () => resolve();
  });
  recorder.start(SLICE_MS);
  const began = new Date();

  let stopping: Promise<void> | null = null;
  return {
    stop() {
      stopping ??= (async () => {
        if (recorder.state !== 'inactive') recorder.stop();
        await ended;
        clock.terminate();
        sound.close();
        for (const track of stream.getTracks()) track.stop();
        const stamp = began.toISOString().slice(0, 16).replace('T', ' ').replace(':', '.');
        download(new Blob(parts, { type }), `${room.id} ${stamp}.${type.startsWith('video/mp4') ? 'mp4' : 'webm'}`);
      })();
      return stopping;
    },
  };
}
