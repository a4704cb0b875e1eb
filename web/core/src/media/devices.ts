// Opening devices, with errors that say what to do, and knowing which there are.

import { ParlourError } from '../errors.ts';
import type { DeviceInfo, ScreenOptions, Unsubscribe } from '../types.ts';
import { listen } from '../util.ts';

/** Whether this page may use camera and microphone; if not, why. Receiving, chat and files work all the same. */
export function captureSupport(): 'ok' | 'insecure_origin' | 'unsupported_browser' {
  if (navigator.mediaDevices as MediaDevices | undefined) return 'ok';
  return globalThis.isSecureContext ? 'unsupported_browser' : 'insecure_origin';
}

function media(): MediaDevices {
  const support = captureSupport();
  if (support === 'ok') return navigator.mediaDevices;
  throw support === 'insecure_origin'
    ? new ParlourError(support, 'The browser gives camera and microphone to secure pages only. Open the https:// link.')
    : new ParlourError(support, 'This browser cannot use camera or microphone. Use a current Chrome, Edge, Firefox or Safari.');
}

/** Opens a microphone, for instance for a preview before `join`. Rejects with a {@link ParlourError} (`permission_denied`, `no_device`, …). */
export function openMic(constraints: MediaTrackConstraints = {}, options: { signal?: AbortSignal } = {}): Promise<MediaStreamTrack> {
  return open('microphone', { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...exact(constraints) } }, options.signal);
}

/** The same for a camera. */
export function openCamera(constraints: MediaTrackConstraints = {}, options: { signal?: AbortSignal } = {}): Promise<MediaStreamTrack> {
  return open('camera', { video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 }, ...exact(constraints) } }, options.signal);
}

/** Asks for a screen, window or tab. */
export async function openScreen({ audio = true, motion = false, signal }: ScreenOptions): Promise<MediaStream> {
  const devices = media();
  if (!devices.getDisplayMedia) throw new ParlourError('unsupported_browser', 'This browser cannot share a screen. Use a computer with a current browser.');
  return settle(
    devices.getDisplayMedia({ video: { frameRate: { ideal: motion ? 30 : 15, max: 30 } }, audio: audio && { echoCancellation: false, noiseSuppression: false, autoGainControl: false } }),
    'screen',
    signal,
  );
}

/** A bare `deviceId` means that device, not "rather that one". */
function exact(constraints: MediaTrackConstraints): MediaTrackConstraints {
  const { deviceId } = constraints;
  return typeof deviceId === 'string' && deviceId ? { ...constraints, deviceId: { exact: deviceId } } : constraints;
}

async function open(what: string, constraints: MediaStreamConstraints, signal: AbortSignal | undefined): Promise<MediaStreamTrack> {
  signal?.throwIfAborted();
  const stream = await settle(media().getUserMedia(constraints), what, signal);
  return stream.getTracks()[0]!;
}

/** The stream, or a typed error; a stream that comes after the abort is closed. */
async function settle(promise: Promise<MediaStream>, what: string, signal: AbortSignal | undefined): Promise<MediaStream> {
  let stream: MediaStream;
  try {
    stream = await promise;
  } catch (error) {
    throw explain(error, what);
  }
  if (signal?.aborted) {
    for (const track of stream.getTracks()) track.stop();
    throw signal.reason;
  }
  return stream;
}

function explain(error: unknown, what: string): ParlourError {
  const name = error instanceof Error ? error.name : '';
  const cause = { cause: error };
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return what === 'screen'
        ? new ParlourError('screen_cancelled', 'No screen was chosen, or the system does not allow it.', cause)
        : new ParlourError('permission_denied', `The browser may not use the ${what}. Allow it in the address bar's permissions, and in the system's privacy settings.`, cause);
    case 'NotFoundError':
    case 'DevicesNotFoundError':
      return new ParlourError('no_device', `There is no ${what}. Plug one in, or choose another.`, cause);
    case 'NotReadableError':
    case 'AbortError':
    case 'TrackStartError':
      return new ParlourError('device_in_use', `The ${what} cannot be opened. Another program may be using it: close that and try again.`, cause);
    case 'OverconstrainedError':
      return new ParlourError('overconstrained', `This ${what} is gone or cannot do what was asked. Choose another.`, cause);
    default:
      return new ParlourError('device_failed', `The ${what} failed: ${String(error)}. Try again, or choose another.`, cause);
  }
}

const KINDS: Record<MediaDeviceKind, DeviceInfo['kind']> = { audioinput: 'mic', videoinput: 'camera', audiooutput: 'speaker' };

/** The microphones, cameras and speakers. Empty where the page is not secure. */
export async function listDevices(): Promise<DeviceInfo[]> {
  const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  return all.filter(({ deviceId }) => deviceId !== '').map(({ deviceId, kind, label }) => ({ id: deviceId, kind: KINDS[kind], label }));
}

/** Calls `listener` with all devices now and whenever one comes or goes. */
export function watchDevices(listener: (devices: DeviceInfo[]) => void): Unsubscribe {
  let on = true;
  const tell = () => void listDevices().then((devices) => on && listener(devices));
  const undo = listen(navigator.mediaDevices, 'devicechange', tell);
  tell();
  return () => {
    on = false;
    undo();
  };
}
