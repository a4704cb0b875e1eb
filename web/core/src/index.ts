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
export * from './types.ts';
export { ParlourError, type ClientCode, type EndCode, type ErrorCode } from './errors.ts';
export { join } from './join.ts';
export { captureSupport, listDevices, openCamera, openMic, watchDevices } from './media/devices.ts';
export { levelMeter } from './media/levels.ts';
