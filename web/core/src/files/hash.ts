// The check of a file: the SHA-256 of the SHA-256 of its blocks. Block by block the browser's own SHA-256 can be used, which is fast and off the
// main thread; it takes no input piece by piece, so that for a whole file it would need the whole file in memory.

import { hex } from '../util.ts';
import { Sha256 } from './sha256.ts';

/** Length of a block; the last one may be shorter. */
export const BLOCK = 1024 * 1024;

export class BlockHash {
  #block = new Uint8Array(BLOCK);
  #filled = 0;
  #digests: Promise<Uint8Array>[] = [];
  /** Bytes taken in. */
  length = 0;

  update(bytes: Uint8Array): void {
    this.length += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + BLOCK - this.#filled);
      this.#block.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === BLOCK) this.#next();
    }
  }

  /** The check in hexadecimal digits. Ends the use of this object. */
  async digest(): Promise<string> {
    if (this.#filled) this.#next();
    const digests = await Promise.all(this.#digests);
    const all = new Uint8Array(digests.length * 32);
    digests.forEach((digest, index) => all.set(digest, index * 32));
    return hex(await sha256(all));
  }

  #next(): void {
    this.#digests.push(sha256(this.#block.subarray(0, this.#filled)));
    this.#filled = 0;
  }
}

/** By the browser, which copies its input at once; by ourselves on insecure pages, where the browser has none. */
async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const subtle = crypto.subtle as SubtleCrypto | undefined;
  return subtle ? new Uint8Array(await subtle.digest('SHA-256', bytes)) : new Sha256().update(bytes).digest();
}
