import { expect, test } from 'vitest';
import { memorySink, opfsSink, writableSink } from '../src/files/index.ts';

test('a sink for a stream writes, closes, and says that a failed file is none', async () => {
  const written: number[] = [];
  const ends: string[] = [];
  const stream = () =>
    new WritableStream<Uint8Array<ArrayBuffer>>({ write: (bytes) => void written.push(...bytes), close: () => void ends.push('closed'), abort: () => void ends.push('aborted') });
  const good = writableSink(stream());
  await good.write(new Uint8Array([1, 2]));
  expect(await good.close()).toBeNull();
  await writableSink(stream()).abort();
  expect({ written, ends }).toEqual({ written: [1, 2], ends: ['closed', 'aborted'] });
});

test('a sink in memory gives what was written, with its type', async () => {
  const sink = memorySink('text/plain');
  await sink.write(new TextEncoder().encode('one '));
  await sink.write(new TextEncoder().encode('two'));
  const blob = await sink.close();
  expect(blob?.type).toBe('text/plain');
  expect(await blob?.text()).toBe('one two');
});

test('where there is no private file system, its sink says so', async () => {
  await expect(opfsSink('x')).rejects.toMatchObject({ code: 'file_unwritable' });
});
