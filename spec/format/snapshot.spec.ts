import * as fc from 'fast-check';
import { WalError } from 'rxwal';
import {
  PROJECTION_NAME,
  decodeSnapshot,
  encodeSnapshot,
  snapshotName,
  snapshotOf,
  type Snapshot,
} from '../../src/format/snapshot';
import { isLeftover } from '../../src/store/segmentStore';
import { frameBytes, headerBytes, hex, join } from '../support/bytes';
import { LOG_ID, OTHER_LOG_ID, flippedBits, truncations } from '../support/logs';

const SNAPSHOT: Snapshot = { name: 'sum', version: 1, lsn: 5, state: Uint8Array.of(0x18, 0x2a) };
const FILE = 'sum.0000000000000005.snapshot';

/** {"name": "sum", "version": 1, "state": 64(h'182a')}, with the two-byte count that the log's CBOR has. */
const PAYLOAD = join(
  [0xb9, 0x00, 0x03],
  [0x64],
  Buffer.from('name'),
  [0x63],
  Buffer.from('sum'),
  [0x67],
  Buffer.from('version'),
  [0x01],
  [0x65],
  Buffer.from('state'),
  [0xd8, 0x40, 0x42, 0x18, 0x2a],
);

const fileOf = (snapshot: Snapshot): Uint8Array => join(...encodeSnapshot(snapshot, LOG_ID));

function refusalOf(bytes: Uint8Array, file = FILE): unknown {
  try {
    decodeSnapshot(bytes, file, LOG_ID);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('a snapshot', () => {
  it('is a header and one frame: golden bytes', () => {
    const expected = join(
      headerBytes({ firstLsn: 6, logId: LOG_ID, flags: 0 }),
      frameBytes('record', 5, PAYLOAD, LOG_ID),
    );
    expect(hex(fileOf(SNAPSHOT))).toBe(hex(expected));
  });

  it('is read back as it was', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(PROJECTION_NAME),
        fc.nat(),
        fc.integer({ min: 0, max: 2 ** 52 - 1 }),
        fc.uint8Array(),
        (name, version, lsn, state) => {
          const snapshot = { name, version, lsn, state };
          const file = snapshotName(name, lsn);
          const { state: read, ...rest } = decodeSnapshot(fileOf(snapshot), file, LOG_ID);
          expect({ ...rest, state: hex(read) }).toEqual({ name, version, lsn, state: hex(state) });
          expect(snapshotOf(file)).toEqual({ name, lsn });
          expect(isLeftover(`${file}.tmp`)).toBe(true);
        },
      ),
    );
  });

  it('is refused with every cut and every flipped bit', () => {
    const bytes = fileOf(SNAPSHOT);
    let refused = 0;
    for (const { bytes: wrong } of [...truncations(bytes), ...flippedBits(bytes)]) {
      expect(refusalOf(wrong)).toBeInstanceOf(WalError);
      refused += 1;
    }
    expect(refused).toBeGreaterThan(bytes.length * 8);
  });

  it.each<[string, Uint8Array, string, RegExp]>([
    [
      'another log',
      join(headerBytes({ firstLsn: 6, logId: OTHER_LOG_ID, flags: 0 }), frameBytes('record', 5, PAYLOAD, OTHER_LOG_ID)),
      FILE,
      /another log/,
    ],
    ['another LSN than its name says', fileOf(SNAPSHOT), 'sum.0000000000000006.snapshot', /different LSNs/],
    ['another projection than its name says', fileOf(SNAPSHOT), 'max.0000000000000005.snapshot', /snapshot of sum/],
    [
      'a frame of another kind',
      join(headerBytes({ firstLsn: 6, logId: LOG_ID, flags: 0 }), frameBytes('checkpoint', 5, PAYLOAD, LOG_ID)),
      FILE,
      /something other/,
    ],
    [
      'a payload that is none',
      join(headerBytes({ firstLsn: 6, logId: LOG_ID, flags: 0 }), frameBytes('record', 5, Uint8Array.of(1), LOG_ID)),
      FILE,
      /its payload/,
    ],
    ['bytes behind it', join(fileOf(SNAPSHOT), [0]), FILE, /length/],
  ])('is refused: %s', (_what, bytes, file, reason) => {
    expect(String(refusalOf(bytes, file))).toMatch(reason);
  });

  it.each(['sum.snapshot', 'sum.5.snapshot', 'Sum.0000000000000005.snapshot', '.0000000000000005.snapshot'])(
    'is no file of the name %s',
    (file) => {
      expect(snapshotOf(file)).toBeUndefined();
    },
  );
});
