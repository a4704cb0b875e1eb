import { levelMeter } from '@parlour/client';
import { codeOf, openDevice } from '../lib/media.ts';
import type { Finding } from './types.ts';

const LISTEN_MS = 4_000;
const PICTURE_MS = 4_000;
const QUIET = 0.01;
const SAMPLE = 32;
const BLACK = 8;

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Opens the microphone and listens for a sound. `onLevel` gets what it hears meanwhile. */
export async function checkMic(onLevel: (read: (() => number) | null) => void): Promise<Finding> {
  try {
    const track = await openDevice('mic');
    const meter = levelMeter(track);
    onLevel(() => meter.level());
    let loudest = 0;
    for (const end = performance.now() + LISTEN_MS; performance.now() < end && loudest < QUIET; await wait(60)) loudest = Math.max(loudest, meter.level());
    onLevel(null);
    meter.close();
    track.stop();
    const heard = loudest >= QUIET;
    return { status: heard ? 'ok' : 'warn', detail: heard ? 'ok' : 'silent', facts: { name: track.label || 'microphone' } };
  } catch (error) {
    return { status: 'fail', detail: 'device', facts: { code: codeOf(error) } };
  }
}

/** Whether a picture is not all of one dark colour, as from a camera behind a closed shutter. */
function hasPicture(video: HTMLVideoElement): boolean {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = SAMPLE;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context || video.videoWidth === 0) return false;
  context.drawImage(video, 0, 0, SAMPLE, SAMPLE);
  return context.getImageData(0, 0, SAMPLE, SAMPLE).data.some((value, index) => index % 4 !== 3 && value > BLACK);
}

/** Opens the camera and waits for a picture. */
export async function checkCamera(): Promise<Finding> {
  try {
    const track = await openDevice('camera');
    const video = document.createElement('video');
    video.muted = true;
    video.playsInline = true;
    video.srcObject = new MediaStream([track]);
    await video.play().catch(() => undefined);
    const end = performance.now() + PICTURE_MS;
    while (performance.now() < end && !hasPicture(video)) await wait(100);
    const seen = hasPicture(video);
    const { videoWidth: width, videoHeight: height } = video;
    video.srcObject = null;
    track.stop();
    return { status: seen ? 'ok' : 'warn', detail: seen ? 'ok' : 'black', facts: { name: track.label || 'camera', width, height } };
  } catch (error) {
    return { status: 'fail', detail: 'device', facts: { code: codeOf(error) } };
  }
}

/** Plays three notes. */
export async function playNotes(): Promise<void> {
  const context = new AudioContext();
  await context.resume();
  const start = context.currentTime + 0.05;
  [523.25, 659.25, 783.99].forEach((pitch, index) => {
    const note = context.createOscillator();
    const volume = context.createGain();
    const at = start + index * 0.28;
    note.frequency.value = pitch;
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(0.25, at + 0.03);
    volume.gain.exponentialRampToValueAtTime(0.001, at + 0.5);
    note.connect(volume).connect(context.destination);
    note.start(at);
    note.stop(at + 0.55);
  });
  await wait(1_600);
  await context.close();
}
