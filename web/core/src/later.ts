// What a call needs only once it is up. Loaded beside the rest, so that the library itself stays small.

export { Transfers } from './files/transfers.ts';
export { Monitor } from './peer/monitor.ts';
