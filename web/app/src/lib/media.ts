import { openCamera, openMic, ParlourError } from '@parlour/client';
import { getPrefs, type Prefs } from './prefs.ts';

export type DeviceKind = 'mic' | 'camera';

/** Whether this browser can share a screen. Phones cannot. */
export function canShareScreen(): boolean {
  return typeof navigator !== 'undefined' && typeof navigator.mediaDevices?.getDisplayMedia === 'function';
}

/** Whether the sound may be sent to a speaker of choice. */
export const canChooseSpeaker = typeof HTMLMediaElement !== 'undefined' && 'setSinkId' in HTMLMediaElement.prototype;

/** A device that was chosen is meant, not rather that one: browsers may take a mere wish lightly. Nothing chosen lifts an earlier choice. */
function chosen(id: string): ConstrainDOMStringParameters {
  return id ? { exact: id } : {};
}

/** Opens the chosen device by `open`; any of its kind where that one is gone. */
export async function openChosen<T>(open: (prefs: Prefs) => Promise<T>): Promise<T> {
  const prefs = getPrefs();
  try {
    return await open(prefs);
  } catch (error) {
    if (!['overconstrained', 'no_device'].includes(codeOf(error))) throw error;
    return open({ ...prefs, micId: '', cameraId: '' });
  }
}

/** What to ask of the microphone, from the person's settings. */
export function micConstraints(prefs: Prefs): MediaTrackConstraints {
  return {
    deviceId: chosen(prefs.micId),
    noiseSuppression: prefs.noiseSuppression,
    echoCancellation: prefs.echoCancellation,
    autoGainControl: prefs.autoGain,
  };
}

/** What to ask of the camera, from the person's settings. `facing` asks for the front or back camera of a phone instead. */
export function cameraConstraints(prefs: Prefs, facing?: 'user' | 'environment'): MediaTrackConstraints {
  return {
    ...(facing && { facingMode: { ideal: facing } }),
    deviceId: chosen(facing ? '' : prefs.cameraId),
    width: { ideal: 1280 },
    height: { ideal: 720 },
    frameRate: { ideal: 30 },
  };
}

/** Opens the microphone or camera of the person's choice. */
export function openDevice(kind: DeviceKind): Promise<MediaStreamTrack> {
  return openChosen((prefs) => (kind === 'mic' ? openMic(micConstraints(prefs)) : openCamera(cameraConstraints(prefs))));
}

/** The code of an error, for the help texts; `other` for what is not ours. */
export function codeOf(error: unknown): string {
  return error instanceof ParlourError ? error.code : 'other';
}

/** What a problem may be about. */
export type Troubled = DeviceKind | 'both';

/** What is wrong with camera and microphone, in as few messages as it takes: the same with both is one. */
export function joinProblems(camera: string | null, mic: string | null): { kind: Troubled; code: string }[] {
  if (camera && camera === mic) return [{ kind: 'both', code: camera }];
  return [...(camera ? [{ kind: 'camera' as const, code: camera }] : []), ...(mic ? [{ kind: 'mic' as const, code: mic }] : [])];
}

const NAMES = { mic: 'device.theMic', camera: 'device.theCamera', both: 'device.theBoth' } as const;

/** The key of what they are called within a sentence. */
export function deviceKey(kind: Troubled): (typeof NAMES)[Troubled] {
  return NAMES[kind];
}
