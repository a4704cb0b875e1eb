import { describe, expect, test } from 'vitest';
import { pack, unpack } from '../src/pack.ts';

const hex = (buffer: ArrayBuffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const bytes = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16)).buffer;

describe('packed values', () => {
  test.each([
    null, true, false, 0, 1, 127, 128, 255, 65_535, 65_536, 4_294_967_295, 4_294_967_296, -1, -32, -33, -129, -2_147_483_648, -2_147_483_649, 0.5, -1e300, Number.MAX_SAFE_INTEGER,
    '', 'ä€😀', 'x'.repeat(15), 'x'.repeat(16), 'x'.repeat(70_000), [], [1, [2, ['three']]], {}, { a: null, 'ä': [{ b: 'c' }] },
    Array.from({ length: 20 }, (_, n) => n), Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`k${n}`, n])),
  ])('come out as they went in: %#', (value) => {
    expect(unpack(pack(value))).toEqual(value);
  });

  test('bytes come out as an ArrayBuffer, from any view', () => {
    for (const length of [0, 5, 16, 70_000]) {
      const whole = new Uint8Array(length + 2).fill(7);
      expect(unpack(pack(whole.subarray(1, length + 1)))).toEqual(new Uint8Array(length).fill(7).buffer);
    }
  });

  test("have PeerJS's own form", () => {
    expect(hex(pack({ a: 'b', n: [1, -1, 200, null] }))).toBe('82b161b162b16e9401ffce000000c8c0');
    // Made with PeerJS's client 1.5.5, which has more forms of numbers.
    expect(unpack(bytes('82b161b162b16e9401ffccc8c0'))).toEqual({ a: 'b', n: [1, -1, 200, null] });
    expect(unpack(bytes('93cd0100d18000cb3fe0000000000000'))).toEqual([256, -32_768, 0.5]);
  });

  test('that are cut short, nested without end or hostile throw or are harmless', () => {
    const whole = pack({ a: ['text', new Uint8Array(20), 1e9, 0.5] });
    for (let end = 0; end < whole.byteLength; end++) expect(() => unpack(whole.slice(0, end)), `${end}`).toThrow(RangeError);
    expect(() => unpack(new Uint8Array(10_000).fill(0x91).buffer)).toThrow(RangeError);
    expect(() => unpack(bytes('ddffffffff'))).toThrow(RangeError);
    const value = unpack(pack(JSON.parse('{"__proto__":{"evil":1}}'))) as object;
    expect(({} as { evil?: number }).evil).toBeUndefined();
    expect(Object.keys(value)).toEqual(['__proto__']);
  });
});
