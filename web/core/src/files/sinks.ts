// Where received files go.

import { ParlourError } from '../errors.ts';
import type { FileSink } from '../types.ts';
import { randomHex } from '../util.ts';

/** Below this size memory is simplest. */
const SMALL = 16 * 1024 * 1024;
const DIRECTORY = 'parlour-files';
/** Files that a page left behind are removed after this time. */
const FORGET_MS = 24 * 3_600_000;

/** Keeps a received file in memory; gives a `Blob`. */
export function memorySink(type = ''): FileSink {
  let parts: BlobPart[] = [];
  return {
    write(bytes) {
      // A Blob leaves the storing to the browser, which may put it on disk.
      parts.push(new Blob([bytes]));
    },
    close: () => new Blob(parts, { type }),
    abort() {
      parts = [];
    },
  };
}

/** Keeps a received file in the browser's private file system, outside memory; gives a `File`. Rejects where there is none. */
export async function opfsSink(name: string, type = ''): Promise<FileSink> {
  const storage = navigator.storage as StorageManager | undefined;
  const root = await storage?.getDirectory?.();
  if (!root) throw new ParlourError('file_unwritable', 'This page has no private file system. Open the https:// link, or save to memory.');
  const directory = await root.getDirectoryHandle(DIRECTORY, { create: true });
  void forgetOld(directory);
  const entry = `${Date.now()}-${randomHex(8)}`;
  const handle = await directory.getFileHandle(entry, { create: true });
  const stream = await handle.createWritable();
  return {
    write: (bytes) => stream.write(bytes),
    async close() {
      await stream.close();
      return new File([await handle.getFile()], name, { type });
    },
    async abort() {
      await stream.abort();
      await directory.removeEntry(entry);
    },
  };
}

/** Writes a received file to a stream, for example `await (await showSaveFilePicker()).createWritable()`. Gives no `Blob`. */
export function writableSink(stream: WritableStream<Uint8Array<ArrayBuffer>>): FileSink {
  const writer = stream.getWriter();
  return {
    write: (bytes) => writer.write(bytes),
    close: () => writer.close().then(() => null),
    abort: () => writer.abort(),
  };
}

/** The private file system for what is large, where there is one; else memory. */
export async function defaultSink(name: string, type: string, size: number): Promise<FileSink> {
  if (size <= SMALL) return memorySink(type);
  return opfsSink(name, type).catch(() => memorySink(type));
}

async function forgetOld(directory: FileSystemDirectoryHandle): Promise<void> {
  for await (const name of directory.keys()) {
    if (Date.now() - Number(name.split('-')[0]) > FORGET_MS) await directory.removeEntry(name).catch(() => {});
  }
}
