import { createHash, webcrypto } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import type { FileSink, IncomingFile, Progress, Room, Transfer } from '../src/index.ts';
import { BlockHash } from '../src/files/hash.ts';
import { Sha256 } from '../src/files/sha256.ts';
import { pass, random, useWorld } from './support/world.ts';

const here = useWorld();
const MIB = 1024 * 1024;

/** Longer than a piece of any size that is used, so that no two places look the same. */
const PATTERN = Uint8Array.from({ length: MIB + 13 }, (_, at) => (at * 31 + (at >> 8) * 7 + (at >> 16)) & 255);

function pattern(from: number, to: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(to - from);
  for (let at = from; at < to; ) {
    const piece = PATTERN.subarray(at % PATTERN.length).subarray(0, to - at);
    bytes.set(piece, at - from);
    at += piece.length;
  }
  return bytes;
}

/** A file made as it is read. */
function file(size: number, name = 'big.bin'): { file: File; bytes: Uint8Array<ArrayBuffer> } {
  const slice = (from: number, to: number) => ({ arrayBuffer: () => Promise.resolve(pattern(from, to).buffer) });
  return {
    file: { name, size, type: 'application/test', slice } as unknown as File,
    get bytes() {
      return pattern(0, size);
    },
  };
}

/** Collects what is written. */
class Sink implements FileSink {
  parts: Uint8Array[] = [];
  closed = false;
  aborted = false;
  /** Time that a write takes. */
  slow = 0;
  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.slow) await new Promise((resolve) => setTimeout(resolve, this.slow));
    this.parts.push(bytes.slice());
  }
  close(): null {
    this.closed = true;
    return null;
  }
  abort(): void {
    this.aborted = true;
  }
  bytes(): Uint8Array {
    return Buffer.concat(this.parts);
  }
}

async function pair(): Promise<[Room, Room]> {
  const ann = await here.world.join('Ann');
  const ben = await here.world.join('Ben');
  await pass(500);
  return [ann, ben];
}

/** Ben accepts whatever comes, into `sink`. */
function accept(ben: Room, sink: FileSink): { transfers: Transfer[]; offers: IncomingFile[] } {
  const transfers: Transfer[] = [];
  const offers: IncomingFile[] = [];
  ben.on('file', (offer) => {
    offers.push(offer);
    transfers.push(offer.accept({ sink }));
  });
  return { transfers, offers };
}

const to = (room: Room, other: Room) => room.peers.get(other.you)!;
const state = (transfer: Transfer) => transfer.getSnapshot().state;

describe('sending a file', () => {
  test('it is offered with name, size and type, and arrives whole when accepted', async () => {
    const [ann, ben] = await pair();
    const sink = new Sink();
    const { offers, transfers } = accept(ben, sink);
    const { file: data, bytes } = file(5 * MIB + 123);
    const transfer = await to(ann, ben).sendFile(data);
    await pass(5_000);
    expect(offers).toMatchObject([{ name: 'big.bin', size: bytes.length, type: 'application/test', from: { name: 'Ann' } }]);
    expect(Buffer.compare(sink.bytes(), bytes)).toBe(0);
    expect(sink.closed).toBe(true);
    expect([state(transfer), state(transfers[0]!)]).toEqual(['done', 'done']);
    await expect(transfer.done).resolves.toBeNull();
  });

  test('an empty file arrives too', async () => {
    const [ann, ben] = await pair();
    const sink = new Sink();
    accept(ben, sink);
    const transfer = await to(ann, ben).sendFile(file(0).file);
    await pass(500);
    expect(state(transfer)).toBe('done');
    expect(sink.closed).toBe(true);
  });

  test('several at once, in both directions', async () => {
    const [ann, ben] = await pair();
    const sinks = [new Sink(), new Sink(), new Sink()];
    let next = 0;
    for (const room of [ann, ben]) room.on('file', (offer) => offer.accept({ sink: sinks[next++]! }));
    const files = [file(2 * MIB), file(MIB + 1), file(3 * MIB)];
    const transfers = [await to(ann, ben).sendFile(files[0]!.file), await to(ann, ben).sendFile(files[1]!.file), await to(ben, ann).sendFile(files[2]!.file)];
    await pass(5_000);
    expect(transfers.map(state)).toEqual(['done', 'done', 'done']);
    expect(sinks.map((sink) => sink.bytes().length).sort()).toEqual(files.map(({ bytes }) => bytes.length).sort());
  });

  test('declined: the sender hears so', async () => {
    const [ann, ben] = await pair();
    ben.on('file', (offer) => offer.decline());
    const transfer = await to(ann, ben).sendFile(file(MIB).file);
    await pass(500);
    await expect(transfer.done).rejects.toMatchObject({ code: 'file_declined' });
  });

  test.each(['sender', 'receiver'])('cancelled by the %s: both ends stop, and the sink forgets', async (who) => {
    const [ann, ben] = await pair();
    const sink = new Sink();
    const { transfers } = accept(ben, sink);
    const transfer = await to(ann, ben).sendFile(file(5 * MIB).file);
    await pass(200);
    (who === 'sender' ? transfer : transfers[0]!).cancel();
    await pass(500);
    await expect(transfer.done).rejects.toMatchObject({ code: 'file_cancelled' });
    await expect(transfers[0]!.done).rejects.toMatchObject({ code: 'file_cancelled' });
    expect(sink.aborted).toBe(true);
  });

  test('aborting the signal cancels', async () => {
    const [ann, ben] = await pair();
    accept(ben, new Sink());
    const stop = new AbortController();
    const transfer = await to(ann, ben).sendFile(file(5 * MIB).file, { signal: stop.signal });
    await pass(200);
    stop.abort();
    await expect(transfer.done).rejects.toMatchObject({ code: 'file_cancelled' });
  });

  test('paused by either side it stands still, until that side resumes it', async () => {
    here.world.network.burst = 1;
    const [ann, ben] = await pair();
    const { transfers } = accept(ben, new Sink());
    const transfer = await to(ann, ben).sendFile(file(5 * MIB).file);
    await pass(150);
    transfers[0]!.pause();
    await pass(500);
    expect(transfer.getSnapshot()).toMatchObject({ state: 'paused', pausedBy: 'them' });
    const { bytes } = transfer.getSnapshot();
    await pass(5_000);
    expect(transfer.getSnapshot().bytes).toBe(bytes);
    transfers[0]!.resume();
    transfer.pause();
    await pass(500);
    expect(transfers[0]!.getSnapshot()).toMatchObject({ state: 'paused', pausedBy: 'them' });
    transfer.resume();
    await pass(5_000);
    expect([state(transfer), state(transfers[0]!)]).toEqual(['done', 'done']);
  });

  test('progress grows to the end, with rate and remaining time', async () => {
    here.world.network.burst = 1;
    const [ann, ben] = await pair();
    accept(ben, new Sink());
    const seen: Progress[] = [];
    const transfer = await to(ann, ben).sendFile(file(5 * MIB).file, { onProgress: (progress) => seen.push(progress) });
    const iterated: number[] = [];
    const reading = (async () => {
      for await (const { bytes } of transfer.progress()) iterated.push(bytes);
    })();
    await pass(10_000);
    await reading;
    expect(seen.some(({ rate, remaining }) => rate > MIB && remaining !== null && remaining < 60)).toBe(true);
    expect(iterated).toEqual([...iterated].sort((a, b) => a - b));
    expect(iterated.at(-1)).toBe(5 * MIB);
  });

  test('a slow receiver slows the sender: no more than 8 MiB are ahead of what is stored', async () => {
    const [ann, ben] = await pair();
    const sink = new Sink();
    sink.slow = 200;
    const { transfers } = accept(ben, sink);
    const transfer = await to(ann, ben).sendFile(file(12 * MIB).file);
    await pass(1_500);
    const channel = here.world.network.made.flatMap(({ channels }) => channels)[0]!;
    expect(channel.mostBuffered).toBeLessThan(4 * MIB);
    expect(sink.bytes().length).toBeLessThan(8 * MIB);
    await pass(20_000);
    expect([state(transfer), state(transfers[0]!)]).toEqual(['done', 'done']);
  });

  test('changed bytes are found at the end', async () => {
    const [ann, ben] = await pair();
    const sink = new Sink();
    const { transfers } = accept(ben, sink);
    const { file: data } = file(2 * MIB);
    const transfer = await to(ann, ben).sendFile(data);
    const channel = here.world.network.made.flatMap(({ channels }) => channels).find(({ other }) => other)!;
    for (const end of [channel, channel.other!]) {
      const receive = end.onmessage!;
      end.onmessage = (event) => {
        if (typeof event.data !== 'string') new Uint8Array(event.data)[1_000]! ^= 1;
        receive(event);
      };
    }
    await pass(3_000);
    await expect(transfers[0]!.done).rejects.toMatchObject({ code: 'file_corrupt' });
    await expect(transfer.done).rejects.toMatchObject({ code: 'file_corrupt' });
    expect(sink.aborted).toBe(true);
  });

  test('a file that became shorter is told at both ends', async () => {
    const [ann, ben] = await pair();
    const { transfers } = accept(ben, new Sink());
    const { file: data } = file(2 * MIB);
    Object.assign(data, { slice: () => ({ arrayBuffer: () => Promise.resolve(new ArrayBuffer(3)) }) });
    const transfer = await to(ann, ben).sendFile(data);
    await pass(500);
    await expect(transfer.done).rejects.toMatchObject({ code: 'file_unreadable' });
    await expect(transfers[0]!.done).rejects.toMatchObject({ code: 'file_unreadable' });
  });

  test('a disk that is full is told at both ends', async () => {
    const [ann, ben] = await pair();
    const full = Object.assign(new Sink(), { write: () => Promise.reject(new DOMException('full', 'QuotaExceededError')) });
    const { transfers } = accept(ben, full);
    const transfer = await to(ann, ben).sendFile(file(2 * MIB).file);
    await pass(500);
    await expect(transfer.done).rejects.toMatchObject({ code: 'file_unwritable' });
    await expect(transfers[0]!.done).rejects.toMatchObject({ code: 'file_unwritable' });
  });

  test('names cannot leave the folder or hide', async () => {
    const [ann, ben] = await pair();
    const names: string[] = [];
    ben.on('file', ({ name }) => names.push(name));
    for (const name of ['../../etc/passwd', 'C:\\x\\evil.exe', '.bashrc', 'a\u0000b:c', '..', '/']) await to(ann, ben).sendFile(file(1, name).file);
    await pass(500);
    expect(names).toEqual(['passwd', 'evil.exe', 'bashrc', 'a_b_c', 'file', 'file']);
  });

  test('the other side leaves: the transfer fails at once', async () => {
    const [ann, ben] = await pair();
    accept(ben, new Sink());
    const transfer = await to(ann, ben).sendFile(file(5 * MIB).file);
    await pass(200);
    await ben.leave();
    await pass(200);
    await expect(transfer.done).rejects.toMatchObject({ code: 'peer_gone' });
    expect(ann.getSnapshot().files).toMatchObject([{ state: 'failed', peerName: 'Ben' }]);
  });
});

describe('after the connection broke', () => {
  /** Ends one of the two connections as a crash of the network process would. */
  const breakOne = (n: number) => {
    const alive = [...here.world.network.all.values()];
    alive[n % alive.length]?.close();
  };

  test('it goes on where it was, without sending again what had arrived', async () => {
    const [ann, ben] = await pair();
    const sink = new Sink();
    const { transfers } = accept(ben, sink);
    const { file: data, bytes } = file(5 * MIB);
    const reads: number[] = [];
    const slice = data.slice.bind(data);
    Object.assign(data, { slice: (from: number, end: number) => (reads.push(from), slice(from, end)) });
    const transfer = await to(ann, ben).sendFile(data);
    await pass(200);
    breakOne(0);
    await pass(500);
    expect([state(transfer), state(transfers[0]!)]).toEqual(['interrupted', 'interrupted']);
    const stored = sink.bytes().length;
    expect(stored).toBeGreaterThan(2 * MIB);
    reads.length = 0;
    await pass(20_000);
    expect([state(transfer), state(transfers[0]!)]).toEqual(['done', 'done']);
    expect(Math.min(...reads)).toBeGreaterThanOrEqual(stored);
    expect(Buffer.compare(sink.bytes(), bytes)).toBe(0);
  });

  test.each([1, 2, 3, 4, 5, 6])('cut at random places, it arrives whole (%i)', async (seed) => {
    const next = random(seed);
    const [ann, ben] = await pair();
    const sink = new Sink();
    sink.slow = Math.floor(next() * 20);
    here.world.network.burst = 1;
    const { transfers, offers } = accept(ben, sink);
    const { file: data, bytes } = file(4 * MIB + Math.floor(next() * MIB));
    const transfer = await to(ann, ben).sendFile(data);
    for (let cut = 0; cut < 6; cut++) {
      await pass(Math.floor(next() * 250));
      breakOne(Math.floor(next() * 2));
      await pass(1_000 + Math.floor(next() * 3_000));
    }
    await pass(20_000);
    expect([state(transfer), state(transfers[0]!)]).toEqual(['done', 'done']);
    expect(offers).toHaveLength(1);
    expect(Buffer.compare(sink.bytes(), bytes)).toBe(0);
  });

  test('a pause outlives it, and so does what was not yet answered', async () => {
    const [ann, ben] = await pair();
    const sink = new Sink();
    const offers: IncomingFile[] = [];
    ben.on('file', (offer) => offers.push(offer));
    const transfer = await to(ann, ben).sendFile(file(6 * MIB).file);
    await pass(200);
    breakOne(0);
    await pass(3_000);
    expect(state(transfer)).toBe('offered');
    const received = offers[0]!.accept({ sink });
    await pass(50);
    received.pause();
    await pass(500);
    breakOne(1);
    await pass(5_000);
    expect(transfer.getSnapshot()).toMatchObject({ state: 'paused', pausedBy: 'them' });
    received.resume();
    await pass(5_000);
    expect([state(transfer), state(received)]).toEqual(['done', 'done']);
    expect(offers).toHaveLength(1);
  });

  test('cancelled meanwhile, the other side hears of it later', async () => {
    const [ann, ben] = await pair();
    const { transfers } = accept(ben, new Sink());
    const transfer = await to(ann, ben).sendFile(file(5 * MIB).file);
    await pass(200);
    breakOne(0);
    await pass(100);
    transfer.cancel();
    await pass(5_000);
    expect(state(transfers[0]!)).toBe('failed');
  });
});

describe('the check', () => {
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

  test('our SHA-256 is that of FIPS 180-4, whatever the pieces', () => {
    const next = random(1);
    const bytes = pattern(0, 10_000);
    for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 128, 1_000, 10_000]) {
      const hash = new Sha256();
      for (let at = 0; at < length; ) {
        const piece = Math.min(length - at, 1 + Math.floor(next() * 150));
        hash.update(bytes.subarray(at, at + piece));
        at += piece;
      }
      expect(Buffer.from(hash.digest()).toString('hex'), String(length)).toBe(sha256(bytes.subarray(0, length)).toString('hex'));
    }
  });

  test.each(['the browser', 'ourselves'])('is the hash of the hashes of blocks of 1 MiB, by %s', async (by) => {
    vi.useRealTimers();
    if (by === 'the browser') vi.stubGlobal('crypto', webcrypto);
    for (const size of [0, 1, MIB, MIB + 1, 2 * MIB + 77]) {
      const bytes = pattern(0, size);
      const blocks = Array.from({ length: Math.ceil(size / MIB) }, (_, index) => sha256(bytes.subarray(index * MIB, (index + 1) * MIB)));
      const hash = new BlockHash();
      for (let at = 0; at < size; at += 300_000) hash.update(bytes.subarray(at, at + 300_000));
      expect(await hash.digest(), String(size)).toBe(sha256(Buffer.concat(blocks)).toString('hex'));
    }
    vi.useFakeTimers();
  });
});
