import * as fc from 'fast-check';
import { buf } from 'crc-32';
import { crc32 as zlibCrc32 } from 'node:zlib';
import { crc32, crc32Start } from '../../src/format/crc';

/** Longer than any place where the one implementation could take over from the other. */
const MANY = 1200;
const BYTES = Uint8Array.from({ length: 70_000 }, (_, at) => (at * 167 + (at >>> 8) * 13) & 0xff);

describe('crc32', () => {
  it('is the one of zip: the check value of every CRC catalogue', () => {
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926);
    expect(crc32(new Uint8Array(0))).toBe(0);
    expect(crc32(new Uint8Array(4))).toBe(0x2144df1c);
  });

  it('crc-32, zlib and the choice between them agree at every size around the crossover, with any start value', () => {
    const differing: number[] = [];
    for (let size = 0; size <= MANY; size += 1) {
      const bytes = BYTES.subarray(size, 2 * size);
      for (const start of [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
        const expected = zlibCrc32(bytes, start);
        if (crc32(bytes, start) !== expected || buf(bytes, start) >>> 0 !== expected) differing.push(size);
      }
    }
    expect(differing).toEqual([]);
  });

  it('goes on from a start value, wherever a piece is cut', () => {
    const whole = zlibCrc32(BYTES);
    const cut = fc.nat({ max: BYTES.length });
    fc.assert(
      fc.property(cut, cut, (one, other) => {
        const [a, b] = [Math.min(one, other), Math.max(one, other)];
        const pieces = [BYTES.subarray(0, a), BYTES.subarray(a, b), BYTES.subarray(b)];
        expect(pieces.reduce((crc, piece) => crc32(piece, crc), 0)).toBe(whole);
      }),
      { numRuns: 50 },
    );
  });

  it('is never negative', () => {
    for (let size = 0; size < 100; size += 1) expect(crc32(BYTES.subarray(0, size))).toBeGreaterThanOrEqual(0);
  });

  it('reads a view where it begins, of any buffer', () => {
    const copy = Uint8Array.from(BYTES.subarray(3, 1003));
    expect(crc32(BYTES.subarray(3, 1003))).toBe(crc32(copy));
    expect(crc32(Buffer.from(copy))).toBe(crc32(copy));
  });
});

describe('crc32Start', () => {
  it('is what the calculation began with, for any bytes and any start', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.integer({ min: 0, max: 0xffff_ffff }), (bytes, start) => {
        expect(crc32Start(bytes, zlibCrc32(bytes, start))).toBe(start);
      }),
    );
  });
});
