import { describe, expect, it } from 'vitest';
import { encodeQr } from '../src/lib/qr.ts';

const draw = (text: string): string[] => encodeQr(text).map((row) => row.map((on) => (on ? '#' : '.')).join(''));

describe('the QR code', () => {
  it('has its finder and timing patterns (ISO/IEC 18004 §6.3)', () => {
    for (const text of ['a', 'https://192.0.2.2:8443/r/quiet-otter-4821', 'x'.repeat(300)]) {
      const rows = draw(text);
      const size = rows.length;
      expect((size - 17) % 4).toBe(0);
      for (const [x, y] of [
        [0, 0],
        [size - 7, 0],
        [0, size - 7],
      ] as const) {
        expect(rows.slice(y, y + 7).map((row) => row.slice(x, x + 7))).toEqual(['#######', '#.....#', '#.###.#', '#.###.#', '#.###.#', '#.....#', '#######']);
      }
      for (let index = 8; index < size - 8; index++) expect(rows[6]?.[index]).toBe(index % 2 === 0 ? '#' : '.');
    }
  });

  it('says twice that it is of level M and which mask it has (§7.9)', () => {
    const rows = draw('https://192.0.2.2:8443/r/quiet-otter-4821');
    const size = rows.length;
    const at = (x: number, y: number): number => (rows[y]?.[x] === '#' ? 1 : 0);
    const around: [number, number][] = [[8, 0], [8, 1], [8, 2], [8, 3], [8, 4], [8, 5], [8, 7], [8, 8], [7, 8], [5, 8], [4, 8], [3, 8], [2, 8], [1, 8], [0, 8]];
    const split: [number, number][] = Array.from({ length: 15 }, (_, index) => (index < 8 ? [size - 1 - index, 8] : [8, size - 15 + index]));
    const read = (cells: [number, number][]): number => cells.reduce((bits, [x, y], index) => bits | (at(x, y) << index), 0) ^ 0x5412;
    expect(read(around)).toBe(read(split));
    expect(read(around) >> 13).toBe(0b00);
  });

  it('refuses a text that does not fit', () => {
    expect(() => encodeQr('x'.repeat(413))).toThrow(RangeError);
  });
});
