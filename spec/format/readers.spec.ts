import * as fc from 'fast-check';
import { WalCorruptError, WalVersionError, type Holds } from 'rxwal';
import {
  MAX_READERS,
  MAX_READERS_FILE_BYTES,
  decodeReadersFile,
  encodeReadersFile,
  nameFault,
} from '../../src/format/readers';
import { ascii, frameBytes, headerBytes, hex, join, unhex } from '../support/bytes';
import { LOG_ID, OTHER_LOG_ID, flippedBits, truncations } from '../support/logs';

const MOVED_AT = Date.UTC(2026, 0, 1);

/** Frozen with version 1: two readers, by name, of the log a1b2c3d4e5f60718. */
const HOLDS: Holds = {
  readers: [
    { name: 'mail', lsn: 2, movedAt: MOVED_AT },
    { name: 'search', lsn: 3, movedAt: MOVED_AT },
  ],
  cutLsn: 0,
};
const GOLDEN = unhex(`
  5258574c 0100 0000 0300000000000000 a1b2c3d4e5f60718 00000000 13b2ee80
  5c000000 0200000000000000
  b90002 67 72656164657273 82
    b90003 64 6e616d65 64 6d61696c       63 6c736e 02  67 6d6f7665644174 fb4279b76daa800000
    b90003 64 6e616d65 66 736561726368   63 6c736e 03  67 6d6f7665644174 fb4279b76daa800000
  66 6375744c736e 00
  e9001fe8
`);

const lsn = fc.integer({ min: 0, max: 2 ** 52 - 1 });
const holds = fc
  .record({
    readers: fc.uniqueArray(
      fc.record({
        name: fc.string({ minLength: 1, maxLength: 200, unit: 'binary' }).filter((name) => name.length <= 200),
        lsn,
        movedAt: fc.integer({ min: 0, max: 8.64e15 }),
      }),
      { selector: ({ name }) => name, maxLength: 20 },
    ),
    cutLsn: lsn,
  })
  .map(({ readers, cutLsn }): Holds => ({
    readers: readers.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    cutLsn,
  }));

function refusalOf(bytes: Uint8Array): unknown {
  try {
    return decodeReadersFile(bytes);
  } catch (error) {
    return error;
  }
}

describe('readers.meta', () => {
  it('golden bytes, both ways', () => {
    expect(hex(encodeReadersFile(HOLDS, LOG_ID))).toBe(hex(GOLDEN));
    expect(decodeReadersFile(GOLDEN)).toEqual({ holds: HOLDS, logId: LOG_ID });
  });

  it('golden bytes are a header and a frame of kind 0 of the slowest reader, by arithmetic of their own', () => {
    const payload = GOLDEN.subarray(44, GOLDEN.length - 4);
    expect(
      hex(join(headerBytes({ firstLsn: 3, logId: LOG_ID, flags: 0 }), frameBytes('record', 2, payload, LOG_ID))),
    ).toBe(hex(GOLDEN));
  });

  it('any readers, back as they were and in the order of their names', () => {
    fc.assert(
      fc.property(holds, (value) => {
        const shuffled = { ...value, readers: value.readers.toReversed() };
        const bytes = encodeReadersFile(shuffled, LOG_ID);
        expect(hex(bytes)).toBe(hex(encodeReadersFile(value, LOG_ID)));
        expect(decodeReadersFile(bytes)).toEqual({ holds: value, logId: LOG_ID });
      }),
    );
  });

  it('the most readers with the longest names fit', () => {
    const readers = Array.from({ length: MAX_READERS }, (_, nth) => ({
      name: String(nth).padStart(4, '0') + '\uffff'.repeat(196),
      lsn: 2 ** 52 - 1,
      movedAt: 8.64e15,
    }));
    const bytes = encodeReadersFile({ readers, cutLsn: 2 ** 52 - 1 }, LOG_ID);
    expect(bytes.length).toBeLessThan(MAX_READERS_FILE_BYTES);
    expect(decodeReadersFile(bytes).holds.readers).toEqual(readers);
  });

  it('refuses every flipped bit and every shorter length, with a typed error that names it', () => {
    const unlike = [...flippedBits(GOLDEN), ...truncations(GOLDEN)].filter((harmed) => {
      const error = refusalOf(harmed.bytes);
      return !(error instanceof WalCorruptError || error instanceof WalVersionError) || error.file !== 'readers.meta';
    });
    expect(unlike).toEqual([]);
  });

  const cbor = (value: Uint8Array | string, lsnOf = 0, logId = LOG_ID): Uint8Array =>
    join(headerBytes({ firstLsn: lsnOf + 1, logId: LOG_ID, flags: 0 }), frameBytes('record', lsnOf, value, logId));
  const NO_READERS = [0xa2, ...[0x67, ...ascii('readers')], 0x80, ...[0x66, ...ascii('cutLsn')], 0x00];
  const reader = (name: readonly number[], at = 0): number[] => [
    0xa3,
    ...[0x64, ...ascii('name'), ...name],
    ...[0x63, ...ascii('lsn'), at],
    ...[0x67, ...ascii('movedAt'), 0x00],
  ];
  const withReaders = (...readers: readonly (readonly number[])[]): Uint8Array =>
    join([0xa2, 0x67], ascii('readers'), [0x80 + readers.length], ...readers, [0x66], ascii('cutLsn'), [0x00]);

  it('reads the CBOR of another writer', () => {
    expect(decodeReadersFile(cbor(Uint8Array.from(NO_READERS))).holds).toEqual({ readers: [], cutLsn: 0 });
    expect(decodeReadersFile(cbor(withReaders(reader([0x61, 0x78], 5)), 5)).holds.readers).toEqual([
      { name: 'x', lsn: 5, movedAt: 0 },
    ]);
  });

  it.each<[what: string, bytes: Uint8Array, reason: string]>([
    ['a header only', headerBytes({ firstLsn: 1, logId: LOG_ID, flags: 0 }), 'the reader list is cut short'],
    ['something behind the frame', join(GOLDEN, [0]), 'the length of the reader list does not match'],
    [
      "another log's frame",
      cbor(Uint8Array.from(NO_READERS), 0, OTHER_LOG_ID),
      "the reader list's checksum does not match",
    ],
    [
      'a checkpoint',
      join(
        headerBytes({ firstLsn: 1, logId: LOG_ID, flags: 0 }),
        frameBytes('checkpoint', 0, Uint8Array.from(NO_READERS), LOG_ID),
      ),
      'it holds something other than a reader list',
    ],
    ['another LSN than its slowest reader', cbor(withReaders(reader([0x61, 0x78], 5)), 4), 'name different LSNs'],
    ['no CBOR', cbor(Uint8Array.of(0xff)), 'its payload is not that of readers'],
    ['nothing', cbor(''), 'its payload is not that of readers'],
    ['a list', cbor(Uint8Array.of(0x80)), 'its payload is not that of readers'],
    [
      'a name twice',
      cbor(withReaders(reader([0x61, 0x78]), reader([0x61, 0x78]))),
      'its payload is not that of readers',
    ],
    ['a name without a letter', cbor(withReaders(reader([0x60]))), 'its payload is not that of readers'],
    ['a name that is a number', cbor(withReaders(reader([0x05]))), 'its payload is not that of readers'],
    ['a reader that is text', cbor(withReaders([0x61, 0x78])), 'its payload is not that of readers'],
  ])('refuses %s', (_what, bytes, reason) => {
    const error = refusalOf(bytes);
    expect(error).toBeInstanceOf(WalCorruptError);
    expect((error as WalCorruptError).message).toContain(reason);
  });

  it.each<[name: unknown, fault: string | undefined]>([
    ['x', undefined],
    ['\u{1f600}'.repeat(100), undefined],
    ['', 'of 1 to 200 characters'],
    ['x'.repeat(201), 'of 1 to 200 characters'],
    ['\ud83d', 'well-formed text, without half a surrogate pair'],
    [7, 'a string'],
  ])('the name %p: %s', (name, fault) => {
    expect(nameFault(name)).toBe(fault);
  });
});
