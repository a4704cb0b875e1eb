// A part of the library is loaded beside the call. Nobody waits for it who only joins, and nothing is lost that comes before it.

import { beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { memorySink } from '../src/files/index.ts';
import { pass, useWorld } from './support/world.ts';

const chunk = vi.hoisted(() => ({ come: (): void => {}, fail: (): void => {}, actual: {}, arrives: Promise.resolve() as Promise<void> }));

// A getter: the part is asked for through it, so each test says when it comes.
vi.mock('../src/later.ts', async () => {
  await chunk.arrives;
  return chunk.actual;
});

beforeAll(async () => {
  chunk.actual = await vi.importActual('../src/later.ts');
});

beforeEach(() => {
  vi.resetModules();
  chunk.arrives = new Promise((come, fail) => {
    chunk.come = come;
    chunk.fail = () => fail(new TypeError('Failed to fetch dynamically imported module'));
  });
});

const here = useWorld({ whole: false });

test('a join, and the connection to the others, do not wait for it', async () => {
  const ann = await here.world.join('Ann', { mic: true });
  const ben = await here.world.join('Ben', { camera: true });
  await pass(1_000);
  expect(ann.getSnapshot()).toMatchObject({ status: 'joined', peers: [{ connection: 'connected' }] });
  expect(Object.keys(ben.getSnapshot().peers[0]!.streams)).toEqual(['mic']);
  chunk.come();
});

test('a file that is offered before it is there is not lost, and one may be sent before', async () => {
  const ann = await here.world.join('Ann');
  const ben = await here.world.join('Ben');
  await pass(500);
  const sending = ann.peers.get(ben.you)!.sendFile(new Blob(['hello']), { name: 'a.txt' });
  const names: string[] = [];
  ben.on('file', (offer) => {
    names.push(offer.name);
    offer.accept({ sink: memorySink() });
  });
  await pass(500);
  chunk.come();
  const transfer = await sending;
  await vi.waitFor(() => expect(transfer.getSnapshot().state).toBe('done'));
  expect(names).toEqual(['a.txt']);
});
