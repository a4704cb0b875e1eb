/**
 * The interface of PeerJS for a Parlour server, without dependencies.
 *
 * ```ts
 * import { Peer } from '@parlour/peer';
 * const me = new Peer('ann', { host: 'meet.example.org' });
 * const connection = me.connect('bob');
 * connection.on('open', () => connection.send({ hello: 'Bob' }));
 * me.on('call', (call) => call.answer(myStream));
 * ```
 *
 * It speaks the same protocol as PeerJS's own client, on both sides, so both may be at the two ends of a connection.
 *
 * @module
 */
export { Peer, PeerError, type ErrorType, type PeerEvents, type PeerOptions } from './peer.ts';
export { DataConnection, type ConnectOptions, type DataEvents, type Serialization } from './data.ts';
export { MediaConnection, type CallOptions, type MediaEvents } from './media.ts';
export { Events } from './events.ts';
