import * as fc from 'fast-check';
import { readLsn, readUint32, writeLsn, writeUint32 } from '../../src/format/integers';

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const lsn = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

describe('integers', () => {
  it('a u32 is what a DataView writes and reads, little-endian', () => {
    fc.assert(
      fc.property(uint32, fc.nat({ max: 5 }), (value, at) => {
        const bytes = new Uint8Array(9);
        writeUint32(bytes, at, value);
        expect(new DataView(bytes.buffer).getUint32(at, true)).toBe(value);
        expect(readUint32(bytes, at)).toBe(value);
      }),
    );
  });

  it('a u64 is what a DataView writes and reads, up to 2^53 - 1', () => {
    fc.assert(
      fc.property(lsn, fc.nat({ max: 5 }), (value, at) => {
        const bytes = new Uint8Array(13);
        writeLsn(bytes, at, value);
        expect(new DataView(bytes.buffer).getBigUint64(at, true)).toBe(BigInt(value));
        expect(readLsn(bytes, at)).toBe(value);
      }),
    );
  });

  it.each([0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 48, 2 ** 53 - 1])('%d', (value) => {
    const bytes = new Uint8Array(8);
    writeLsn(bytes, 0, value);
    expect(readLsn(bytes, 0)).toBe(value);
  });

  it('a u64 past 2^53 - 1 reads as a number that is no safe integer, and so as no LSN', () => {
    const past = fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n });
    fc.assert(
      fc.property(past, (value) => {
        const bytes = new Uint8Array(8);
        new DataView(bytes.buffer).setBigUint64(0, value, true);
        expect(Number.isSafeInteger(readLsn(bytes, 0))).toBe(false);
      }),
    );
  });
});
