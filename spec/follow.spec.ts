import * as fc from 'fast-check';
import { setImmediate as turn } from 'node:timers/promises';
import {
  NEVER,
  VirtualAction,
  VirtualTimeScheduler,
  concatMap,
  defer,
  ignoreElements,
  map,
  of,
  type Observable,
  type Subscription,
} from 'rxjs';
import { WalCorruptError, WalIoError, readWal, recoverWal, type SegmentFile, type SegmentStore, type Wal } from 'rxwal';
import { fault, marblePlan, memoryStore, virtualTime } from 'rxwal/testing';
import { judgeTail } from '../src/besideWriter';
import { follow, provenLsn, type FollowOptions } from '../src/follow';
import { frameBytes, headerBytes, join, le } from './support/bytes';
import {
  LOG_ID,
  OTHER_LOG_ID,
  RAW,
  buildLog,
  collect,
  filesOf,
  segmentBytes,
  segmentFile,
  withFileBytes,
  type FrameSpec,
} from './support/logs';
import type { Files } from './support/reference';

const LAST = segmentFile(3);

/** LSNs and payloads as text. */
function shown(store: SegmentStore, options: FollowOptions = {}): Observable<string> {
  return follow(store, options).pipe(
    map(
      ({ lsn, buffer, start, end }) => `${lsn}:${Buffer.from(buffer.subarray(start + 12, end - 4)).toString('latin1')}`,
    ),
  );
}

/** What a single look shows. */
function look(files: Files, options: FollowOptions = {}): ReturnType<typeof collect<string>> {
  return collect(shown(memoryStore({ files }), { live: false, ...options }));
}

const lsnsOf = (values: readonly string[]): number[] => values.map((value) => Number(value.split(':')[0]));

/**
 * A process on a store: another one may take the lock when it is killed, and whatever it had asked for and has not got yet, it never
 * gets.
 */
class Process {
  /** Operations that it still gets. */
  #left = Infinity;
  readonly store: SegmentStore;

  constructor(inner: SegmentStore) {
    const living = <T>(operation: Observable<T>): Observable<T> =>
      defer(() => {
        this.#left -= 1;
        return this.#left >= 0 ? operation : NEVER;
      });
    const fileOf = (file: SegmentFile): SegmentFile => ({
      name: file.name,
      size: () => living(file.size()),
      read: (position, length) => living(file.read(position, length)),
      write: (pieces, position) => living(file.write(pieces, position)),
      sync: () => living(file.sync()),
      truncate: (size) => living(file.truncate(size)),
      close: () => living(file.close()),
    });
    this.store = {
      dir: inner.dir,
      lock: () => of(() => of(undefined)),
      list: () => living(inner.list()),
      open: (name, access) => living(inner.open(name, access)).pipe(map(fileOf)),
      rename: (from, to) => living(inner.rename(from, to)),
      remove: (name) => living(inner.remove(name)),
      syncDir: () => living(inner.syncDir()),
    };
  }

  killAfter(operations: number): void {
    this.#left = operations;
  }
}

/** A log that is open on a store that takes no time. */
function openOn(store: SegmentStore, options = {}): Wal<Uint8Array> {
  const { values, error } = collect(recoverWal<Uint8Array>(store, { ...RAW, ...options }));
  if (!values[0]) throw error as Error;
  return values[0];
}

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));

/** A store that may become another one. */
function switching(current: () => SegmentStore): SegmentStore {
  return {
    dir: 'switching',
    lock: () => current().lock(),
    list: () => current().list(),
    open: (name, access) => current().open(name, access),
    rename: (from, to) => current().rename(from, to),
    remove: (name) => current().remove(name),
    syncDir: () => current().syncDir(),
  };
}

/** A follower whose looks come when they are called for. The first comes at once. */
class Looks {
  readonly seen: string[] = [];
  error: unknown;
  readonly #scheduler = new VirtualTimeScheduler(VirtualAction, 0);
  readonly #subscription: Subscription;

  constructor(store: SegmentStore, onRecord: (record: string) => void = () => undefined) {
    this.#subscription = shown(store, { intervalMs: 10, scheduler: this.#scheduler }).subscribe({
      next: (record) => {
        this.seen.push(record);
        onRecord(record);
      },
      error: (error: unknown) => {
        this.error = error;
      },
    });
  }

  look(): void {
    this.#scheduler.maxFrames += 10;
    this.#scheduler.flush();
  }

  end(): void {
    this.#subscription.unsubscribe();
  }
}

describe('follow, one look', () => {
  it('shows a closed log to its end: the last mark names its last record', async () => {
    const { values, error, done } = look(await buildLog('closed', true));
    expect({ error, done }).toEqual({ error: undefined, done: true });
    expect(values).toEqual(['1:one', '2:two!', '3:', `4:${'4'.repeat(40)}`, '5:five', '6:six', '7:7', '8:eight...']);
  });

  it('hides what no mark names after a crash: the last batch', async () => {
    expect(lsnsOf(look(await buildLog('crashed')).values)).toEqual([3, 4, 5, 6, 7]);
  });

  it.each<[after: number, from: number]>([
    [0, 1],
    [1, 2],
    [3, 4],
    [4, 5],
    [7, 8],
    [8, 9],
  ])('after %d begins at %d', async (after, from) => {
    const { values, error } = look(await buildLog('closed', true), { after });
    expect(error).toBeUndefined();
    expect(lsnsOf(values)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].slice(from - 1));
  });

  it('an empty directory shows nothing', () => {
    expect(look(new Map())).toEqual({ values: [], error: undefined, done: true });
  });

  it('after past the last record is another log', async () => {
    const { error } = look(await buildLog('closed'), { after: 9 });
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({
      message: 'after 9 is past the last LSN, 8: is this the log that the reader has read?',
    });
  });

  it('what a checkpoint has removed is WalTruncatedError, which names the first LSN there', async () => {
    const { error } = look(await buildLog('closed'), { after: 1 });
    expect(error).toMatchObject({ code: 'WAL_TRUNCATED', askedLsn: 2, firstLsn: 3 });
  });

  it('a checkpoint frame proves nothing: it may be of the batch that is on its way', () => {
    const frames = [
      ['record', 1, 'a'],
      ['checkpoint', 1, ''],
    ] as const;
    expect(look(filesOf(segmentBytes(1, frames))).values).toEqual([]);
    expect(look(filesOf(segmentBytes(1, [...frames, ['mark', 1]]))).values).toEqual(['1:a']);
  });

  it('checkpoint.meta proves what it names', async () => {
    const files = await buildLog('crashed', true);
    const cbor = Buffer.from('b90002636c736e086565706f636801', 'hex');
    const meta = join(segmentBytes(9, []), frameBytes('checkpoint', 8, cbor, LOG_ID));
    expect(lsnsOf(look(withFileBytes(files, 'checkpoint.meta', meta)).values)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('a torn tail ends it, damage fails it behind the last record before', async () => {
    const files = await buildLog('crashed', true);
    const torn = withFileBytes(files, LAST, join(files.get(LAST)!, le(100, 4), le(9, 8), [1, 2, 3]));
    expect(look(torn)).toMatchObject({ error: undefined, done: true });
    const harmed = files.get(LAST)!.slice();
    harmed[64]! ^= 1;
    const { values, error } = look(withFileBytes(files, LAST, harmed));
    expect(lsnsOf(values)).toEqual([1, 2, 3, 4]);
    expect(error).toBeInstanceOf(WalCorruptError);
    expect(error).toMatchObject({ file: LAST, offset: 48, lsn: 5 });
  });

  it('damage in a segment that has a successor fails it', async () => {
    const files = await buildLog('closed', true);
    const name = segmentFile(1);
    const { values, error } = look(withFileBytes(files, name, files.get(name)!.subarray(0, 40)));
    expect(lsnsOf(values)).toEqual([1, 2]);
    expect(error).toMatchObject({ code: 'WAL_CORRUPT', file: name, lsn: 3 });
  });

  it('a record above maxRecordBytes is WalRecordError, and not damage', async () => {
    const { error } = look(await buildLog('closed', true), { maxRecordBytes: 39 });
    expect(error).toMatchObject({ code: 'WAL_RECORD' });
  });

  it.each(['list', 'open', 'size', 'read'] as const)(
    'a failed %s is WalIoError, and no file stays open',
    async (kind) => {
      const store = memoryStore({ files: await buildLog('closed', true), plan: marblePlan({ [kind]: ['|', '#'] }) });
      const failing = kind === 'list' ? memoryStore({ plan: marblePlan({ list: '#' }) }) : store;
      const { error } = collect(shown(failing, { live: false }));
      expect(error).toBeInstanceOf(WalIoError);
      expect(error).toMatchObject({ cause: { code: 'EIO' } });
      const count = (of: string): number => failing.operations.filter((operation) => operation.kind === of).length;
      expect(count('close')).toBe(count('open') - (kind === 'open' ? 1 : 0));
    },
  );

  it.each([
    [{ after: -1 }, RangeError],
    [{ intervalMs: -1 }, RangeError],
    [{ maxRecordBytes: 0 }, RangeError],
  ])('%p throws at once', (options, type) => {
    expect(() => follow(memoryStore(), options)).toThrow(type);
  });

  it('takes no lock, and only reads', async () => {
    const store = memoryStore({ files: await buildLog('closed', true) });
    collect(shown(store, { live: false }));
    const kinds = new Set(store.operations.map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual(['close', 'list', 'open', 'read', 'size']);
  });
});

describe('provenLsn', () => {
  it.each<[what: string, files: () => Files | Promise<Files>, lsn: number]>([
    ['an empty directory', () => new Map(), 0],
    ['a closed log', () => buildLog('closed'), 8],
    ['a crashed one', () => buildLog('crashed'), 7],
    [
      'a last segment without a mark',
      () => filesOf(segmentBytes(1, [['record', 1]]), segmentBytes(2, [['record', 2]])),
      1,
    ],
  ])('of %s', async (_what, files, lsn) => {
    expect(collect(provenLsn(memoryStore({ files: await files() })))).toEqual({
      values: [lsn],
      error: undefined,
      done: true,
    });
  });
});

describe('follow, live', () => {
  it('shows each record once it is durable, also the last, which no mark names: by an fsync of its own', () => {
    virtualTime(({ hot, expectObservable }) => {
      let open = false;
      const plan = marblePlan({ sync: '---|' });
      const store = memoryStore({ plan: (operation) => (open ? plan(operation) : undefined) });
      const writer = openOn(store);
      open = true;
      hot('-----------a-b----------c', { a: 'a', b: 'b', c: 'c' }).subscribe((text) => {
        writer.next(bytes(text));
      });
      // Looks at 0, 10, 20, 33: each 10 after the end of the one before. The mark for a stands before b, and the one for b before c.
      expectObservable(shown(store, { intervalMs: 10 }), '^ 60ms !').toBe('20ms a--b 12ms c', {
        a: '1:a',
        b: '2:b',
        c: '3:c',
      });
    });
  });

  it('hides what stood there before it came, until a mark names it', async () => {
    const files = await buildLog('crashed', true);
    virtualTime(({ hot, expectObservable }) => {
      const store = memoryStore({ files });
      hot('25ms o 9ms a', { o: 'open', a: 'append' }).subscribe((what) => {
        if (what === 'open') writer = openOn(store);
        else writer!.next(bytes('nine'));
      });
      let writer: Wal<Uint8Array> | undefined;
      expectObservable(shown(store, { intervalMs: 10, after: 6 }), '^ 60ms !').toBe('a 39ms (bc)', {
        a: '7:7',
        b: '8:eight...',
        c: '9:nine',
      });
    });
  });

  it('a witness that is told of lost pages proves nothing: the record waits for the next mark', () => {
    virtualTime(({ hot, expectObservable }) => {
      const store = memoryStore();
      const writer = openOn(store);
      let failing = true;
      const witness: SegmentStore = {
        ...switching(() => store),
        open: (name, access) =>
          store.open(name, access).pipe(
            map((file) => ({
              ...file,
              sync: () =>
                defer(() => {
                  if (failing) throw fault('EIO');
                  return file.sync();
                }),
            })),
          ),
      };
      hot('5ms a 19ms b', { a: 'a', b: 'b' }).subscribe((text) => {
        if (text === 'b') failing = false;
        writer.next(bytes(text));
      });
      // Looks at 0, 10, 20, 30. At 10 the fsync fails; at 30 the mark before b names a, and b itself came behind the newer witness.
      expectObservable(shown(witness, { intervalMs: 10 }), '^ 45ms !').toBe('30ms (ab)', { a: '1:a', b: '2:b' });
    });
  });

  it('goes on across rotations, a checkpoint, a close that trims, and a clean opening', async () => {
    const store = memoryStore();
    const process1 = new Process(store);
    const looks = new Looks(store);
    const first = openOn(process1.store, { preallocateBytes: 4096 });
    for (const text of ['a', 'b', 'c']) {
      await first.append(bytes(text));
      await first.rotate();
    }
    looks.look();
    expect(looks.seen).toEqual(['1:a', '2:b', '3:c']);
    await first.checkpoint({ lsn: 2 });
    await first.append(bytes('d'));
    looks.look();
    await first.close();
    looks.look();
    const second = openOn(store);
    await second.append(bytes('e'));
    looks.look();
    await second.close();
    looks.look();
    expect(looks.seen).toEqual(['1:a', '2:b', '3:c', '4:d', '5:e']);
    expect(looks.error).toBeUndefined();
    looks.end();
  });

  it('fails with WalTruncatedError where a checkpoint overtakes it', async () => {
    const store = memoryStore();
    const writer = openOn(store);
    const looks = new Looks(store);
    await writer.append(bytes('a'));
    looks.look();
    for (const text of ['b', 'c', 'd']) {
      await writer.rotate();
      await writer.append(bytes(text));
    }
    await writer.checkpoint({ lsn: 3 });
    looks.look();
    expect(looks.seen).toEqual(['1:a']);
    expect(looks.error).toMatchObject({ code: 'WAL_TRUNCATED', askedLsn: 2, firstLsn: 4 });
  });

  it('notices another log in the place of this one', async () => {
    const files = await buildLog('closed', true);
    let current = memoryStore({ files });
    const looks = new Looks(switching(() => current));
    const other = join(headerBytes({ firstLsn: 5, logId: OTHER_LOG_ID }), frameBytes('record', 5, 'x', OTHER_LOG_ID));
    current = memoryStore({ files: withFileBytes(files, LAST, other) });
    looks.look();
    expect(looks.error).toMatchObject({ code: 'WAL_CORRUPT', file: LAST, offset: 0 });
  });

  it('a batch that is half there behind records that it has just shown is waited for', () => {
    const log = (...frames: readonly FrameSpec[]): Uint8Array => segmentBytes(1, frames);
    const record = (lsn: number): FrameSpec => ['record', lsn, String(lsn)];
    const first = log(record(1), record(2), ['mark', 2]);
    const half = join(log(record(1), record(2), ['mark', 2], record(3), record(4), ['mark', 4]), [9, 0, 0, 0, 5]);
    const whole = log(record(1), record(2), ['mark', 2], record(3), record(4), ['mark', 4], record(5), ['mark', 5]);
    virtualTime(({ cold, flush }) => {
      let files = filesOf(first);
      const store = switching(() => memoryStore({ files }));
      cold('-----a----b', { a: half, b: whole }).subscribe((bytes) => (files = filesOf(bytes)));
      const seen: string[] = [];
      const errors: unknown[] = [];
      const following = shown(store, { intervalMs: 3 }).subscribe({
        next: (text) => seen.push(text),
        error: (error: unknown) => errors.push(error),
      });
      cold('--------------------|').subscribe({ complete: () => following.unsubscribe() });
      flush();
      expect([seen, errors]).toEqual([['1:1', '2:2', '3:3', '4:4', '5:5'], []]);
    });
  });

  it('a torn tail of a writer that was killed is waited out; damage is not', async () => {
    const files = await buildLog('crashed', true);
    const torn = withFileBytes(files, LAST, join(files.get(LAST)!, le(100, 4), le(9, 8), [1, 2, 3]));
    const store = memoryStore({ files: torn });
    const looks = new Looks(store);
    looks.look();
    looks.look();
    expect(lsnsOf(looks.seen)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    const writer = openOn(store);
    await writer.append(bytes('nine'));
    looks.look();
    expect(lsnsOf(looks.seen)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    await writer.append(bytes('ten'));
    looks.look();
    expect(lsnsOf(looks.seen)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(looks.error).toBeUndefined();
    looks.end();
  });

  it('closes every file when it is no longer wanted, whenever that is', async () => {
    const files = await buildLog('closed', true);
    for (let until = 0; until < 60; until += 1) {
      virtualTime(({ expectObservable, flush }) => {
        const store = memoryStore({ files, plan: marblePlan({ open: '-|', read: '-|', size: '-|' }) });
        const closes: number[] = [];
        const counting: SegmentStore = {
          ...switching(() => store),
          open: (name, access) =>
            store.open(name, access).pipe(
              map((file) => {
                const nth = closes.push(0) - 1;
                return {
                  ...file,
                  close: () =>
                    defer(() => {
                      closes[nth]! += 1;
                      return file.close();
                    }),
                };
              }),
            ),
        };
        expectObservable(follow(counting, { intervalMs: 5 }).pipe(ignoreElements()), `^ ${until}ms !`).toBe('-');
        flush();
        expect(closes.filter((times) => times !== 1)).toEqual([]);
      });
    }
  });
});

describe('follow beside a writer that is killed and comes back', () => {
  type Step = 'append' | 'burst' | 'rotate' | 'checkpoint' | 'sync' | 'kill' | 'close' | 'look';
  const step = fc.constantFrom<Step>(
    'append',
    'append',
    'burst',
    'rotate',
    'checkpoint',
    'sync',
    'kill',
    'close',
    'look',
    'look',
  );

  it.each(['sync', 'nosync'] as const)(
    'mode %s: whatever happens, it shows each record once, in order, and only what a power cut at that moment would leave',
    async (mode) => {
      let records = 0;
      let checked = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
          const store = memoryStore();
          const options = { durability: { mode }, maxSegmentBytes: 200, preallocateBytes: 64 };
          let process = new Process(store);
          let writer = openOn(process.store, options);
          const looks = new Looks(store, (record) => {
            const left = collect(readWal<Uint8Array>(memoryStore({ files: store.durableSnapshot() }), RAW));
            const [lsn, text] = record.split(':');
            const entry = left.values.find((found) => String(found.lsn) === lsn);
            expect(entry && Buffer.from(entry.value).toString('latin1')).toBe(text);
            checked += 1;
          });
          let serial = 0;
          const append = (): void => {
            serial += 1;
            writer.append(bytes(`value ${serial}`)).subscribe({ error: () => undefined });
          };
          const reopen = (): void => {
            process = new Process(store);
            writer = openOn(process.store, options);
          };
          for (const what of steps) {
            switch (what) {
              case 'append':
                append();
                await turn();
                break;
              case 'burst':
                for (let at = 0; at < 5; at += 1) append();
                await turn();
                break;
              case 'rotate':
                await writer.rotate();
                break;
              case 'checkpoint':
                // Never past what has been shown, so that no record is missed.
                await writer.checkpoint({ lsn: Math.max(looks.seen.length, writer.lastCheckpoint?.lsn ?? 0) });
                break;
              case 'sync':
                await writer.sync();
                break;
              case 'kill':
                // Between the write of a batch and its fsync.
                process.killAfter(1);
                append();
                await turn();
                reopen();
                break;
              case 'close':
                await writer.close();
                reopen();
                break;
              case 'look':
                looks.look();
                break;
            }
          }
          await writer.close();
          looks.look();
          looks.look();
          looks.end();
          expect(looks.error).toBeUndefined();
          expect(lsnsOf(looks.seen)).toEqual(Array.from({ length: writer.lastLsn }, (_, index) => index + 1));
          records += looks.seen.length;
        }),
        { numRuns: 60 },
      );
      expect(records).toBeGreaterThan(400);
      expect(checked).toBe(records);
    },
  );
});

describe('judgeTail', () => {
  it('a write that was on its way when it looked is no torn tail and no damage', () => {
    const whole = segmentBytes(1, [
      ['record', 1, 'one'],
      ['mark', 1],
    ]);
    const store = memoryStore({ files: filesOf(whole) });
    const invalid = new WalCorruptError({ file: segmentFile(0), offset: 32, lsn: 1, reason: 'half of it was there' });
    const judged = store
      .open(segmentFile(0), 'read')
      .pipe(concatMap((file) => judgeTail(file, invalid, { logId: LOG_ID, maxRecordBytes: 1000, groups: true })));
    expect(collect(judged)).toEqual({ values: [0], error: undefined, done: true });
  });
});
