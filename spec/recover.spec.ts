import * as fc from 'fast-check';
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { NEVER, map, of, throwError } from 'rxjs';
import {
  WalCorruptError,
  WalIoError,
  WalRecordError,
  WalVersionError,
  openWal,
  recoverWal,
  type SegmentStore,
  type Wal,
} from 'rxwal';
import {
  fault,
  marblePlan,
  memoryStore,
  memoryWal,
  virtualTime,
  type MemoryStore,
  type StoreOperation,
  type StorePlan,
} from 'rxwal/testing';
import { checkpointCbor, frameBytes, groupPayload, headerBytes, hex, join, le } from './support/bytes';
import {
  LOG_ID,
  OTHER_LOG_ID,
  RAW,
  TRUTH,
  asRefusal,
  buildLog,
  collect,
  filesOf,
  flippedBits,
  open,
  openFiles,
  recordsOf,
  records,
  refusalOfFiles,
  sameFiles,
  segmentBytes,
  segmentFile,
  truncations,
  withFileBytes,
} from './support/logs';
import { judge, type Files } from './support/reference';
import { complaintsOfOpening } from './support/trials';

const LAST = segmentFile(3);
const FIRST = segmentFile(0);

/** Opens files that must open, and gives all that they hold. */
function reopened(files: Files): { readonly wal: Wal<Uint8Array>; readonly store: MemoryStore; readonly all: unknown } {
  const opened = openFiles(files);
  return { ...opened, all: recordsOf(collect(opened.wal.read()).values) };
}

/** Names and positions of what a recovery did, without what only looks. */
function changes(operations: readonly StoreOperation[]): readonly string[] {
  const looks = new Set(['lock', 'unlock', 'list', 'open', 'size', 'read', 'close']);
  return operations.filter(({ kind }) => !looks.has(kind)).map(({ kind, file }) => `${kind} ${file}`.trim());
}

describe('what a log looks like after anything', () => {
  describe.each([
    ['closed', false],
    ['crashed', true],
  ] as const)('a %s log', (ending, keepFirst) => {
    let files: Files;
    beforeAll(async () => {
      files = await buildLog(ending, keepFirst);
    });

    it('opens with every record, and goes on', () => {
      expect(complaintsOfOpening(files)).toEqual([]);
      expect(reopened(files).all).toEqual(keepFirst ? TRUTH : records(3, 8));
    });

    it('with any one bit flipped: all that is provable, or a refusal that changes nothing', () => {
      const complaints = [...files].flatMap(([name, bytes]) =>
        [...flippedBits(bytes)].flatMap((flipped) =>
          complaintsOfOpening(withFileBytes(files, name, flipped.bytes)).map((what) => [name, flipped.label, what]),
        ),
      );
      expect(complaints.slice(0, 5)).toEqual([]);
    });

    it('with any file cut to any length: the same', () => {
      const complaints = [...files].flatMap(([name, bytes]) =>
        [...truncations(bytes)].flatMap((cut) =>
          complaintsOfOpening(withFileBytes(files, name, cut.bytes)).map((what) => [name, cut.label, what]),
        ),
      );
      expect(complaints.slice(0, 5)).toEqual([]);
    });

    it('with bytes overwritten, zeroed, repeated, left out or added anywhere: the same', () => {
      const names = [...files.keys()];
      const position = fc.nat({ max: 180 });
      const harm = fc.oneof(
        fc.record({ kind: fc.constant('overwrite' as const), at: position, bytes: fc.uint8Array({ maxLength: 40 }) }),
        fc.record({ kind: fc.constant('zero' as const), at: position, length: position }),
        fc.record({ kind: fc.constant('repeat' as const), at: position, length: position }),
        fc.record({ kind: fc.constant('leaveOut' as const), at: position, length: position }),
        fc.record({ kind: fc.constant('append' as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 60 }) }),
      );
      fc.assert(
        fc.property(fc.constantFrom(...names), fc.array(harm, { minLength: 1, maxLength: 2 }), (name, harms) => {
          let bytes = files.get(name)!;
          for (const done of harms) bytes = harmed(bytes, done);
          expect(complaintsOfOpening(withFileBytes(files, name, bytes))).toEqual([]);
        }),
        { numRuns: 400 },
      );
    });
  });

  it('a log that was closed never loses a record to a flipped bit: all are there, or it is refused', async () => {
    const files = await buildLog('closed');
    const outcomes = new Set<string>();
    for (const { bytes } of flippedBits(files.get(LAST)!)) {
      const opened = open(memoryStore({ files: withFileBytes(files, LAST, bytes) }));
      if ('error' in opened) outcomes.add(String(asRefusal(opened.error)?.constructor === Object));
      else outcomes.add(`LSN ${opened.wal.lastLsn}`);
    }
    expect([...outcomes].sort()).toEqual(['LSN 8', 'true']);
  });
});

describe('a torn tail', () => {
  const whole = segmentBytes(1, [
    ['record', 1, 'one'],
    ['mark', 1],
    ['record', 2, 'two'],
  ]);
  const next = frameBytes('record', 3, 'three', LOG_ID);
  const garbage = [
    0xde, 0xad, 0xbe, 0xef, 0xde, 0xad, 0xbe, 0xef, 0xde, 0xad, 0xbe, 0xef, 0xde, 0xad, 0xbe, 0xef, 0x01,
  ];

  it.each<[what: string, behind: readonly number[], bytesCut: number]>([
    ['nothing: the last batch is whole and has no mark', [], 0],
    ['zeros laid ahead', Array<number>(100).fill(0), 0],
    ['fewer zeros than a frame has', [0, 0, 0], 0],
    ['the first byte of a frame', [...next.subarray(0, 1)], 1],
    ['a frame without its last byte', [...next.subarray(0, next.length - 1)], next.length - 1],
    ['half a frame, and zeros', [...next.subarray(0, 10), ...Array<number>(50).fill(0)], 5],
    ['a frame whose payload never came', [...next.subarray(0, 12), ...Array<number>(9).fill(0)], 5],
    ['garbage', garbage, garbage.length],
    ['zeros, then garbage', [...Array<number>(40).fill(0), ...garbage], 40 + garbage.length],
    ['zeros, then a whole frame', [...Array<number>(20).fill(0), ...next], 20 + next.length],
    ['a frame with a wrong checksum', [...next.subarray(0, 12), 0, ...next.subarray(13)], next.length],
    ['a length that reaches past the file', [...le(1000, 4), ...le(3, 8), 1, 2, 3], 15],
    ['the largest length there is', [...le(2 ** 30 - 1, 4), ...le(3, 8), 9], 13],
    ['a word of all ones', [...le(2 ** 32 - 1, 4), ...le(3, 8), ...garbage], 12 + garbage.length],
    ["another log's next record", [...frameBytes('record', 3, 'three', OTHER_LOG_ID)], next.length],
    ["another log's mark", [9, ...frameBytes('mark', 9, '', OTHER_LOG_ID)], 17],
    ['an old mark behind garbage, of what stands before it', [...garbage, ...frameBytes('mark', 2, '', LOG_ID)], 33],
    ['two torn records', [...next.subarray(0, 12), 0, 0, ...frameBytes('record', 4, '4', LOG_ID)], 31],
  ])('%s', (_what, behind, bytesCut) => {
    const files = filesOf(join(whole, behind));
    const { wal, store, all } = reopened(files);
    expect(wal.recovery).toMatchObject({ clean: false, bytesCut, firstLsn: 1, lastLsn: 2 });
    expect(all).toEqual([
      { lsn: 1, payload: hex(Buffer.from('one')) },
      { lsn: 2, payload: hex(Buffer.from('two')) },
    ]);
    expect(hex(store.snapshot().get(FIRST)!)).toBe(hex(whole));
    expect(hex(store.durableSnapshot().get(FIRST)!)).toBe(hex(whole));
    expect(complaintsOfOpening(files)).toEqual([]);
  });
});

describe('damage', () => {
  const m = (lsn: number): Uint8Array => frameBytes('mark', lsn, '', LOG_ID);
  const r = (lsn: number, payload = 'r'): Uint8Array => frameBytes('record', lsn, payload, LOG_ID);
  const spoilt = (bytes: Uint8Array, at = 12): Uint8Array =>
    bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
  const header = headerBytes({ firstLsn: 1, logId: LOG_ID });

  it('a mark behind an invalid frame proves that the frame had been durable', () => {
    const files = filesOf(join(header, r(1), m(1), spoilt(r(2)), m(2), r(3)));
    const error = refusalOfFiles(files) as WalCorruptError;
    expect(error).toBeInstanceOf(WalCorruptError);
    expect(error).toMatchObject({ code: 'WAL_CORRUPT', file: FIRST, offset: 32 + 17 + 16, lsn: 2 });
    expect(error.reason).toBe(
      "a frame's checksum does not match, and a mark at byte 82 proves that it had been durable",
    );
    expect(error.message).toContain('wal_00000000.log is damaged at byte 65 (LSN 2)');
  });

  it('the same without that mark is a torn tail: it is cut, and how much is reported', () => {
    const { wal } = reopened(filesOf(join(header, r(1), m(1), spoilt(r(2)), r(3))));
    expect(wal.recovery).toMatchObject({ clean: false, lastLsn: 1, bytesCut: 34 });
  });

  it('an earlier record alone proves nothing: the disk may show an old block', () => {
    const { wal } = reopened(filesOf(join(header, r(1), r(1))));
    expect(wal.recovery).toMatchObject({ clean: false, lastLsn: 1, bytesCut: 17 });
  });

  it.each<[what: string, bytes: Uint8Array, place: { offset: number; lsn: number; reason: RegExp }]>([
    ['a frame is missing', join(header, r(1), r(3), m(3)), { offset: 49, lsn: 2, reason: /^LSN 3 stands there$/ }],
    [
      'a frame stands twice, and what stood there had been durable',
      join(header, r(1), r(1), m(2)),
      { offset: 49, lsn: 2, reason: /^LSN 1 stands there, and a mark at byte 66 proves that it had been durable$/ },
    ],
    [
      'two frames have changed places',
      join(header, r(2), r(1)),
      { offset: 32, lsn: 1, reason: /^LSN 2 stands there$/ },
    ],
    [
      'a mark says more than is there',
      join(header, r(1), m(5)),
      { offset: 49, lsn: 2, reason: /^a mark proves that LSN 5 was durable, and it is not there$/ },
    ],
    [
      'a checkpoint says more than is there',
      join(header, r(1), frameBytes('checkpoint', 7, checkpointCbor({ lsn: 7, epoch: 1 }), LOG_ID)),
      { offset: 49, lsn: 2, reason: /^a checkpoint proves that LSN 7 was durable, and it is not there$/ },
    ],
    [
      'a group, whole, in a segment whose header allows none',
      join(
        headerBytes({ firstLsn: 1, logId: LOG_ID, flags: 0 }),
        r(1),
        frameBytes('group', 2, groupPayload('x', 'y'), LOG_ID),
      ),
      { offset: 49, lsn: 2, reason: /^a group, and the header says that there is none$/ },
    ],
    [
      'a group, whole, whose records do not fit its length',
      join(header, r(1), frameBytes('group', 2, join(groupPayload('x', 'y'), [0]), LOG_ID)),
      { offset: 49, lsn: 2, reason: /^the records of a group do not fit its length$/ },
    ],
    [
      'a group of no record, whole',
      join(header, r(1), frameBytes('group', 2, groupPayload(), LOG_ID)),
      { offset: 49, lsn: 2, reason: /^the records of a group do not fit its length$/ },
    ],
    [
      'a group that claims more records than a file can have, whole',
      join(header, r(1), frameBytes('group', 2, Uint8Array.of(255, 255, 255, 255), LOG_ID)),
      { offset: 49, lsn: 2, reason: /^the records of a group do not fit its length$/ },
    ],
    [
      'a group behind a missing record',
      join(header, r(1), frameBytes('group', 3, groupPayload('x', 'y'), LOG_ID)),
      { offset: 49, lsn: 2, reason: /^LSN 3 stands there$/ },
    ],
    [
      'the mark stands a megabyte away',
      join(header, r(1), spoilt(r(2)), new Uint8Array(2 ** 20 - 20).fill(7), m(2)),
      { offset: 49, lsn: 2, reason: /a mark at byte 1048622 proves/ },
    ],
    [
      'zeros in the middle of what had been durable',
      join(header, r(1), new Uint8Array(17), m(2)),
      { offset: 49, lsn: 2, reason: /^zeros, and then something else, and a mark at byte 66 proves/ },
    ],
    [
      'a length that is wrong, with a mark behind it',
      join(header, r(1), spoilt(r(2), 2), m(2)),
      { offset: 49, lsn: 2, reason: /^a frame claims 65553 bytes where the file has 33 left, and a mark at byte 66/ },
    ],
  ])('%s', (_what, bytes, place) => {
    const files = filesOf(bytes);
    const store = memoryStore({ files });
    const { error } = open(store) as { error: WalCorruptError };
    expect(error).toBeInstanceOf(WalCorruptError);
    expect(error).toMatchObject({ file: FIRST, offset: place.offset, lsn: place.lsn });
    expect(error.reason).toMatch(place.reason);
    expect(sameFiles(store.snapshot(), files)).toBe(true);
    expect(changes(store.operations)).toEqual([]);
  });

  it('an old segment is not looked into at the opening; a read stops at its damage', async () => {
    const files = await buildLog('closed', true);
    const { wal } = openFiles(withFileBytes(files, FIRST, spoilt(files.get(FIRST)!, 60)));
    const { values, error } = collect(wal.read());
    expect(values).toEqual([]);
    expect(asRefusal(error)).toEqual({ code: 'WAL_CORRUPT', file: FIRST, offset: 48, lsn: 1 });
    expect(recordsOf(collect(wal.read({ after: 2 })).values)).toEqual(records(3, 8));
  });
});

describe('segments', () => {
  let files: Map<string, Uint8Array>;
  beforeEach(async () => {
    files = await buildLog('closed', true);
  });

  it('one that is missing in the middle is named', () => {
    files.delete(segmentFile(2));
    const error = refusalOfFiles(files) as WalCorruptError;
    expect(error).toMatchObject({ code: 'WAL_CORRUPT', file: segmentFile(2) });
    expect(error.reason).toBe('it is missing: the next segment begins at LSN 5, and all from 2 are needed');
  });

  it('the first one missing, without a checkpoint that allows it, is named', () => {
    files.delete('checkpoint.meta');
    files.delete(FIRST);
    expect(refusalOfFiles(files)).toMatchObject({ code: 'WAL_CORRUPT', file: FIRST });
  });

  it.each<[missing: readonly number[], left: readonly string[]]>([
    [[], [LAST]],
    [[0], [LAST]],
    [[1], [LAST]],
    [[2], [LAST]],
    [[0, 1], [LAST]],
    [[0, 2], [LAST]],
    [[1, 2], [LAST]],
    [[0, 1, 2], [LAST]],
  ])('below a checkpoint, deletions may reach the disk in any order: without %j', (missing, left) => {
    const meta = join(
      headerBytes({ firstLsn: 5, logId: LOG_ID }),
      frameBytes('checkpoint', 4, checkpointCbor({ lsn: 4, epoch: 9 }), LOG_ID),
    );
    files.set('checkpoint.meta', meta);
    for (const sequence of missing) files.delete(segmentFile(sequence));
    const { wal, store, all } = reopened(files);
    expect(all).toEqual(records(5, 8));
    expect(wal.recovery).toMatchObject({ firstLsn: 5, lastLsn: 8, segments: 1, checkpoint: { lsn: 4, epoch: 9 } });
    expect([...store.snapshot().keys()].filter((name) => name.endsWith('.log'))).toEqual(left);
    expect([...store.durableSnapshot().keys()].filter((name) => name.endsWith('.log'))).toEqual(left);
  });

  it('one that stands there twice is refused', () => {
    files.set(segmentFile(4), files.get(LAST)!);
    expect(refusalOfFiles(files)).toMatchObject({
      code: 'WAL_CORRUPT',
      file: segmentFile(4),
      reason: 'it begins at LSN 5, and the segment before it at 5',
    });
  });

  it('one of another log is refused', () => {
    files.set(segmentFile(4), headerBytes({ firstLsn: 9, logId: OTHER_LOG_ID }));
    expect(refusalOfFiles(files)).toMatchObject({ file: segmentFile(4), reason: 'it belongs to another log' });
  });

  it("another log's checkpoint.meta is refused", () => {
    const meta = headerBytes({ firstLsn: 2, logId: OTHER_LOG_ID });
    files.set(
      'checkpoint.meta',
      join(meta, frameBytes('checkpoint', 1, checkpointCbor({ lsn: 1, epoch: 1 }), OTHER_LOG_ID)),
    );
    expect(refusalOfFiles(files)).toMatchObject({ code: 'WAL_CORRUPT', reason: 'it belongs to another log' });
  });

  it('number 0 that does not begin at LSN 1 is refused', () => {
    expect(refusalOfFiles(filesOf(segmentBytes(2, [['record', 2]])))).toMatchObject({
      reason: 'it is the first segment and begins at LSN 2',
    });
  });

  it('the gap between two segments shows when it is read', () => {
    const { wal } = openFiles(
      filesOf(
        segmentBytes(1, [['record', 1]]),
        segmentBytes(3, [
          ['record', 3],
          ['mark', 3],
        ]),
      ),
    );
    const { values, error } = collect(wal.read());
    expect(values).toHaveLength(1);
    expect(error).toMatchObject({ reason: 'the segment ends with LSN 1, and LSN 2 was durable', lsn: 2 });
  });

  it('files that the log does not know are ignored and left alone', () => {
    const foreign = [
      'LOCK',
      'notes.txt',
      'wal_1.log',
      'wal_00000004.log.bak',
      'wal_000000005.log',
      'WAL_00000006.LOG',
      'wal_0000000x.log',
      'other.tmp',
      'checkpoint.meta.old',
      '.wal_00000007.log.tmp',
    ];
    for (const name of foreign) files.set(name, Uint8Array.from(Buffer.from(name)));
    const { store, all } = reopened(files);
    expect(all).toEqual(TRUTH);
    for (const name of foreign) expect(store.snapshot().get(name)).toEqual(files.get(name));
    expect(store.operations.filter(({ file }) => foreign.includes(file))).toEqual([]);
  });

  it('half-made files that a crash left are removed, and the removal is durable', () => {
    for (const name of [`${LAST}.tmp`, `${segmentFile(9)}.tmp`, 'checkpoint.meta.tmp'])
      files.set(name, new Uint8Array(9));
    const { store, all } = reopened(files);
    expect(all).toEqual(TRUTH);
    expect([...store.durableSnapshot().keys()].filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('1,000 of them: 32 bytes of each are read, 32 files at a time, and the last one alone is scanned', () => {
    const count = 1000;
    const one = (lsn: number): Uint8Array => segmentBytes(lsn, [['record', lsn, 'payload']]);
    const thousand = filesOf(
      ...Array.from({ length: count - 1 }, (_, index) => one(index + 1)),
      join(one(count), frameBytes('mark', count, '', LOG_ID)),
    );
    virtualTime(({ expectObservable, flush }) => {
      const marbles = marblePlan({ open: '-|', read: '-|', close: '-|' });
      let opened = 0;
      let most = 0;
      const plan = (operation: StoreOperation): StorePlan | undefined => {
        if (operation.kind === 'open') most = Math.max(most, (opened += 1));
        if (operation.kind === 'close') opened -= 1;
        return marbles(operation);
      };
      const store = memoryStore({ files: thousand, plan });
      const found$ = recoverWal(store, RAW).pipe(map(({ recovery: { clean, segments } }) => ({ clean, segments })));
      // 32 rounds of 32 files, three operations each; then open and read for the scan, and open to go on.
      expectObservable(found$).toBe('99ms (f|)', { f: { clean: true, segments: count } });
      flush();

      const reads = store.operations.filter(({ kind }) => kind === 'read');
      const ofHeaders = reads.filter(({ bytes, position }) => bytes === 32 && position === 0);
      expect(new Set(ofHeaders.map(({ file }) => file)).size).toBe(count);
      expect(reads.filter((read) => !ofHeaders.includes(read)).map(({ file }) => file)).toEqual([
        segmentFile(count - 1),
      ]);
      expect(changes(store.operations)).toEqual([]);
      expect(most).toBe(32);
    });
  });
});

describe('a last segment without a header', () => {
  let files: Map<string, Uint8Array>;
  beforeEach(async () => {
    files = await buildLog('closed', true);
  });

  it.each<[what: string, bytes: Uint8Array, bytesCut: number]>([
    ['empty', new Uint8Array(0), 0],
    ['half a header', headerBytes({ firstLsn: 9, logId: LOG_ID }).subarray(0, 16), 9],
    ['a header of zeros', new Uint8Array(32), 0],
    ['a megabyte of zeros', new Uint8Array(2 ** 20 + 5), 0],
    [
      'half a header, and zeros',
      join(headerBytes({ firstLsn: 9, logId: LOG_ID }).subarray(0, 30), new Uint8Array(50)),
      30,
    ],
    ['32 bytes of garbage', new Uint8Array(32).fill(0xee), 32],
  ])('%s: the trace of a crash while it was made; it is made again', (_what, bytes, bytesCut) => {
    files.set(segmentFile(4), bytes);
    const { wal, store, all } = reopened(files);
    expect(all).toEqual(TRUTH);
    expect(wal.recovery).toMatchObject({ clean: false, bytesCut, lastLsn: 8, segments: 5 });
    expect(hex(store.durableSnapshot().get(segmentFile(4))!)).toBe(hex(headerBytes({ firstLsn: 9, logId: LOG_ID })));
    expect(complaintsOfOpening(files)).toEqual([]);
  });

  it('as the only one: a new log begins', () => {
    const { wal, store } = openFiles(filesOf(new Uint8Array(7)));
    expect(wal.recovery).toMatchObject({ clean: false, firstLsn: 1, lastLsn: 0, segments: 1 });
    expect(store.durableSnapshot().get(FIRST)).toHaveLength(32);
  });

  it('a header and nothing else is a segment without records: the log goes on in it', () => {
    files.set(segmentFile(4), headerBytes({ firstLsn: 9, logId: LOG_ID }));
    expect(openFiles(files).wal.recovery).toMatchObject({ clean: false, bytesCut: 0, lastLsn: 8, segments: 5 });
  });

  it('with anything behind the header it is damage', () => {
    const bytes = join(new Uint8Array(32), frameBytes('record', 9, 'nine', LOG_ID));
    files.set(segmentFile(4), bytes);
    expect(refusalOfFiles(files)).toMatchObject({ code: 'WAL_CORRUPT', file: segmentFile(4), offset: 0 });
  });

  it('the one before it must be whole: a rotation had made all of it durable', () => {
    files.set(segmentFile(4), new Uint8Array(0));
    files.set(LAST, files.get(LAST)!.slice(0, -5));
    expect(refusalOfFiles(files)).toMatchObject({ code: 'WAL_CORRUPT', file: LAST, offset: 160, lsn: 9 });
  });

  it('is not made again where what comes before it is missing', () => {
    files.set(segmentFile(5), new Uint8Array(0));
    expect(refusalOfFiles(files)).toMatchObject({ code: 'WAL_CORRUPT', file: segmentFile(5) });
  });

  it('is not made again where one stands behind it', () => {
    files.set(segmentFile(2), new Uint8Array(0));
    expect(refusalOfFiles(files)).toMatchObject({ code: 'WAL_CORRUPT', file: segmentFile(2) });
  });

  it('is not made again over a newer version', () => {
    files.set(segmentFile(4), headerBytes({ firstLsn: 9, logId: LOG_ID, version: 2 }));
    expect(refusalOfFiles(files)).toBeInstanceOf(WalVersionError);
  });
});

describe('what the log cannot judge, it refuses', () => {
  it('a record above a lowered maxRecordBytes, and cuts nothing', () => {
    const files = filesOf(
      segmentBytes(1, [
        ['record', 1, 'short'],
        ['record', 2, 'x'.repeat(100)],
        ['mark', 2],
      ]),
    );
    const store = memoryStore({ files });
    const { error } = open(store, { maxRecordBytes: 99 }) as { error: unknown };
    expect(error).toBeInstanceOf(WalRecordError);
    expect((error as Error).message).toBe(
      'wal_00000000.log holds a record of 100 bytes (LSN 2) and maxRecordBytes is 99: open it with a larger maxRecordBytes',
    );
    expect(sameFiles(store.snapshot(), files)).toBe(true);
    expect(openFiles(files, { maxRecordBytes: 100 }).wal.lastLsn).toBe(2);
  });

  it('but not a torn frame above it: its length is not to be trusted', () => {
    const torn = frameBytes('record', 2, 'x'.repeat(100), LOG_ID).map((byte, at) => (at === 50 ? 0 : byte));
    const { wal } = openFiles(filesOf(segmentBytes(1, [['record', 1, 'short']], [...torn])), { maxRecordBytes: 99 });
    expect(wal.recovery).toMatchObject({ lastLsn: 1, bytesCut: 116 });
  });

  it('the same in a segment that is not the last, when it is read or scanned', () => {
    const large = segmentBytes(1, [['record', 1, 'x'.repeat(100)]]);
    const files = filesOf(
      large,
      segmentBytes(2, [
        ['mark', 1],
        ['record', 2],
        ['mark', 2],
      ]),
    );
    const { wal } = openFiles(files, { maxRecordBytes: 99 });
    expect(collect(wal.read()).error).toBeInstanceOf(WalRecordError);
    files.set(segmentFile(1), new Uint8Array(0));
    expect(refusalOfFiles(files, { maxRecordBytes: 99 })).toBeInstanceOf(WalRecordError);
  });

  it.each<[what: string, header: Parameters<typeof headerBytes>[0]]>([
    ['a newer version', { firstLsn: 1, logId: LOG_ID, version: 2 }],
    ['an unknown flag', { firstLsn: 1, logId: LOG_ID, flags: 0x8000 }],
  ])('%s, wherever it stands, and changes nothing', (_what, header) => {
    for (const sequence of [0, 1]) {
      const files = filesOf(segmentBytes(1, [['record', 1]]), segmentBytes(2, [['record', 2]]));
      files.set(segmentFile(sequence), headerBytes({ ...header, firstLsn: sequence + 1 }));
      files.set('wal_00000001.log.tmp', new Uint8Array(3));
      const store = memoryStore({ files });
      const { error } = open(store) as { error: unknown };
      expect(error).toBeInstanceOf(WalVersionError);
      expect(error).toMatchObject({ code: 'WAL_VERSION', file: segmentFile(sequence) });
      expect(sameFiles(store.snapshot(), files)).toBe(true);
    }
  });

  it.each<[what: string, meta: Uint8Array, code: string]>([
    ['empty', new Uint8Array(0), 'WAL_CORRUPT'],
    ['a header only', headerBytes({ firstLsn: 2, logId: LOG_ID }), 'WAL_CORRUPT'],
    ['of a newer version', headerBytes({ firstLsn: 2, logId: LOG_ID, version: 3 }), 'WAL_VERSION'],
    [
      'with a mark in the place of its checkpoint',
      join(headerBytes({ firstLsn: 2, logId: LOG_ID }), frameBytes('mark', 1, '', LOG_ID)),
      'WAL_CORRUPT',
    ],
    [
      'with two LSNs',
      join(
        headerBytes({ firstLsn: 2, logId: LOG_ID }),
        frameBytes('checkpoint', 2, checkpointCbor({ lsn: 2, epoch: 1 }), LOG_ID),
      ),
      'WAL_CORRUPT',
    ],
    [
      'with something behind it',
      join(
        headerBytes({ firstLsn: 2, logId: LOG_ID }),
        frameBytes('checkpoint', 1, checkpointCbor({ lsn: 1, epoch: 1 }), LOG_ID),
        [0],
      ),
      'WAL_CORRUPT',
    ],
    ['far too large', new Uint8Array(2 ** 20), 'WAL_CORRUPT'],
  ])('a checkpoint.meta that is %s', (_what, meta, code) => {
    const files = filesOf(
      segmentBytes(1, [
        ['record', 1],
        ['record', 2],
        ['mark', 2],
      ]),
    );
    files.set('checkpoint.meta', meta);
    const store = memoryStore({ files });
    const { error } = open(store) as { error: unknown };
    expect(error).toMatchObject({ code, file: 'checkpoint.meta' });
    expect(sameFiles(store.snapshot(), files)).toBe(true);
  });

  it('a log that ends before its checkpoint: the records up to it had been durable', async () => {
    const files = await buildLog('closed', true);
    const meta = headerBytes({ firstLsn: 10, logId: LOG_ID });
    files.set('checkpoint.meta', join(meta, frameBytes('checkpoint', 9, checkpointCbor({ lsn: 9, epoch: 6 }), LOG_ID)));
    const store = memoryStore({ files });
    const { error } = open(store) as { error: WalCorruptError };
    expect(error).toMatchObject({ code: 'WAL_CORRUPT', file: LAST, lsn: 9 });
    expect(error.reason).toBe('the log ends here, and checkpoint.meta proves that LSN 9 was durable');
    expect(sameFiles(store.snapshot(), files)).toBe(true);
  });

  it('a checkpoint.meta without any segment', async () => {
    const files = await buildLog('closed', true);
    for (const name of files.keys()) if (name.endsWith('.log')) files.delete(name);
    expect(refusalOfFiles(files)).toMatchObject({ reason: 'there is a checkpoint and no segment' });
  });
});

describe('LSNs beyond 2^32', () => {
  it.each([2 ** 32 - 1, 2 ** 40, 2 ** 52 - 1])('the log goes on behind LSN %d', async (lsn) => {
    const sequence = 41;
    const files = new Map([
      [segmentFile(sequence), segmentBytes(lsn, [['record', lsn, 'last']])],
      [
        'checkpoint.meta',
        join(
          headerBytes({ firstLsn: lsn, logId: LOG_ID }),
          frameBytes('checkpoint', lsn - 1, checkpointCbor({ lsn: lsn - 1, epoch: 1 }), LOG_ID),
        ),
      ],
    ]);
    const { wal, store } = openFiles(files);
    for (const byte of [1, 2]) {
      await expect(wal.append(Uint8Array.of(byte))).resolves.toMatchObject({ lsn: lsn + byte });
    }
    wal.complete();
    expect(reopened(store.durableSnapshot()).all).toEqual([
      { lsn, payload: hex(Buffer.from('last')) },
      { lsn: lsn + 1, payload: '01' },
      { lsn: lsn + 2, payload: '02' },
    ]);
  });
});

describe('the order of operations', () => {
  it('after a clean close an opening writes nothing', async () => {
    const { store } = openFiles(await buildLog('closed', true));
    expect(changes(store.operations)).toEqual([]);
  });

  it('after anything else it copies the valid prefix into a new file, and makes that durable before anyone sees a record', async () => {
    const files = await buildLog('crashed', true);
    const store = memoryStore({ files });
    let seenAfter = -1;
    recoverWal(store, RAW).subscribe(() => {
      seenAfter = store.operations.length;
    });
    expect(changes(store.operations)).toEqual([
      `create ${LAST}.tmp`,
      `write ${LAST}.tmp`,
      `sync ${LAST}.tmp`,
      `rename ${LAST}.tmp`,
      'syncDir',
    ]);
    const syncedDirAt = store.operations.findLastIndex(({ kind }) => kind === 'syncDir');
    expect(seenAfter).toBeGreaterThan(syncedDirAt);
  });

  it('a segment of many megabytes is copied a piece at a time', () => {
    const size = 3 * 2 ** 20;
    const big = segmentBytes(1, [
      ['record', 1, Buffer.alloc(size, 1)],
      ['record', 2, 'two'],
    ]);
    const { wal, store } = openFiles(filesOf(big));
    expect(wal.lastLsn).toBe(2);
    expect(hex(store.durableSnapshot().get(FIRST)!.subarray(-100))).toBe(hex(big.subarray(-100)));
    const writes = store.operations.filter(({ kind }) => kind === 'write');
    expect(writes.length).toBeGreaterThan(3);
    for (const { bytes } of writes) expect(bytes).toBeLessThanOrEqual(2 ** 20);
  });

  it('a new log: create, write, fsync, fsync of the directory', () => {
    const { store } = openFiles(new Map());
    expect(changes(store.operations)).toEqual([`create ${FIRST}`, `write ${FIRST}`, `sync ${FIRST}`, 'syncDir']);
  });

  it('a last segment without a header is replaced in the same way', () => {
    const { store } = openFiles(filesOf(segmentBytes(1, [['record', 1]]), new Uint8Array(3)));
    const name = segmentFile(1);
    expect(changes(store.operations)).toEqual([
      `create ${name}.tmp`,
      `write ${name}.tmp`,
      `sync ${name}.tmp`,
      `rename ${name}.tmp`,
      'syncDir',
    ]);
  });

  it('a record that only the page cache has is made durable before it is shown', async () => {
    const { wal, store } = memoryWal<Uint8Array>({ ...RAW, plan: marblePlan({ sync: ['#', '|'] }) });
    wal.state$.subscribe();
    await expect(wal.append(Uint8Array.of(1))).rejects.toMatchObject({ code: 'WAL_POISONED' });
    expect(reopened(store.durableSnapshot()).all).toEqual([]);

    const { values } = collect(recoverWal<Uint8Array>(withoutLock(store), RAW));
    const shown = recordsOf(collect(values[0]!.read()).values);
    expect(shown).toEqual([{ lsn: 1, payload: '01' }]);
    expect(reopened(store.durableSnapshot()).all).toEqual(shown);
  });
});

describe('errors of the disk', () => {
  const reading = ['list', 'open', 'size', 'read'] as const;

  it.each(reading.flatMap((kind) => ['EIO', 'EMFILE'].map((code) => [kind, code] as const)))(
    'a failed %s (%s) while it looks: WalIoError, nothing changed, the lock given back',
    async (kind, code) => {
      const files = await buildLog('crashed');
      const looks = countBefore(files, kind, 'create');
      expect(looks).toBeGreaterThan(0);
      for (let nth = 0; nth < looks; nth += 1) {
        const store = memoryStore({ files, plan: failOnce(kind, nth, code) });
        const { error } = open(store) as { error: unknown };
        expect(error).toBeInstanceOf(WalIoError);
        expect(error).toMatchObject({ code: 'WAL_IO', cause: { code } });
        expect(sameFiles(store.snapshot(), files)).toBe(true);
        const again = open(store) as { wal: Wal<Uint8Array> };
        expect(recordsOf(collect(again.wal.read()).values)).toEqual(records(3, 8));
      }
    },
  );

  it.each(['torn', 'headless', 'new'] as const)(
    'any operation that fails, in any phase of the recovery of a %s log: WalIoError, nothing lost, and the next opening does it',
    async (kind) => {
      const { files, expected } = await base(kind);
      const count = operationsOf(files);
      for (let nth = 0; nth < count; nth += 1) {
        const store = memoryStore({ files, plan: failNth(nth, 'ENOSPC') });
        const opened = open(store);
        const failed = store.operations[nth]!.kind;
        const outcome = 'wal' in opened ? 'open' : opened.error instanceof WalIoError ? 'WalIoError' : opened.error;
        // A file that was only read has nothing left to lose when it does not close.
        expect([nth, failed, outcome]).toEqual([
          nth,
          failed,
          'wal' in opened && failed === 'close' ? 'open' : 'WalIoError',
        ]);
        if ('wal' in opened) continue;
        expect(reopened(store.durableSnapshot()).all).toEqual(expected);
        const again = open(store) as { wal: Wal<Uint8Array> };
        expect(recordsOf(collect(again.wal.read()).values)).toEqual(expected);
      }
    },
  );

  it('a lock that cannot be taken is WalIoError too', () => {
    const store = memoryStore({ plan: marblePlan({ lock: '#' }, fault('EACCES')) });
    expect((open(store) as { error: unknown }).error).toMatchObject({ code: 'WAL_IO', cause: { code: 'EACCES' } });
  });

  it('closes every file that it has opened, whatever fails', async () => {
    const { files } = await base('torn');
    const count = operationsOf(files);
    for (let nth = 0; nth < count; nth += 1) {
      const store = memoryStore({ files, plan: failNth(nth, 'EIO') });
      const opened = open(store);
      const failed = store.operations[nth]!;
      const took = store.operations.filter(({ kind }) => kind === 'open' || kind === 'create').length;
      const gave = store.operations.filter(({ kind }) => kind === 'close').length;
      const neverOpened = failed.kind === 'open' || failed.kind === 'create' ? 1 : 0;
      const goingOn = 'wal' in opened ? 1 : 0;
      expect([nth, failed, took - gave]).toEqual([nth, failed, neverOpened + goingOn]);
    }
  });
});

describe('a second crash, at any operation of the recovery', () => {
  it.each(['torn', 'headless', 'new', 'clean'] as const)('of a %s log ends in the same records', async (kind) => {
    const { files, expected } = await base(kind);
    const count = operationsOf(files);
    expect(count).toBeGreaterThan(5);
    for (let nth = 0; nth <= count; nth += 1) {
      const store = memoryStore({ files, plan: stopAt(nth) });
      collect(recoverWal(store, RAW));
      for (const left of [store.snapshot(), store.durableSnapshot()]) {
        const { wal, store: next, all } = reopened(left);
        expect([nth, all]).toEqual([nth, expected]);
        await wal.append(Uint8Array.of(1));
        wal.complete();
        expect(reopened(next.durableSnapshot()).all).toEqual([
          ...expected,
          { lsn: (expected.at(-1)?.lsn ?? 0) + 1, payload: '01' },
        ]);
      }
    }
  });
});

describe('in virtual time', () => {
  it('takes as long as the operations that it waits for', async () => {
    const files = await buildLog('crashed', true);
    virtualTime(({ expectObservable }) => {
      // Header of the tail's new file: one write, one fsync, one fsync of the directory.
      const store = memoryStore({ files, plan: marblePlan({ write: '-|', sync: '---|', syncDir: '--|' }) });
      const milliseconds$ = recoverWal(store, RAW).pipe(map(({ recovery }) => recovery.milliseconds));
      expectObservable(milliseconds$).toBe('------(m|)', { m: 6 });
    });
  });

  it('reads 32 headers at a time', () => {
    const files = filesOf(
      ...Array.from({ length: 40 }, (_, index) => segmentBytes(index + 1, [['record', index + 1]])),
      segmentBytes(41, [
        ['record', 41],
        ['mark', 41],
      ]),
    );
    virtualTime(({ expectObservable }) => {
      const store = memoryStore({ files, plan: marblePlan({ read: '--|' }) });
      // Two rounds of headers, then the scan of the last segment.
      expectObservable(recoverWal(store, RAW).pipe(map(({ lastLsn }) => lastLsn))).toBe('------(n|)', { n: 41 });
    });
  });

  it('fails when the disk does, and gives the lock back at that moment', () => {
    virtualTime(({ expectObservable, flush }) => {
      const store = memoryStore({ plan: marblePlan({ lock: '-|', list: '--#', unlock: '---|' }) });
      const code$ = recoverWal(store, RAW);
      expectObservable(code$).toBe('------#', undefined, new WalIoError('Listing', 'memory', fault('EIO')));
      flush();
      expect(store.operations.map(({ kind }) => kind)).toEqual(['lock', 'list', 'unlock']);
    });
  });

  it('waits for a lock that does not come, and does nothing', () => {
    virtualTime(({ expectObservable, flush }) => {
      const store = memoryStore({ plan: marblePlan({ lock: '-' }) });
      expectObservable(recoverWal(store, RAW)).toBe('-');
      flush();
      expect(store.operations.map(({ kind }) => kind)).toEqual(['lock']);
    });
  });
});

describe('an opening that is no longer wanted', () => {
  it.each(['list', 'open', 'size', 'read', 'create', 'sync', 'rename', 'syncDir'] as const)(
    'during a slow %s gives the lock back, and every file',
    async (kind) => {
      const files = await buildLog('crashed');
      virtualTime(({ expectObservable, flush }) => {
        const store = memoryStore({ files, plan: marblePlan({ [kind]: '---|' }) });
        const opening$ = recoverWal(store, RAW).pipe(map(() => 'opened'));
        expectObservable(opening$, '--!').toBe('-');
        flush();
        const count = (of: string): number => store.operations.filter((operation) => operation.kind === of).length;
        // What has begun runs to its end: half of an opening cannot be taken back.
        expect([count('lock'), count('open') + count('create')]).toEqual([count('unlock'), count('close')]);
      });
    },
  );
});

describe('on the real disk', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(path(tmpdir(), 'rxwal-recover-'));
  });
  afterEach(async () => {
    await rm(dir, { recursive: true });
  });

  it('leaves foreign directories and files alone', async () => {
    await mkdir(path(dir, 'wal_00000000.log.d'));
    await mkdir(path(dir, 'other.tmp'));
    await writeFile(path(dir, 'readme'), 'mine');
    const wal = await openWal(dir);
    await wal.close();
    const again = await openWal(dir);
    await again.close();
    await expect(readFile(path(dir, 'readme'), 'utf8')).resolves.toBe('mine');
  });

  it('a directory in the place of a segment is WalIoError', async () => {
    await mkdir(path(dir, FIRST));
    await expect(openWal(dir)).rejects.toMatchObject({ code: 'WAL_IO', file: FIRST, cause: { code: 'EISDIR' } });
  });

  it('recovers a torn tail, and cuts what it says', async () => {
    const wal = await openWal<Uint8Array>(dir, RAW);
    wal.next(Uint8Array.of(1, 2, 3));
    await wal.close();
    const file = path(dir, FIRST);
    const closed = await readFile(file);
    await writeFile(file, Buffer.concat([closed.subarray(0, -16), Buffer.from('torn off')]));
    await using again = await openWal<Uint8Array>(dir, RAW);
    expect(again.recovery).toMatchObject({ clean: false, lastLsn: 1, bytesCut: 8 });
    expect(hex(await readFile(file))).toBe(hex(closed.subarray(0, -16)));
  });
});

// Bases of the specs above.

/** A directory in a state that recovery has something to do with, and the records it must end with. */
async function base(
  kind: 'torn' | 'headless' | 'new' | 'clean',
): Promise<{ readonly files: Files; readonly expected: readonly { lsn: number; payload: string }[] }> {
  if (kind === 'new') return { files: new Map(), expected: [] };
  if (kind === 'clean') return { files: await buildLog('closed', true), expected: TRUTH };
  // A checkpoint that had removed number 0 in memory only, and files that never got their name.
  const files = await buildLog('crashed');
  files.set(FIRST, (await buildLog('crashed', true)).get(FIRST)!);
  files.set('checkpoint.meta.tmp', new Uint8Array(10));
  files.set(`${LAST}.tmp`, new Uint8Array(10));
  if (kind === 'torn') files.set(LAST, join(files.get(LAST)!, [1, 2, 3]));
  else files.set(segmentFile(4), new Uint8Array(20));
  const { records: expected } = judge(files).read;
  return { files, expected: (expected ?? []).filter(({ lsn }) => lsn > 2) };
}

/** Operations of an undisturbed recovery. */
function operationsOf(files: Files): number {
  const store = memoryStore({ files });
  open(store);
  return store.operations.length;
}

/** How many operations of a kind come before the first of another. */
function countBefore(files: Files, kind: string, end: string): number {
  const store = memoryStore({ files });
  open(store);
  const first = store.operations.findIndex((operation) => operation.kind === end);
  return store.operations.slice(0, first).filter((operation) => operation.kind === kind).length;
}

type Plan = (operation: StoreOperation) => StorePlan | undefined;

/** The nth operation fails. */
function failNth(nth: number, code: string): Plan {
  let count = 0;
  return () => (count++ === nth ? throwError(() => fault(code)) : undefined);
}

/** The nth operation of a kind fails. */
function failOnce(kind: string, nth: number, code: string): Plan {
  let count = 0;
  return (operation) => (operation.kind === kind && count++ === nth ? throwError(() => fault(code)) : undefined);
}

/** The nth operation never ends: there the process was killed, or the power went. */
function stopAt(nth: number): Plan {
  let count = 0;
  return () => (count++ >= nth ? NEVER : undefined);
}

/** The same disk seen by the next process, the lock of the first having died with it. */
function withoutLock(store: MemoryStore): SegmentStore {
  return {
    dir: store.dir,
    lock: () => of(() => of(undefined)),
    list: () => store.list(),
    open: (name, access) => store.open(name, access),
    rename: (from, to) => store.rename(from, to),
    remove: (name) => store.remove(name),
    syncDir: () => store.syncDir(),
  };
}

type Harm =
  | { readonly kind: 'overwrite'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'zero' | 'repeat' | 'leaveOut'; readonly at: number; readonly length: number }
  | { readonly kind: 'append'; readonly bytes: Uint8Array };

function harmed(bytes: Uint8Array, harm: Harm): Uint8Array {
  if (harm.kind === 'append') return join(bytes, harm.bytes);
  const before = bytes.subarray(0, harm.at);
  switch (harm.kind) {
    case 'overwrite':
      return join(before, harm.bytes, bytes.subarray(harm.at + harm.bytes.length));
    case 'zero':
      return bytes.map((byte, at) => (at >= harm.at && at < harm.at + harm.length ? 0 : byte));
    case 'repeat':
      return join(before, bytes.subarray(harm.at, harm.at + harm.length), bytes.subarray(harm.at));
    case 'leaveOut':
      return join(before, bytes.subarray(harm.at + harm.length));
  }
}
