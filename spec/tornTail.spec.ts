import { concatMap } from 'rxjs';
import { WalCorruptError, WalIoError } from 'rxwal';
import { fault, marblePlan, memoryStore, type MemoryStoreOptions } from 'rxwal/testing';
import { examineTail } from '../src/tornTail';
import { asIoError } from '../src/ioError';
import { frameBytes, join, le } from './support/bytes';
import { LOG_ID, OTHER_LOG_ID, collect, type Outcome } from './support/logs';

const FILE = 'wal_00000000.log';
const MIB = 2 ** 20;

/** Examines `bytes` from `offset` on, where LSN 7 was expected and something else stood. */
function examine(
  bytes: Uint8Array,
  { offset = 0, plan }: { offset?: number } & Pick<MemoryStoreOptions, 'plan'> = {},
): Outcome<number> {
  const store = memoryStore({ files: new Map([[FILE, bytes]]), plan });
  const invalid = new WalCorruptError({ file: FILE, offset, lsn: 7, reason: 'the reason' });
  return collect(
    store.open(FILE, 'read').pipe(
      concatMap((file) => examineTail(file, invalid, { logId: LOG_ID, size: bytes.length, groups: true })),
      asIoError('Reading', FILE),
    ),
  );
}

const mark = (lsn: number, logId = LOG_ID): Uint8Array => frameBytes('mark', lsn, '', logId);

describe('examineTail', () => {
  it('counts a torn tail up to its last byte that is not zero', () => {
    expect(examine(Uint8Array.of(1, 0, 2, 0, 0)).values).toEqual([3]);
    expect(examine(new Uint8Array(50)).values).toEqual([0]);
    expect(examine(new Uint8Array(0)).values).toEqual([0]);
  });

  it('looks only at what stands at and behind the invalid frame', () => {
    expect(examine(join(mark(7), [1, 2, 3]), { offset: 16 }).values).toEqual([3]);
  });

  it.each<[what: string, tail: Uint8Array, at: number]>([
    ['right behind it', join([1], mark(7)), 1],
    ['with a later LSN', join([1], mark(1000)), 1],
    ['with an LSN beyond 2^32', join([1], mark(2 ** 40)), 1],
    ['behind another frame', join([1], frameBytes('record', 8, 'x', LOG_ID), mark(8)), 18],
    ['behind a mark that proves nothing', join([1], mark(3), mark(7)), 17],
    ["behind another log's mark", join([1], mark(9, OTHER_LOG_ID), mark(7)), 17],
    ['behind what looks like the beginning of one', join([0, 0, 0, 0x40, 0, 0, 0, 0x40, 7], mark(7)), 9],
    [
      'inside what the invalid frame claims as its payload',
      join(le(100, 4), le(7, 8), mark(7), new Uint8Array(100)),
      12,
    ],
    ['before zeros', join([1], mark(7), new Uint8Array(100)), 1],
    ['at the very end', join(new Uint8Array(99).fill(5), mark(7)), 99],
  ])('a mark %s is proof of damage', (_what, tail, at) => {
    const { error } = examine(tail);
    expect(error).toBeInstanceOf(WalCorruptError);
    expect(error).toMatchObject({
      file: FILE,
      offset: 0,
      lsn: 7,
      reason: `the reason, and a mark at byte ${at} proves that it had been durable`,
    });
  });

  it.each<[what: string, tail: Uint8Array]>([
    ['an LSN before the one expected: it was there before', join([1], mark(6))],
    [
      'a wrong checksum',
      join(
        [1],
        mark(7).map((byte, at) => (at === 15 ? byte ^ 1 : byte)),
      ),
    ],
    ['the id of another log', join([1], mark(7, OTHER_LOG_ID))],
    ['no last byte', join([1], mark(7).subarray(0, 15))],
    ['a payload, which no mark has', join([1], frameBytes('mark', 7, 'x', LOG_ID))],
  ])('a mark with %s proves nothing', (_what, tail) => {
    expect(examine(tail).values).toEqual([tail.length]);
  });

  it('a record or a checkpoint behind it proves nothing: it may be of the same batch', () => {
    const tail = join([1], frameBytes('record', 8, 'x', LOG_ID), frameBytes('checkpoint', 8, 'x', LOG_ID));
    expect(examine(tail).values).toEqual([tail.length]);
  });

  it.each(Array.from({ length: 18 }, (_, index) => MIB - 17 + index))(
    'finds a mark across the border of two reads: at byte %d',
    (at) => {
      const tail = join(new Uint8Array(at).fill(9), mark(7), new Uint8Array(10).fill(9));
      expect(examine(tail).error).toMatchObject({
        reason: `the reason, and a mark at byte ${at} proves that it had been durable`,
      });
    },
  );

  it('a frame that is whole, and only the wrong one, is damage by itself: no torn write makes that', () => {
    const { error } = examine(frameBytes('record', 9, 'nine', LOG_ID));
    expect(error).toMatchObject({ code: 'WAL_CORRUPT', reason: 'the reason' });
  });

  it.each([MIB - 17, MIB - 16, MIB - 15, MIB - 12, MIB, 2 * MIB + 3])(
    'is a frame of %d payload bytes whole? it is checked a megabyte at a time',
    (length) => {
      const whole = frameBytes('record', 9, new Uint8Array(length).fill(3), LOG_ID);
      expect(examine(whole).error).toMatchObject({ reason: 'the reason' });
      const torn = whole.map((byte, at) => (at === length ? byte ^ 1 : byte));
      expect(examine(torn).values).toEqual([whole.length]);
    },
  );

  it('asks for no more than a megabyte at a time, whatever a length claims', () => {
    const asked: number[] = [];
    const tail = join(le(2 ** 30 - 1, 4), le(7, 8), new Uint8Array(3 * MIB).fill(1));
    examine(tail, {
      plan: ({ kind, bytes }) => {
        if (kind === 'read') asked.push(bytes!);
        return undefined;
      },
    });
    expect(Math.max(...asked)).toBeLessThanOrEqual(MIB);
    expect(asked.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(2 * tail.length);
  });

  it('a failed read is no end: it fails', () => {
    const { values, error } = examine(Uint8Array.of(1), { plan: marblePlan({ read: '#' }, fault('EIO')) });
    expect(values).toEqual([]);
    expect(error).toBeInstanceOf(WalIoError);
  });
});
