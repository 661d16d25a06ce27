import { EMPTY, concatMap, finalize, map, take, toArray } from 'rxjs';
import {
  WalClosedError,
  WalCorruptError,
  WalIoError,
  WalRecordError,
  WalTruncatedError,
  readWal,
  recoverWal,
  type ReadOptions,
} from 'rxwal';
import {
  fault,
  marblePlan,
  memoryStore,
  memoryWal,
  virtualTime,
  type MemoryStore,
  type StoreOperation,
} from 'rxwal/testing';
import { frameBytes, headerBytes, join } from './support/bytes';
import {
  LOG_ID,
  RAW,
  TRUTH,
  asRefusal,
  buildLog,
  collect,
  filesOf,
  flippedBits,
  openFiles,
  records,
  recordsOf,
  sameFiles,
  segmentBytes,
  segmentFile,
  truncations,
  withFileBytes,
  type FrameSpec,
  type Outcome,
} from './support/logs';
import type { Files, ReferenceRecord } from './support/reference';
import { complaintsOfReading } from './support/trials';

const LAST = segmentFile(3);

/** What `readWal` gives of files. */
function readOf(files: Files, options: ReadOptions = {}): Outcome<ReferenceRecord> & { readonly store: MemoryStore } {
  const store = memoryStore({ files });
  const { values, error, done } = collect(readWal<Uint8Array>(store, { ...RAW, ...options }));
  return { values: recordsOf(values), error, done, store };
}

/** Operations by kind, and how many of them. */
function count(operations: readonly StoreOperation[], kind: string): number {
  return operations.filter((operation) => operation.kind === kind).length;
}

describe('readWal where an old block stands for the last header', () => {
  const records: FrameSpec[] = Array.from({ length: 10 }, (_, at) => ['record', at + 1]);
  const stale = segmentBytes(5, []);

  it.each([undefined, 2, 6, 9])('reads on to the end of the segment before, after %s', (after) => {
    const { values, error } = readOf(filesOf(segmentBytes(1, records), stale), { after });
    expect(error).toBeUndefined();
    expect(values.map(({ lsn }) => lsn)).toEqual(records.map(([, lsn]) => lsn).filter((lsn) => lsn > (after ?? 0)));
  });

  it('refuses one with something behind it, as opening does', () => {
    const files = filesOf(segmentBytes(1, records), join(stale, [1, 2, 3]));
    expect(readOf(files).error).toBeInstanceOf(WalCorruptError);
    expect(collect(recoverWal(memoryStore({ files }), RAW)).error).toBeInstanceOf(WalCorruptError);
  });
});

describe('read', () => {
  let files: Files;
  beforeAll(async () => {
    // Segments begin at LSN 1, 3, 4 and 5.
    files = await buildLog('closed', true);
  });

  it.each<[after: number | undefined, until: number | undefined, from: number, to: number]>([
    [undefined, undefined, 1, 8],
    [0, undefined, 1, 8],
    [0, 0, 1, 0],
    [0, 1, 1, 1],
    [1, undefined, 2, 8],
    [1, 2, 2, 2],
    [2, undefined, 3, 8],
    [2, 3, 3, 3],
    [2, 4, 3, 4],
    [3, 4, 4, 4],
    [3, 5, 4, 5],
    [4, 8, 5, 8],
    [5, 7, 6, 7],
    [7, undefined, 8, 8],
    [8, undefined, 9, 8],
    [undefined, 4, 1, 4],
    [undefined, 1000, 1, 8],
    [undefined, Infinity, 1, 8],
    [5, 5, 6, 5],
    [6, 5, 7, 5],
  ])('after %p until %p: an open log, and a closed one', (after, until, from, to) => {
    const { wal } = openFiles(files);
    const { values, error, done } = collect(wal.read({ after, until }));
    expect({ error, done }).toEqual({ error: undefined, done: true });
    expect(recordsOf(values)).toEqual(records(from, to));
    expect(readOf(files, { after, until })).toMatchObject({ values: records(from, to), error: undefined, done: true });
  });

  it.each([9, 1000])('after %p, past the last LSN, refuses: the reader has read another log', (after) => {
    const { error } = collect(openFiles(files).wal.read({ after }));
    expect(error).toEqual(
      new RangeError(`after ${after} is past the last LSN, 8: is this the log that the reader has read?`),
    );
    expect(readOf(files, { after }).error).toEqual(error);
  });

  it('every pair of LSNs', () => {
    const { wal } = openFiles(files);
    const wrong: unknown[] = [];
    for (let after = 0; after <= 9; after += 1) {
      for (let until = 0; until <= 9; until += 1) {
        const expected = JSON.stringify(TRUTH.filter(({ lsn }) => lsn > after && lsn <= until));
        const fromOpen = recordsOf(collect(wal.read({ after, until })).values);
        const fromClosed = readOf(files, { after, until }).values;
        if (JSON.stringify(fromOpen) !== expected || JSON.stringify(fromClosed) !== expected)
          wrong.push([after, until]);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('opens the segments that it needs, and no others', () => {
    const { wal, store } = openFiles(files);
    const opened = (options: ReadOptions): string[] => {
      const before = store.operations.length;
      collect(wal.read(options));
      return store.operations
        .slice(before)
        .filter(({ kind }) => kind === 'open')
        .map(({ file }) => file);
    };
    expect(opened({ after: 2, until: 3 })).toEqual([segmentFile(1)]);
    expect(opened({ after: 1, until: 4 })).toEqual([segmentFile(0), segmentFile(1), segmentFile(2)]);
    expect(opened({ after: 4 })).toEqual([LAST]);
    expect(opened({ after: 8 })).toEqual([]);
  });

  it.each<[options: ReadOptions, error: typeof RangeError | typeof TypeError, message: string]>([
    [{ after: -1 }, RangeError, 'after must be an integer of at least 0, not -1'],
    [{ after: 1.5 }, RangeError, 'after must be an integer of at least 0, not 1.5'],
    [{ after: NaN }, RangeError, 'after must be an integer of at least 0, not NaN'],
    [{ until: -1 }, RangeError, 'until must be an integer of at least 0, not -1'],
    [{ until: '3' as unknown as number }, TypeError, "until must be a number, not '3'"],
  ])('%p throws at once', (options, type, message) => {
    const { wal } = openFiles(files);
    for (const reading of [() => wal.read(options), () => readWal(memoryStore(), options)]) {
      expect(reading).toThrow(type);
      expect(reading).toThrow(message);
    }
  });
});

describe('read of an open log', () => {
  it('ends at the LSN that was durable when it was subscribed', () => {
    virtualTime(({ hot, expectObservable }) => {
      // A read takes 2; a record a frame becomes durable meanwhile, at the end of its frame.
      const { wal } = memoryWal<Uint8Array>({ ...RAW, plan: marblePlan({ read: '--|' }) });
      hot('abcdef', { a: [1], b: [2], c: [3], d: [4], e: [5], f: [6] })
        .pipe(map((bytes) => Uint8Array.from(bytes)))
        .subscribe((bytes) => {
          wal.next(bytes);
        });
      const lsns$ = hot('---r-r-').pipe(
        concatMap(() =>
          wal.read().pipe(
            map(({ lsn }) => lsn),
            toArray(),
          ),
        ),
      );
      expectObservable(lsns$).toBe('-----a-b', { a: [1, 2, 3], b: [1, 2, 3, 4, 5] });
    });
  });

  it('does not show what is written and not yet durable', () => {
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<Uint8Array>({ ...RAW, plan: marblePlan({ sync: '-----|' }) });
      wal.next(Uint8Array.of(1));
      const read$ = cold('--r----r|').pipe(
        concatMap(() =>
          wal.read().pipe(
            map(({ lsn }) => lsn),
            toArray(),
          ),
        ),
      );
      expectObservable(read$).toBe('--a----b|', { a: [], b: [1] });
    });
  });

  it('crosses into segments that were made after it was opened', async () => {
    const { wal } = memoryWal<Uint8Array>(RAW);
    for (let at = 0; at < 5; at += 1) {
      wal.next(Uint8Array.of(at));
      await wal.rotate();
    }
    expect(collect(wal.read()).values.map(({ lsn }) => lsn)).toEqual([1, 2, 3, 4, 5]);
    expect(collect(wal.read({ after: 3 })).values).toEqual([
      { lsn: 4, value: Uint8Array.of(3) },
      { lsn: 5, value: Uint8Array.of(4) },
    ]);
  });

  it('refuses what a checkpoint has removed: WalTruncatedError names the first record that is there', async () => {
    const { wal } = openFiles(await buildLog('closed'));
    const { error } = collect(wal.read({ after: 1 }));
    expect(error).toBeInstanceOf(WalTruncatedError);
    expect(error).toMatchObject({ code: 'WAL_TRUNCATED', askedLsn: 2, firstLsn: 3 });
    expect(recordsOf(collect(wal.read({ after: 2 })).values)).toEqual(records(3, 8));
    expect(recordsOf(collect(wal.read()).values)).toEqual(records(3, 8));
  });

  it('refuses it too where nothing is left of what was asked for', async () => {
    const files = await buildLog('closed');
    const { wal } = openFiles(files);
    expect(collect(wal.read({ after: 0, until: 2 })).error).toMatchObject({ askedLsn: 1, firstLsn: 3 });
    expect(readOf(files, { after: 0, until: 2 }).error).toMatchObject({ askedLsn: 1, firstLsn: 3 });
  });

  it('refuses it too where the checkpoint has removed every record', async () => {
    const { wal } = openFiles(await buildLog('closed'));
    await wal.rotate();
    await wal.checkpoint();
    expect(wal.recordCount).toBe(0);
    expect(collect(wal.read({ after: 3 })).error).toMatchObject({ code: 'WAL_TRUNCATED', askedLsn: 4, firstLsn: 9 });
    expect(collect(wal.read({ after: 8 }))).toMatchObject({ values: [], done: true });
    expect(collect(wal.read())).toMatchObject({ values: [], done: true });
  });

  it('becomes WalTruncatedError where a checkpoint removes the next segment before it gets there', async () => {
    const { wal } = openFiles(await buildLog('closed', true));
    const seen: number[] = [];
    let error: unknown;
    let checkpointed: Promise<unknown> | undefined;
    wal.read().subscribe({
      next: ({ lsn }) => {
        seen.push(lsn);
        checkpointed ??= wal.checkpoint({ lsn: 3 });
      },
      error: (thrown: unknown) => {
        error = thrown;
      },
    });
    await checkpointed;
    expect(seen).toEqual([1, 2]);
    expect(error).toMatchObject({ code: 'WAL_TRUNCATED', askedLsn: 3, firstLsn: 4 });
  });

  it.each(['open', 'size', 'read'] as const)(
    'a failed %s is WalIoError, whatever a checkpoint has removed',
    async (kind) => {
      for (const keepFirst of [true, false]) {
        const files = await buildLog('closed', keepFirst);
        const { wal } = memoryWal<Uint8Array>({ ...RAW, files, plan: marblePlan({ [kind]: '#' }, fault('EIO')) });
        const { error } = collect(wal.read());
        expect(error).toBeInstanceOf(WalIoError);
        expect(error).toMatchObject({ cause: { code: 'EIO' } });
      }
    },
  );

  it('fails where a record that is durable is not there any more', async () => {
    const { wal, store } = memoryWal<Uint8Array>({ ...RAW, files: filesOf(segmentBytes(1, [])) });
    await wal.append(Uint8Array.of(1));
    const file = collect(store.open(segmentFile(0), 'write')).values[0]!;
    collect(file.truncate(50));
    const { values, error } = collect(wal.read());
    expect(values).toEqual([]);
    expect(error).toBeInstanceOf(WalCorruptError);
    expect(error).toMatchObject({ file: segmentFile(0), lsn: 1 });
  });

  it('is refused by a log that is closed, and not by one that has stopped', async () => {
    const { wal } = openFiles(await buildLog('closed'));
    await wal.close();
    expect(collect(wal.read()).error).toBeInstanceOf(WalClosedError);

    const stopped = memoryWal<Uint8Array>({ ...RAW, plan: marblePlan({ sync: ['|', '#'] }) }).wal;
    const states: string[] = [];
    stopped.state$.subscribe((state) => states.push(state));
    await stopped.append(Uint8Array.of(1));
    await expect(stopped.append(Uint8Array.of(2))).rejects.toMatchObject({ code: 'WAL_POISONED' });
    expect(states).toEqual(['open', 'poisoned']);
    expect(collect(stopped.read()).values).toEqual([{ lsn: 1, value: Uint8Array.of(1) }]);
  });

  it('is cold: each subscription reads anew', async () => {
    const { wal } = memoryWal<Uint8Array>(RAW);
    const read$ = wal.read();
    expect(collect(read$).values).toHaveLength(0);
    await wal.append(Uint8Array.of(1));
    expect(collect(read$).values).toHaveLength(1);
  });

  it('takes no lock and changes nothing', async () => {
    const { wal, store } = openFiles(await buildLog('closed', true));
    const [before, from] = [store.snapshot(), store.operations.length];
    collect(wal.read());
    expect(sameFiles(before, store.snapshot())).toBe(true);
    const kinds = new Set(store.operations.slice(from).map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual(['close', 'open', 'read', 'size']);
  });
});

describe('readWal', () => {
  it('an empty directory is an empty log', () => {
    expect(readOf(new Map())).toMatchObject({ values: [], error: undefined, done: true });
  });

  it('a closed log, and one that a crash left', async () => {
    expect(readOf(await buildLog('closed')).values).toEqual(records(3, 8));
    expect(readOf(await buildLog('crashed')).values).toEqual(records(3, 8));
  });

  it('a torn tail ends it as the end of the log does', async () => {
    const files = await buildLog('crashed', true);
    const torn = withFileBytes(files, LAST, join(files.get(LAST)!, [1, 2, 3, 4, 5]));
    expect(readOf(torn)).toMatchObject({ values: TRUTH, error: undefined, done: true });
  });

  it('damage is an error behind the last record before it, which says where', async () => {
    const files = await buildLog('closed', true);
    const damaged = files.get(LAST)!.slice();
    damaged[64]! ^= 1;
    const { values, error } = readOf(withFileBytes(files, LAST, damaged));
    expect(values).toEqual(records(1, 4));
    expect(error).toBeInstanceOf(WalCorruptError);
    expect(error).toMatchObject({ file: LAST, offset: 48, lsn: 5 });
  });

  it('what stands before the damage can be read without an error', async () => {
    const files = await buildLog('closed', true);
    const damaged = withFileBytes(
      files,
      LAST,
      files.get(LAST)!.map((byte, at) => (at === 64 ? byte ^ 1 : byte)),
    );
    expect(readOf(damaged, { until: 4 })).toMatchObject({ values: records(1, 4), error: undefined, done: true });
  });

  it('a last segment without a header and with frames is damage, not the end of the log', async () => {
    const files = await buildLog('closed', true);
    const headless = files.get(LAST)!.map((byte, at) => (at < 4 ? 0 : byte));
    expect(asRefusal(readOf(withFileBytes(files, LAST, headless)).error)).toMatchObject({
      code: 'WAL_CORRUPT',
      file: LAST,
    });
    const alone = filesOf(
      segmentBytes(1, [
        ['record', 1],
        ['mark', 1],
      ]).map((byte, at) => (at === 0 ? 0 : byte)),
    );
    expect(asRefusal(readOf(alone).error)).toMatchObject({ code: 'WAL_CORRUPT', file: segmentFile(0) });
  });

  it('one without a header and without frames is the trace of a crash: the segment before it must be whole', async () => {
    const files = new Map(await buildLog('closed', true));
    files.set(segmentFile(4), new Uint8Array(7));
    expect(readOf(files)).toMatchObject({ values: TRUTH, done: true });
    files.set(LAST, files.get(LAST)!.slice(0, -20));
    expect(asRefusal(readOf(files).error)).toMatchObject({ code: 'WAL_CORRUPT', file: LAST, lsn: 8 });
  });

  it('a log that ends before its checkpoint is damaged, as it is for an opening', async () => {
    const files = new Map(await buildLog('closed', true));
    const meta = headerBytes({ firstLsn: 10, logId: LOG_ID });
    const cbor = Buffer.from('b90002636c736e096565706f636801', 'hex');
    files.set('checkpoint.meta', join(meta, frameBytes('checkpoint', 9, cbor, LOG_ID)));
    expect(asRefusal(readOf(files).error)).toMatchObject({ code: 'WAL_CORRUPT', lsn: 9 });
  });

  it('a record above maxRecordBytes is WalRecordError, in the last segment and in any other', () => {
    const long = segmentBytes(1, [['record', 1, 'x'.repeat(100)]]);
    const read = (files: Files): unknown =>
      collect(readWal(memoryStore({ files }), { ...RAW, maxRecordBytes: 99 })).error;
    expect(read(filesOf(long))).toBeInstanceOf(WalRecordError);
    expect(read(filesOf(long, segmentBytes(2, [['mark', 1]])))).toBeInstanceOf(WalRecordError);
  });

  it('another codec wrote it: WalRecordError names the LSN', () => {
    const { error } = collect(readWal(memoryStore({ files: filesOf(segmentBytes(1, [['record', 1, '\xff']])) })));
    expect(error).toBeInstanceOf(WalRecordError);
    expect((error as Error).message).toContain('The record with LSN 1 does not decode');
  });

  it('takes no lock, so it reads beside a log that is open', async () => {
    const { wal, store } = memoryWal<Uint8Array>(RAW);
    await wal.append(Uint8Array.of(1));
    expect(collect(readWal(store, RAW)).values).toEqual([{ lsn: 1, value: Uint8Array.of(1) }]);
    expect(count(store.operations, 'lock')).toBe(1);
  });

  it('beside a log that is being written it shows a prefix, whenever it looks', () => {
    virtualTime(({ hot, cold, expectObservable }) => {
      const { wal, store } = memoryWal<Uint8Array>({ ...RAW, maxSegmentBytes: 80, plan: marblePlan({ sync: '-|' }) });
      hot('a-b-c-d-e-f-g-h-').subscribe(() => {
        wal.next(new Uint8Array(9));
      });
      const each$ = cold('-r-r-r-r-r-r-r-r-r-|').pipe(
        concatMap(() =>
          readWal(store, RAW).pipe(
            map(({ lsn }) => lsn),
            toArray(),
          ),
        ),
        map((lsns) => (lsns.every((lsn, index) => lsn === index + 1) ? lsns.length : lsns)),
      );
      // Every other record waits for a new segment.
      expectObservable(each$).toBe('-1-2-2-4-4-6-6-8-8-|', { 1: 1, 2: 2, 4: 4, 6: 6, 8: 8 });
    });
  });

  describe.each([
    ['closed', false],
    ['crashed', true],
  ] as const)('a %s log', (ending, keepFirst) => {
    let files: Files;
    let truth: readonly ReferenceRecord[];
    beforeAll(async () => {
      files = await buildLog(ending, keepFirst);
      truth = keepFirst ? TRUTH : records(3, 8);
    });

    it('with any one bit flipped: a prefix that holds all that is provable, or a refusal; never a changed file', () => {
      const complaints = [...files].flatMap(([name, bytes]) =>
        [...flippedBits(bytes)].flatMap((flipped) =>
          complaintsOfReading(withFileBytes(files, name, flipped.bytes), truth).map((what) => [
            name,
            flipped.label,
            what,
          ]),
        ),
      );
      expect(complaints.slice(0, 5)).toEqual([]);
    });

    it('with any file cut to any length: the same', () => {
      const complaints = [...files].flatMap(([name, bytes]) =>
        [...truncations(bytes)].flatMap((cut) =>
          complaintsOfReading(withFileBytes(files, name, cut.bytes), truth).map((what) => [name, cut.label, what]),
        ),
      );
      expect(complaints.slice(0, 5)).toEqual([]);
    });
  });
});

describe('a reading that is no longer wanted', () => {
  it.each([1, 2, 3, 5, 8])('after %d records closes its file', async (wanted) => {
    const { wal, store } = openFiles(await buildLog('closed', true));
    const from = store.operations.length;
    expect(collect(wal.read().pipe(take(wanted))).values).toHaveLength(wanted);
    const operations = store.operations.slice(from);
    expect(count(operations, 'close')).toBe(count(operations, 'open'));
    expect(count(operations, 'open')).toBe([0, 1, 1, 2, 3, 4, 4, 4, 4][wanted]);
  });

  it.each(['open', 'size', 'read', 'close'] as const)('during a slow %s closes what is open', async (kind) => {
    const files = await buildLog('closed', true);
    virtualTime(({ expectObservable, flush }) => {
      const store = memoryStore({ files, plan: marblePlan({ [kind]: '----|' }) });
      expectObservable(readWal(store, RAW).pipe(concatMap(() => EMPTY)), '--!').toBe('-');
      flush();
      // An opening that was never finished has nothing to close.
      const opened = kind === 'open' ? 0 : count(store.operations, 'open');
      expect(count(store.operations, 'close')).toBe(opened);
    });
  });

  it('closes its file where it fails, and where its consumer does', async () => {
    const files = await buildLog('closed', true);
    const store = memoryStore({ files, plan: marblePlan({ read: ['|', '|', '|', '|', '|', '|', '#'] }) });
    expect(collect(readWal(store, RAW)).error).toBeInstanceOf(WalIoError);
    expect(count(store.operations, 'close')).toBe(count(store.operations, 'open'));

    const { wal, store: other } = openFiles(files);
    const from = other.operations.length;
    const failing$ = wal.read().pipe(
      map(({ lsn }) => {
        if (lsn === 4) throw new Error('mine');
        return lsn;
      }),
    );
    expect(collect(failing$)).toMatchObject({ values: [1, 2, 3], error: { message: 'mine' } });
    const operations = other.operations.slice(from);
    expect(count(operations, 'close')).toBe(count(operations, 'open'));
  });
});

describe('memory', () => {
  const MIB = 2 ** 20;
  /** Four and a half megabytes of records in one segment. */
  const big = segmentBytes(
    1,
    Array.from({ length: 45 }, (_, index) => ['record', index + 1, Buffer.alloc(100_000, index)] as const),
  );

  it('one chunk of an eighth of a megabyte is asked for at a time, the next when the last has come', () => {
    let underway = 0;
    let most = 0;
    virtualTime(({ cold, expectObservable, flush }) => {
      const store = memoryStore({
        files: filesOf(big, segmentBytes(46, [['mark', 45]])),
        plan: ({ kind, bytes }) => {
          if (kind !== 'read' || bytes === 32) return undefined;
          most = Math.max(most, (underway += 1));
          return cold('--|').pipe(
            finalize(() => {
              underway -= 1;
            }),
          );
        },
      });
      const lsns$ = readWal(store, RAW).pipe(
        map(({ lsn }) => lsn),
        toArray(),
        map((lsns) => lsns.length),
      );
      // Thirty-five chunks of the first segment, one of the second.
      expectObservable(lsns$).toBe('72ms (n|)', { n: 45 });
      flush();
      const asked = store.operations.filter(({ kind, bytes }) => kind === 'read' && bytes !== 32);
      expect(asked.map(({ position }) => position)).toEqual(
        [...Array(35).keys()].map((at) => 32 + (at * MIB) / 8).concat(32),
      );
      for (const { bytes } of asked) expect(bytes).toBeLessThanOrEqual(MIB / 8);
      expect(most).toBe(1);
    });
  });

  it('a record is handed out when its chunk has come, not at the end', () => {
    virtualTime(({ expectObservable }) => {
      const store = memoryStore({ files: filesOf(big), plan: marblePlan({ read: ['|', '----|'] }) });
      const perChunk$ = readWal(store, RAW).pipe(
        map(({ lsn }) => lsn),
        take(1),
      );
      expectObservable(perChunk$).toBe('----(a|)', { a: 1 });
    });
  });

  it('a frame that is larger than a chunk is put together from several', () => {
    const payload = Buffer.alloc(3 * MIB + 17, 7);
    const files = filesOf(
      segmentBytes(1, [
        ['record', 1, 'a'],
        ['record', 2, payload],
        ['record', 3, 'c'],
      ]),
    );
    const { values } = collect(readWal<Uint8Array>(memoryStore({ files }), RAW));
    expect(values.map(({ lsn, value }) => [lsn, value.length])).toEqual([
      [1, 1],
      [2, payload.length],
      [3, 1],
    ]);
    expect(Buffer.compare(values[1]!.value, payload)).toBe(0);
  });

  it.each([-17, -16, -15, -12, -11, -4, -1, 0, 1])(
    'frames cut by the border of two chunks, %d bytes from it',
    (shift) => {
      const first = Buffer.alloc(MIB - 16 + shift, 1);
      const files = filesOf(
        segmentBytes(1, [
          ['record', 1, first],
          ['record', 2, 'two'],
          ['mark', 2],
          ['record', 3, ''],
        ]),
      );
      expect(readOf(files).values.map(({ lsn }) => lsn)).toEqual([1, 2, 3]);
    },
  );
});
