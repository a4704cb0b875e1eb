// A QR code encoder (ISO/IEC 18004): byte mode, error correction level M, versions 1 to 15. Enough for links of 412 bytes.

/** For each version: error correction codewords per block, and blocks of each length (count, data codewords). Level M. */
const BLOCKS: [ec: number, ...groups: [count: number, data: number][]][] = [
  [10, [1, 16]],
  [16, [1, 28]],
  [26, [1, 44]],
  [18, [2, 32]],
  [24, [2, 43]],
  [16, [4, 27]],
  [18, [4, 31]],
  [22, [2, 38], [2, 39]],
  [22, [3, 36], [2, 37]],
  [26, [4, 43], [1, 44]],
  [30, [1, 50], [4, 51]],
  [22, [6, 36], [2, 37]],
  [22, [8, 37], [1, 38]],
  [24, [4, 40], [5, 41]],
  [24, [5, 41], [5, 42]],
];

const EXP = new Uint8Array(512);
const LOG = new Uint8Array(256);
for (let power = 0, value = 1; power < 255; power++) {
  EXP[power] = EXP[power + 255] = value;
  LOG[value] = power;
  value = (value << 1) ^ (value & 0x80 ? 0x11d : 0);
}

const multiply = (a: number, b: number): number => (a && b ? (EXP[LOG[a]! + LOG[b]!] ?? 0) : 0);

/** The Reed-Solomon codewords of `data` (§7.5). */
function errorCorrection(data: number[], count: number): number[] {
  let generator = [1];
  for (let power = 0; power < count; power++) {
    const next = new Array<number>(generator.length + 1).fill(0);
    generator.forEach((coefficient, index) => {
      next[index]! ^= coefficient;
      next[index + 1]! ^= multiply(coefficient, EXP[power]!);
    });
    generator = next;
  }
  const rest = [...data, ...new Array<number>(count).fill(0)];
  for (let index = 0; index < data.length; index++) {
    const factor = rest[index]!;
    if (factor) generator.forEach((coefficient, offset) => (rest[index + offset]! ^= multiply(coefficient, factor)));
  }
  return rest.slice(data.length);
}

/** All codewords of a text, interleaved (§7.6), and the version that holds them. */
function codewords(text: string): { version: number; words: number[] } {
  const bytes = [...new TextEncoder().encode(text)];
  const dataOf = (version: number): number =>
    (BLOCKS[version - 1]!.slice(1) as [number, number][]).reduce((sum, [count, data]) => sum + count * data, 0);
  let version = 1;
  while (version <= BLOCKS.length && bytes.length + (version < 10 ? 2 : 3) > dataOf(version)) version += 1;
  if (version > BLOCKS.length) throw new RangeError('The text is too long for a QR code.');

  const bits: number[] = [];
  const push = (value: number, length: number): void => {
    for (let bit = length - 1; bit >= 0; bit--) bits.push((value >> bit) & 1);
  };
  push(0b0100, 4);
  push(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) push(byte, 8);
  const capacity = dataOf(version) * 8;
  push(0, Math.min(4, capacity - bits.length));
  push(0, (8 - (bits.length % 8)) % 8);
  for (let pad = 0; bits.length < capacity; pad++) push(pad % 2 ? 0x11 : 0xec, 8);
  const data: number[] = [];
  for (let index = 0; index < bits.length; index += 8) data.push(Number.parseInt(bits.slice(index, index + 8).join(''), 2));

  const [ec, ...groups] = BLOCKS[version - 1]!;
  const blocks: { data: number[]; ec: number[] }[] = [];
  let at = 0;
  for (const [count, length] of groups) {
    for (let index = 0; index < count; index++) {
      const part = data.slice(at, at + length);
      at += length;
      blocks.push({ data: part, ec: errorCorrection(part, ec) });
    }
  }
  const words: number[] = [];
  const longest = Math.max(...blocks.map((block) => block.data.length));
  for (let index = 0; index < longest; index++) for (const block of blocks) if (index < block.data.length) words.push(block.data[index]!);
  for (let index = 0; index < ec; index++) for (const block of blocks) words.push(block.ec[index]!);
  return { version, words };
}

/** Where the centres of the alignment patterns stand (annex E). */
function alignment(version: number): number[] {
  if (version === 1) return [];
  const size = version * 4 + 17;
  const count = Math.floor(version / 7) + 2;
  const step = Math.ceil((size - 13) / (count * 2 - 2)) * 2;
  return [6, ...Array.from({ length: count - 1 }, (_, index) => size - 7 - (count - 2 - index) * step)];
}

const MASKS: ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

/** Remainder of a BCH code (annexes C and D). */
function bch(value: number, generator: number, bits: number): number {
  let rest = value << bits;
  const top = 31 - Math.clz32(generator);
  while (rest && 31 - Math.clz32(rest) >= top) rest ^= generator << (31 - Math.clz32(rest) - top);
  return (value << bits) | rest;
}

type Modules = (boolean | null)[][];

/** How bad a mask looks to a scanner (§7.8.3): runs, blocks, false finder patterns, imbalance. */
function penalty(modules: Modules): number {
  const size = modules.length;
  let score = 0;
  let dark = 0;
  const lines: string[] = [];
  for (let i = 0; i < size; i++) {
    lines.push(modules[i]!.map((on) => (on ? 1 : 0)).join(''), modules.map((row) => (row[i] ? 1 : 0)).join(''));
    for (let j = 0; j < size; j++) {
      if (modules[i]![j]) dark += 1;
      if (i && j && new Set([modules[i]![j], modules[i - 1]![j], modules[i]![j - 1], modules[i - 1]![j - 1]]).size === 1) score += 3;
    }
  }
  for (const line of lines) {
    for (const run of line.match(/(.)\1{4,}/g) ?? []) score += run.length - 2;
    for (const pattern of ['10111010000', '00001011101']) {
      for (let at = line.indexOf(pattern); at >= 0; at = line.indexOf(pattern, at + 1)) score += 40;
    }
  }
  return score + Math.floor(Math.abs((dark * 20) / (size * size) - 10)) * 10;
}

/** The QR code of a text: rows of modules, `true` is dark, without the quiet zone. */
export function encodeQr(text: string): boolean[][] {
  const { version, words } = codewords(text);
  const size = version * 4 + 17;
  const fixed: Modules = Array.from({ length: size }, () => new Array<boolean | null>(size).fill(null));
  const set = (x: number, y: number, on: boolean): void => {
    if (x >= 0 && y >= 0 && x < size && y < size) fixed[y]![x] = on;
  };
  const finder = (cx: number, cy: number): void => {
    for (let dy = -4; dy <= 4; dy++) {
      for (let dx = -4; dx <= 4; dx++) {
        const ring = Math.max(Math.abs(dx), Math.abs(dy));
        set(cx + dx, cy + dy, ring !== 2 && ring !== 4);
      }
    }
  };
  for (let index = 0; index < size; index++) {
    set(6, index, index % 2 === 0);
    set(index, 6, index % 2 === 0);
  }
  finder(3, 3);
  finder(size - 4, 3);
  finder(3, size - 4);
  const centres = alignment(version);
  const end = centres.length - 1;
  centres.forEach((cx, i) =>
    centres.forEach((cy, j) => {
      if ((i === 0 && j === 0) || (i === 0 && j === end) || (i === end && j === 0)) return;
      for (let dy = -2; dy <= 2; dy++) for (let dx = -2; dx <= 2; dx++) set(cx + dx, cy + dy, Math.max(Math.abs(dx), Math.abs(dy)) !== 1);
    }),
  );
  const format = (mask: number): void => {
    // Level M is 00.
    const bits = bch(mask, 0x537, 10) ^ 0x5412;
    const bit = (index: number): boolean => ((bits >> index) & 1) === 1;
    for (let index = 0; index < 6; index++) set(8, index, bit(index));
    set(8, 7, bit(6));
    set(8, 8, bit(7));
    set(7, 8, bit(8));
    for (let index = 9; index < 15; index++) set(14 - index, 8, bit(index));
    for (let index = 0; index < 8; index++) set(size - 1 - index, 8, bit(index));
    for (let index = 8; index < 15; index++) set(8, size - 15 + index, bit(index));
    set(8, size - 8, true);
  };
  format(0);
  if (version >= 7) {
    const bits = bch(version, 0x1f25, 12);
    for (let index = 0; index < 18; index++) {
      const on = ((bits >> index) & 1) === 1;
      set(size - 11 + (index % 3), Math.floor(index / 3), on);
      set(Math.floor(index / 3), size - 11 + (index % 3), on);
    }
  }

  const free = fixed.map((row) => row.map((on) => on === null));
  const filled = fixed.map((row) => [...row]);
  let bit = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step++) {
      const upward = ((right + 1) & 2) === 0;
      const y = upward ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (!free[y]![x]) continue;
        filled[y]![x] = (((words[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 1;
        bit += 1;
      }
    }
  }

  let best: boolean[][] = [];
  let bestPenalty = Number.POSITIVE_INFINITY;
  MASKS.forEach((mask, index) => {
    format(index);
    const masked = filled.map((row, y) => row.map((on, x) => (free[y]![x] ? Boolean(on) !== mask(x, y) : Boolean(fixed[y]![x]))));
    const score = penalty(masked);
    if (score < bestPenalty) {
      bestPenalty = score;
      best = masked;
    }
  });
  return best;
}
