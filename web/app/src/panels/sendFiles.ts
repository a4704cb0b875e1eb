import type { Room } from '@parlour/client';

/** Offers files to one participant, or to all. Returns how many offers were made. */
export function sendFiles(room: Room, files: File[], to: string | null): number {
  const receivers = [...room.peers.values()].filter((peer) => to === null || peer.id === to);
  let offers = 0;
  for (const file of files) {
    for (const peer of receivers) {
      // What becomes of it is in the list of files.
      peer.sendFile(file).then((transfer) => transfer.done).catch(() => undefined);
      offers += 1;
    }
  }
  return offers;
}
