// SHA-256 (FIPS 180-4) for insecure pages, where there is no `crypto.subtle`.

const K = new Int32Array(64);
const H = new Int32Array(8);

/** The constants are the fractional parts of roots of the first primes; exact in double precision to 32 bits. */
function fraction(x: number): number {
  return ((x - Math.floor(x)) * 0x1_0000_0000) | 0;
}

for (let n = 2, found = 0; found < 64; n++) {
  let prime = true;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
  if (!prime) continue;
  if (found < 8) H[found] = fraction(Math.sqrt(n));
  K[found++] = fraction(Math.cbrt(n));
}

export class Sha256 {
  readonly #state = H.slice();
  readonly #block = new Uint8Array(64);
  readonly #words = new Int32Array(64);
  #filled = 0;
  #length = 0;

  update(bytes: Uint8Array): this {
    let at = 0;
    this.#length += bytes.length;
    if (this.#filled) {
      at = Math.min(64 - this.#filled, bytes.length);
      this.#block.set(bytes.subarray(0, at), this.#filled);
      this.#filled += at;
      if (this.#filled < 64) return this;
      this.#compress(this.#block, 0);
      this.#filled = 0;
    }
    for (; at + 64 <= bytes.length; at += 64) this.#compress(bytes, at);
    this.#block.set(bytes.subarray(at));
    this.#filled = bytes.length - at;
    return this;
  }

  /** The digest, 32 bytes. Ends the use of this object. */
  digest(): Uint8Array<ArrayBuffer> {
    const bits = this.#length * 8;
    const rest = new Uint8Array(this.#filled < 56 ? 64 - this.#filled : 128 - this.#filled);
    rest[0] = 0x80;
    const view = new DataView(rest.buffer);
    view.setUint32(rest.length - 8, Math.floor(bits / 0x1_0000_0000));
    view.setUint32(rest.length - 4, bits >>> 0);
    this.update(rest);
    const out = new DataView(new ArrayBuffer(32));
    this.#state.forEach((word, index) => out.setInt32(index * 4, word));
    return new Uint8Array(out.buffer);
  }

  #compress(bytes: Uint8Array, at: number): void {
    const w = this.#words;
    const s = this.#state;
    for (let i = 0; i < 16; i++, at += 4) w[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15]!;
      const y = w[i - 2]!;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
    }
    let a = s[0]!, b = s[1]!, c = s[2]!, d = s[3]!, e = s[4]!, f = s[5]!, g = s[6]!, h = s[7]!;
    for (let i = 0; i < 64; i++) {
      const S1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + S1 + ((e & f) ^ (~e & g)) + K[i]! + w[i]!) | 0;
      const S0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (S0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    s[0] = (s[0]! + a) | 0;
    s[1] = (s[1]! + b) | 0;
    s[2] = (s[2]! + c) | 0;
    s[3] = (s[3]! + d) | 0;
    s[4] = (s[4]! + e) | 0;
    s[5] = (s[5]! + f) | 0;
    s[6] = (s[6]! + g) | 0;
    s[7] = (s[7]! + h) | 0;
  }
}
