import * as fc from 'fast-check';
import { WalCorruptError, WalVersionError } from 'rxwal';
import { decodeHeader, encodeHeader, type SegmentHeader } from '../../src/format/header';
import { headerBytes, hex, le } from '../support/bytes';
import { LOG_ID, flippedBits, truncations } from '../support/logs';

const FILE = 'wal_00000007.log';
const GOOD = headerBytes({ firstLsn: 42, logId: LOG_ID });

function refusalOf(bytes: Uint8Array): unknown {
  try {
    decodeHeader(bytes, FILE);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('header', () => {
  it('encodes and decodes any first LSN and any log id', () => {
    const lsn = fc.integer({ min: 1, max: 2 ** 52 });
    fc.assert(
      fc.property(lsn, fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.boolean(), (firstLsn, logId, groups) => {
        const bytes = encodeHeader({ firstLsn, logId, groups });
        expect(hex(bytes)).toBe(hex(headerBytes({ firstLsn, logId, flags: groups ? 1 : 0 })));
        expect(decodeHeader(bytes, FILE)).toEqual<SegmentHeader>({ firstLsn, logId, groups });
      }),
    );
  });

  it.each([1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 40, 2 ** 52 - 1, 2 ** 52])(
    'first LSN %d',
    (firstLsn) => {
      expect(decodeHeader(encodeHeader({ firstLsn, logId: LOG_ID }), FILE).firstLsn).toBe(firstLsn);
    },
  );

  it('allows groups in every segment that is made', () => {
    expect(decodeHeader(encodeHeader({ firstLsn: 1, logId: LOG_ID }), FILE).groups).toBe(true);
    expect(decodeHeader(headerBytes({ firstLsn: 1, logId: LOG_ID, flags: 0 }), FILE).groups).toBe(false);
  });

  it('keeps no view of the bytes it was given', () => {
    const bytes = GOOD.slice();
    const { logId } = decodeHeader(bytes, FILE);
    bytes.fill(0);
    expect(hex(logId)).toBe(hex(LOG_ID));
  });

  it('reads no further than its 32 bytes', () => {
    expect(decodeHeader(Buffer.concat([GOOD, Buffer.alloc(100, 0xff)]), FILE).firstLsn).toBe(42);
  });

  it.each<[what: string, bytes: Uint8Array, reason: string]>([
    ['nothing', new Uint8Array(0), 'a header takes 32 bytes and there are 0'],
    ['31 bytes', GOOD.subarray(0, 31), 'a header takes 32 bytes and there are 31'],
    ['zeros', new Uint8Array(32), 'it does not begin with "RXWL"'],
    ['another magic', headerBytes({ firstLsn: 1, logId: LOG_ID, magic: 'LWXR' }), 'it does not begin with "RXWL"'],
    ['a wrong checksum', GOOD.map((byte, at) => (at === 9 ? 1 : byte)), "the header's checksum does not match"],
    ['version 0', headerBytes({ firstLsn: 1, logId: LOG_ID, version: 0 }), 'format version 0 never existed'],
    ['a reserved byte', headerBytes({ firstLsn: 1, logId: LOG_ID, reserved: 1 }), 'its reserved bytes are not zero'],
    ['first LSN 0', headerBytes({ firstLsn: 0, logId: LOG_ID }), '0 is no first LSN'],
    ['a first LSN of 2^53', headerBytes({ firstLsn: 2 ** 53, logId: LOG_ID }), '9007199254740992 is no first LSN'],
    [
      'a first LSN above 2^52',
      headerBytes({ firstLsn: 2 ** 52 + 1, logId: LOG_ID }),
      '4503599627370497 is no first LSN',
    ],
  ])('refuses %s as damage', (_what, bytes, reason) => {
    const error = refusalOf(bytes);
    expect(error).toBeInstanceOf(WalCorruptError);
    expect(error).toMatchObject({ file: FILE, offset: 0, lsn: 0, reason });
  });

  it.each<[what: string, bytes: Uint8Array, message: RegExp]>([
    [
      'version 2',
      headerBytes({ firstLsn: 1, logId: LOG_ID, version: 2 }),
      /format version 2, this rxwal reads up to 1/,
    ],
    ['version 65,535', headerBytes({ firstLsn: 1, logId: LOG_ID, version: 65_535 }), /format version 65535/],
    [
      'a flag',
      headerBytes({ firstLsn: 1, logId: LOG_ID, flags: 0x0100 }),
      /flags 0x100, of which this rxwal knows 0x1/,
    ],
    ['a flag beside one that is known', headerBytes({ firstLsn: 1, logId: LOG_ID, flags: 3 }), /flags 0x3, of/],
    [
      'a newer version with a checksum of its own kind',
      Uint8Array.from([...GOOD.subarray(0, 4), ...le(2, 2), ...GOOD.subarray(6)]),
      /format version 2/,
    ],
  ])('refuses %s as newer, not as damage', (_what, bytes, message) => {
    const error = refusalOf(bytes);
    expect(error).toBeInstanceOf(WalVersionError);
    expect(error).toMatchObject({ code: 'WAL_VERSION', file: FILE });
    expect((error as Error).message).toMatch(message);
  });

  it('refuses every flipped bit and every shorter length', () => {
    const harmed = [...flippedBits(GOOD), ...truncations(GOOD)];
    expect(harmed).toHaveLength(32 * 8 + 32);
    const taken = harmed.filter(({ bytes }) => {
      const error = refusalOf(bytes);
      return !(error instanceof WalCorruptError || error instanceof WalVersionError);
    });
    expect(taken).toEqual([]);
  });
});
