import { take, throwError } from 'rxjs';
import { readWal, type Gap } from 'rxwal';
import { fault, memoryStore, type MemoryStoreOptions } from 'rxwal/testing';
import { frameBytes, headerBytes, join, le } from '../support/bytes';
import {
  LOG_ID,
  OTHER_LOG_ID,
  RAW,
  TRUTH,
  buildLog,
  collect,
  filesOf,
  flippedBits,
  records,
  segmentBytes,
  segmentFile,
  truncations,
  withFileBytes,
  type FrameSpec,
} from '../support/logs';
import type { Files } from '../support/reference';
import { complaintsOfSalvage, salvaged } from './complaints';

const LAST = segmentFile(3);
const READ = { codec: RAW.codec };

/** The names of a log and what is in them, changed one at a time. */
async function everyComplaint(
  files: Files,
  changes: (bytes: Uint8Array) => Iterable<{ readonly label: string; readonly bytes: Uint8Array }>,
): Promise<{ readonly tried: number; readonly complaints: readonly string[] }> {
  const complaints: string[] = [];
  let tried = 0;
  for (const [name, bytes] of files) {
    for (const { label, bytes: changed } of changes(bytes)) {
      tried += 1;
      const damaged = withFileBytes(files, name, changed);
      const found = await complaintsOfSalvage(damaged, truthOf(files), { repair: tried % 11 === 0 });
      complaints.push(...found.map((complaint) => `${name}, ${label}: ${complaint}`));
    }
  }
  return { tried, complaints: complaints.slice(0, 20) };
}

/** What the log holds: a checkpoint may have removed its first segment. */
function truthOf(files: Files): typeof TRUTH {
  return files.has(segmentFile(0)) ? TRUTH : records(3, 8);
}

/** Which records each segment has. */
const IN_SEGMENT = [records(1, 2), records(3, 3), records(4, 4), records(5, 8)];

describe('salvage', () => {
  let closed: Files;
  let crashed: Files;
  beforeAll(async () => {
    closed = await buildLog('closed');
    crashed = await buildLog('crashed', true);
  });

  it('of a log that is whole gives all of it, and no gap', async () => {
    expect(salvaged(closed)).toEqual({ records: records(3, 8), gaps: [], error: undefined, unchanged: true });
    expect(await complaintsOfSalvage(closed, records(3, 8))).toEqual([]);
    expect(await complaintsOfSalvage(crashed, TRUTH)).toEqual([]);
  });

  it('of an empty directory gives nothing, and no gap', () => {
    expect(salvaged(new Map())).toEqual({ records: [], gaps: [], error: undefined, unchanged: true });
  });

  it('loses nothing but what is damaged, whichever bit is flipped', async () => {
    const { tried, complaints } = await everyComplaint(crashed, flippedBits);
    expect(complaints).toEqual([]);
    expect(tried).toBeGreaterThan(3000);
  });

  it('loses nothing but what is cut off, wherever a file is cut', async () => {
    const { tried, complaints } = await everyComplaint(crashed, truncations);
    expect(complaints).toEqual([]);
    expect(tried).toBeGreaterThan(400);
  });

  it('gives what is left, whichever files are gone', async () => {
    const names = [...crashed.keys()];
    const complaints: string[] = [];
    for (let set = 0; set < 2 ** names.length; set += 1) {
      const left = new Map([...crashed].filter((_file, index) => set & (1 << index)));
      const held = IN_SEGMENT.filter((_records, sequence) => left.has(segmentFile(sequence))).flat();
      const found = await complaintsOfSalvage(left, held);
      complaints.push(...found.map((complaint) => `${[...left.keys()].join()}: ${complaint}`));
    }
    expect(complaints).toEqual([]);
  });

  describe('names each gap by file, offset, LSNs and reason', () => {
    const gapsOf = (files: Files): readonly unknown[] => salvaged(files).gaps;
    const flipped = (name: string, at: number): Files => {
      const bytes = crashed.get(name)!.slice();
      bytes[at]! ^= 1;
      return withFileBytes(crashed, name, bytes);
    };

    it('where a record is damaged', () => {
      // Record 6 stands behind a mark, record 5 and another mark.
      const [offset, bytes] = [32 + 16 + 20 + 16, 16 + 3];
      expect(salvaged(flipped(LAST, offset + 12)).records).toEqual([...records(1, 5), ...records(7, 8)]);
      expect(gapsOf(flipped(LAST, offset + 12))).toEqual([
        {
          file: LAST,
          offset,
          bytes,
          firstLsn: 6,
          lastLsn: 6,
          reason: "a frame's checksum does not match",
          torn: false,
        },
      ]);
    });

    it('where a length is damaged: the next frame is found wherever it begins', () => {
      const offset = 32 + 16 + 20 + 16;
      expect(salvaged(flipped(LAST, offset + 2)).records).toEqual([...records(1, 5), ...records(7, 8)]);
      expect(gapsOf(flipped(LAST, offset + 2))).toMatchObject([{ offset, bytes: 19, firstLsn: 6, lastLsn: 6 }]);
    });

    it('where a mark is damaged: no record is lost', () => {
      expect(salvaged(flipped(LAST, 32)).records).toEqual(TRUTH);
      expect(gapsOf(flipped(LAST, 32))).toMatchObject([{ file: LAST, offset: 32, bytes: 16, firstLsn: 5, lastLsn: 4 }]);
    });

    it('where a header is damaged: frames tell their own LSNs', () => {
      expect(salvaged(flipped(segmentFile(2), 9)).records).toEqual(TRUTH);
      expect(gapsOf(flipped(segmentFile(2), 9))).toEqual([
        {
          file: segmentFile(2),
          offset: 0,
          bytes: 32,
          firstLsn: 4,
          lastLsn: 3,
          reason: "the header's checksum does not match",
          torn: false,
        },
      ]);
    });

    it('where a segment is missing', () => {
      expect(gapsOf(withFileBytes(crashed, segmentFile(1), undefined))).toEqual([
        {
          file: segmentFile(1),
          offset: 0,
          bytes: 0,
          firstLsn: 3,
          lastLsn: 3,
          reason: 'it is missing: wal_00000002.log begins at LSN 4',
          torn: false,
        },
      ]);
    });

    it('where the log ends too early: a checkpoint proves that there was more', () => {
      const bytes = crashed.get('checkpoint.meta')!;
      const short = filesOf(segmentBytes(1, []));
      expect(gapsOf(new Map([...short, ['checkpoint.meta', bytes]]))).toMatchObject([
        { file: segmentFile(0), offset: 32, firstLsn: 1, lastLsn: 1, torn: false },
      ]);
    });

    it('where the tail is torn, which is no damage', () => {
      const torn = crashed.get(LAST)!.slice(0, -3);
      expect(gapsOf(withFileBytes(crashed, LAST, torn))).toMatchObject([
        { file: LAST, bytes: 16 + 8 - 3, firstLsn: 8, lastLsn: undefined, torn: true },
      ]);
    });

    it('where checkpoint.meta is damaged', () => {
      expect(gapsOf(flipped('checkpoint.meta', 40))).toMatchObject([
        {
          file: 'checkpoint.meta',
          offset: 0,
          firstLsn: 1,
          lastLsn: 0,
          reason: "the checkpoint's checksum does not match",
        },
      ]);
    });

    it('where a segment is there twice', () => {
      const twice = new Map([...crashed, [segmentFile(4), crashed.get(segmentFile(2))!]]);
      expect(salvaged(twice).records).toEqual(TRUTH);
      expect(gapsOf(twice)).toMatchObject([
        { file: segmentFile(4), offset: 32, firstLsn: 5, lastLsn: 4, reason: 'LSN 4 to 4 stand here once more' },
      ]);
    });

    it('where a segment belongs to another log', () => {
      const other = join(
        headerBytes({ firstLsn: 4, logId: OTHER_LOG_ID }),
        frameBytes('record', 4, 'theirs', OTHER_LOG_ID),
      );
      const mixed = withFileBytes(crashed, segmentFile(2), other);
      expect(salvaged(mixed).records).toEqual([...records(1, 3), ...records(5, 8)]);
      expect(gapsOf(mixed)).toMatchObject([
        { file: segmentFile(2), bytes: other.length, firstLsn: 4, lastLsn: 4, reason: 'it belongs to another log' },
      ]);
    });

    it('where a record is larger than this opening allows', () => {
      const store = memoryStore({ files: crashed });
      const gaps: Gap[] = [];
      const { values } = collect(
        readWal(store, { ...READ, recovery: 'salvage', maxRecordBytes: 39, onGap: (gap) => gaps.push(gap) }),
      );
      expect(values.map(({ lsn }) => lsn)).toEqual([1, 2, 3, 5, 6, 7, 8]);
      expect(gaps).toMatchObject([
        { firstLsn: 4, lastLsn: 4, reason: expect.stringContaining('maxRecordBytes is 39') },
      ]);
    });

    it('where the codec does not know a record', () => {
      const gaps: Gap[] = [];
      const codec = { ...RAW.codec, decode: (bytes: Uint8Array) => refuse(bytes) };
      const refuse = (bytes: Uint8Array): Uint8Array => {
        if (bytes.length === 40) throw new Error('forty');
        return bytes;
      };
      const { values } = collect(
        readWal(memoryStore({ files: crashed }), { codec, recovery: 'salvage', onGap: (gap) => gaps.push(gap) }),
      );
      expect(values.map(({ lsn }) => lsn)).toEqual([1, 2, 3, 5, 6, 7, 8]);
      expect(gaps).toMatchObject([{ file: segmentFile(2), firstLsn: 4, lastLsn: 4, bytes: 56 }]);
    });
  });

  it.each(['copied', 'moved'])('loses nothing behind the oldest segment where that is %s to a later number', (how) => {
    const checkpointed = new Map(crashed);
    checkpointed.set(segmentFile(9), checkpointed.get(segmentFile(0))!);
    if (how === 'moved') checkpointed.delete(segmentFile(0));
    expect(salvaged(checkpointed).records).toEqual(TRUTH);
  });

  it('does not take repeated bytes for proof of an id', () => {
    const two = Buffer.alloc(16);
    two.writeDoubleLE(2);
    const frames: FrameSpec[] = [1, 2, 3].map((lsn) => [
      'record',
      lsn,
      Buffer.concat(Array.from({ length: 20 }, () => two)),
    ]);
    const bytes = segmentBytes(1, frames);
    bytes.fill(0, 0, 64);
    expect(salvaged(filesOf(bytes)).records.map(({ lsn }) => lsn)).toEqual([2, 3]);
  });

  it('reads no more than it needs where somebody wants little', () => {
    const files = filesOf(
      segmentBytes(
        1,
        Array.from({ length: 50_000 }, (_, at): FrameSpec => ['record', at + 1, 'x'.repeat(60)]),
      ),
    );
    const store = memoryStore({ files });
    collect(readWal(store, { ...READ, recovery: 'salvage' }).pipe(take(1)));
    expect(store.operations.filter(({ kind }) => kind === 'read').length).toBeLessThan(5);
  });

  it('finds segments in the order of their records, whatever they are called', () => {
    const swapped = new Map(crashed);
    swapped.set(segmentFile(1), crashed.get(segmentFile(2))!);
    swapped.set(segmentFile(2), crashed.get(segmentFile(1))!);
    expect(salvaged(swapped)).toMatchObject({ records: TRUTH, gaps: [] });
  });

  it.each([
    ['but its id', [0, 4, 8, 24]],
    ['with its id', [0, 4, 8, 16, 19, 23, 24, 28]],
  ])('reads a log whose one header is destroyed %s', async (_what, places) => {
    const frames: FrameSpec[] = Array.from({ length: 9 }, (_, index) => ['record', index + 1, `value ${index + 1}`]);
    const bytes = segmentBytes(1, frames);
    for (const at of places) bytes[at]! ^= 0x55;
    const files = filesOf(bytes);
    expect(salvaged(files).records.map(({ lsn }) => lsn)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(salvaged(files).gaps).toMatchObject([{ offset: 0, bytes: 32, firstLsn: 1, lastLsn: 0 }]);
    expect(await complaintsOfSalvage(files, salvaged(files).records)).toEqual([]);
  });

  it('goes on behind blocks that the disk cannot read', () => {
    const frames: FrameSpec[] = Array.from({ length: 400 }, (_, index) => ['record', index + 1, 'x'.repeat(50)]);
    const store = memoryStore({
      files: filesOf(segmentBytes(1, frames)),
      plan: ({ kind, position = 0, bytes = 0 }) =>
        kind === 'read' && position < 12_288 && position + bytes > 8192 ? throwError(() => fault('EIO')) : undefined,
    });
    const gaps: Gap[] = [];
    const { values, error } = collect(readWal(store, { ...READ, recovery: 'salvage', onGap: (gap) => gaps.push(gap) }));
    expect(error).toBeUndefined();
    // Frame n begins at 32 + 66 (n - 1): 125 reaches into the block at 8,192, and 187 begins behind it.
    const lost = { firstLsn: 124, lastLsn: 186 };
    expect(gaps).toMatchObject([{ offset: 32 + 66 * 123, bytes: 66 * 63, ...lost }]);
    expect(values.map(({ lsn }) => lsn)).toEqual(
      Array.from({ length: 400 }, (_, index) => index + 1).filter((lsn) => lsn < 124 || lsn > 186),
    );
  });

  it('fails where the next try may read what this one could not', () => {
    const plan: MemoryStoreOptions['plan'] = ({ kind }) =>
      kind === 'open' ? throwError(() => fault('EMFILE')) : undefined;
    const { error } = collect(readWal(memoryStore({ files: crashed, plan }), { ...READ, recovery: 'salvage' }));
    expect(error).toMatchObject({ code: 'WAL_IO', cause: { code: 'EMFILE' } });
  });

  it('gives the records that were asked for', () => {
    const asked = { ...READ, recovery: 'salvage', after: 3, until: 6 } as const;
    expect(collect(readWal(memoryStore({ files: crashed }), asked)).values.map(({ lsn }) => lsn)).toEqual([4, 5, 6]);
  });

  it.each([
    [{ recovery: 'lenient' as 'salvage' }, "recovery must be 'strict' or 'salvage', not 'lenient'"],
    [{ recovery: 'salvage' as const, onGap: 3 as never }, 'onGap must be a function, not 3'],
    [{ onGap: () => undefined }, "onGap needs recovery: 'salvage': strict reading has no gaps"],
  ])('refuses %j', (options, message) => {
    expect(() => readWal(memoryStore(), options)).toThrow(new TypeError(message));
  });

  it('comes to an end where every byte looks like the head of a large frame', () => {
    const head = [0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0];
    const bytes = join(segmentBytes(1, [['record', 1]]), ...Array.from({ length: 20_000 }, () => head));
    expect(salvaged(filesOf(bytes))).toMatchObject({ records: [{ lsn: 1 }], gaps: [{ offset: 48, torn: true }] });
  });

  it('reads a bounded number of bytes where each mark is followed by the head of a frame as long as the rest', () => {
    const unit = (at: number): Uint8Array =>
      join(frameBytes('mark', 1, '', LOG_ID), le(200_000 - 32 * at, 4), le(2, 8), le(0, 4));
    const bytes = join(segmentBytes(1, [['record', 1]]), ...Array.from({ length: 6000 }, (_, at) => unit(at)));
    const store = memoryStore({ files: filesOf(bytes) });
    const { values, done } = collect(readWal(store, { ...READ, recovery: 'salvage' }));
    expect([values.length, done]).toEqual([1, true]);
    const read = store.operations.reduce(
      (sum, operation) => sum + (operation.kind === 'read' ? operation.bytes! : 0),
      0,
    );
    expect(read).toBeLessThan(80 * bytes.length + 2 ** 25);
  });

  it('comes to an end where there is a gap behind every record', () => {
    const parts = Array.from({ length: 5000 }, (_, index) => [
      frameBytes('record', 2 * index + 1, 'x', LOG_ID),
      Uint8Array.of(7),
    ]).flat();
    const { records: found, gaps } = salvaged(filesOf(join(segmentBytes(1, []), ...parts)));
    expect([found.length, gaps.length]).toEqual([5000, 5000]);
  });
});
