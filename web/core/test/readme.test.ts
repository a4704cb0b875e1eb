// The examples of the README, as far as the compiler can tell whether they hold.

import { expect, test } from 'vitest';
import { join } from '../src/index.ts';

declare function show(peer: string, source: string, stream: MediaStream): void;
declare function bar(part: number): void;
declare function tell(rate: number, remaining: number | null): void;

async function call(): Promise<void> {
  const room = await join('https://host.example/r/blue-otter', { name: 'Ana', camera: true, mic: true });
  room.on('peer', (peer) => peer.on('stream', ({ source, stream }) => show(peer.id, source, stream)));
  room.on('message', (message) => console.log(message.name, message.text));
  await room.send('hello');
  await room.screen();
  await room.leave();
}

async function files(input: File): Promise<void> {
  await using room = await join('https://host.example/r/blue-otter');
  room.on('file', async (file) => {
    const transfer = file.accept();
    for await (const { bytes, size } of transfer.progress()) bar(bytes / size);
    await transfer.save();
  });
  const ben = [...room.peers.values()].find((peer) => peer.name === 'Ben');
  const sending = await ben?.sendFile(input, { onProgress: ({ rate, remaining }) => tell(rate, remaining) });
  await sending?.done;
}

test('the examples of the README compile', () => {
  expect([call, files].map(({ length }) => length)).toEqual([0, 1]);
});
