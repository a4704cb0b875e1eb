/**
 * Calls, chat and files from a browser, peer to peer, with a Parlour server.
 *
 * ```ts
 * import { join } from '@parlour/client';
 * const room = await join('https://host/r/blue-otter', { name: 'Ana', camera: true, mic: true });
 * room.on('peer', (p) => p.on('stream', ({ source, stream }) => show(p.id, source, stream)));
 * room.on('message', (m) => console.log(m.name, m.text));
 * await room.send('hello');
 * ```
 *
 * @module
 */
import type { DeviceInfo, FileSink, JoinOptions, Room, Unsubscribe } from './types.ts';

export * from './types.ts';
export { ParlourError, type ClientCode, type EndCode, type ErrorCode } from './errors.ts';

/**
 * Joins the room that `url` links to (`https://host/r/room`). Resolves when the server has let this participant in, or to its waiting room
 * (then `status` is `waiting`). Rejects with a {@link ParlourError}, or with the reason of `options.signal`.
 *
 * Devices are opened before the room is entered; if one cannot be opened, `join` rejects with that device's error.
 */
export declare function join(url: string | URL, options?: JoinOptions): Promise<Room>;

/** Opens a microphone, for instance for a preview before `join`. Rejects with a {@link ParlourError} (`permission_denied`, `no_device`, …). */
export declare function openMic(constraints?: MediaTrackConstraints, options?: { signal?: AbortSignal }): Promise<MediaStreamTrack>;

/** The same for a camera. */
export declare function openCamera(constraints?: MediaTrackConstraints, options?: { signal?: AbortSignal }): Promise<MediaStreamTrack>;

/** The microphones, cameras and speakers. Empty where the page is not secure. */
export declare function listDevices(): Promise<DeviceInfo[]>;

/** Calls `listener` with all devices now and whenever one comes or goes. */
export declare function watchDevices(listener: (devices: DeviceInfo[]) => void): Unsubscribe;

/** Whether this page may use camera and microphone; if not, why. Receiving, chat and files work all the same. */
export declare function captureSupport(): 'ok' | 'insecure_origin' | 'unsupported_browser';

/** Measures a microphone's level, 0 to 1. Needs a click on the page before it says more than 0. */
export declare function levelMeter(track: MediaStreamTrack): { level(): number; close(): void };

/** Keeps a received file in memory; gives a `Blob`. */
export declare function memorySink(type?: string): FileSink;

/** Keeps a received file in the browser's private file system, outside memory; gives a `File`. Rejects where there is none. */
export declare function opfsSink(name: string): Promise<FileSink>;

/** Writes a received file to a stream, for example `await (await showSaveFilePicker()).createWritable()`. Gives no `Blob`. */
export declare function writableSink(stream: WritableStream<Uint8Array<ArrayBuffer>>): FileSink;
