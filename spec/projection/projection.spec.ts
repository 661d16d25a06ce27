import { getEventListeners } from 'node:events';
import { distinctUntilChanged, firstValueFrom, lastValueFrom, map, timer, toArray } from 'rxjs';
import {
  WalClosedError,
  WalIoError,
  WalProjectionError,
  WalTruncatedError,
  type Projection,
  type ProjectOptions,
  type SnapshotOutcome,
  type Wal,
} from 'rxwal';
import { fault, marblePlan, memoryWal, virtualTime, type MemoryStore, type MemoryWalOptions } from 'rxwal/testing';

type Files = ReadonlyMap<string, Uint8Array>;

const SUM: ProjectOptions<number, number> = {
  name: 'sum',
  initial: 0,
  reduce: (sum, { value }) => sum + value,
};

/** A log in memory; its segments hold a few records each. */
const logOf = (
  files?: Files,
  options: MemoryWalOptions<number> = {},
): { readonly wal: Wal<number>; readonly store: MemoryStore } =>
  memoryWal<number>({ maxSegmentBytes: 120, ...options, files });

/** A closed log of the values 1 to `records`, and what a projection has left there. */
async function filesOf(records: number, options: Partial<ProjectOptions<number, number>> = {}): Promise<Files> {
  const { wal, store } = logOf();
  const sum = wal.project({ ...SUM, ...options });
  for (let value = 1; value <= records; value += 1) await wal.append(value);
  await sum.at(records);
  await wal.close();
  return store.snapshot();
}

/** A closed log of the values 1 to 4. */
let FOUR: Files;

beforeAll(async () => {
  const { wal, store } = memoryWal<number>();
  for (let value = 1; value <= 4; value += 1) await wal.append(value);
  await wal.close();
  FOUR = store.snapshot();
});

const snapshotsIn = (store: MemoryStore): string[] =>
  [...store.snapshot().keys()].filter((name) => name.endsWith('.snapshot')).sort();

const sumUpTo = (lsn: number): number => (lsn * (lsn + 1)) / 2;

describe('a projection', () => {
  it('folds the log, and follows it', async () => {
    const { wal } = logOf();
    wal.next(1);
    await wal.append(2);
    const sum = wal.project(SUM);
    await expect(firstValueFrom(sum.state$)).resolves.toEqual({ lsn: 2, state: 3 });
    const { lsn } = await wal.append(40);
    await expect(sum.at(lsn)).resolves.toEqual({ lsn: 3, state: 43 });
    expect(sum.current).toEqual({ lsn: 3, state: 43 });
  });

  it('goes on from its snapshot, as the picture of its docblock shows', async () => {
    const { wal, store } = logOf();
    const before = wal.project({ ...SUM, snapshotEvery: 2 });
    await wal.append(1);
    await wal.append(2);
    await before.at(2);
    await before.close();
    wal.next(3);
    await wal.append(4);
    await wal.close();
    const files = store.snapshot();
    virtualTime(({ hot, expectObservable, flush }) => {
      const { wal: again } = logOf(files, { plan: marblePlan({ sync: '-|' }) });
      const applied: number[] = [];
      const sum = again.project({
        ...SUM,
        reduce: (state, { lsn, value }) => {
          applied.push(lsn);
          return state + value;
        },
      });
      hot('                                                  -----a').subscribe(() => again.next(5));
      expectObservable(again.durable$).toBe('                4-----5', { 4: 4, 5: 5 });
      expectObservable(sum.state$).toBe('                    4-----5', {
        4: { lsn: 4, state: 10 },
        5: { lsn: 5, state: 15 },
      });
      flush();
      expect(applied).toEqual([3, 4, 5]);
    });
  });

  it('takes only what is durable', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = logOf(undefined, { plan: marblePlan({ sync: '---|' }) });
      const sum = wal.project(SUM);
      hot('                                                           -----------a').subscribe(() => wal.next(5));
      // Its reader is made first: what it says is durable after a file's fsync and a directory's.
      expectObservable(sum.state$.pipe(map(({ lsn }) => lsn))).toBe(' ---0----------1', { 0: 0, 1: 1 });
    });
  });

  it('shows what one turn of the event loop has applied at once', async () => {
    const { wal } = logOf();
    const sum = wal.project(SUM);
    const shown = lastValueFrom(sum.state$.pipe(toArray()));
    await sum.at(0);
    for (let value = 1; value <= 100; value += 1) wal.next(value);
    await sum.at(100);
    await sum.close();
    expect((await shown).length).toBeLessThan(10);
    expect((await shown).at(-1)).toEqual({ lsn: 100, state: sumUpTo(100) });
  });

  it('tells its lag', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = logOf(FOUR, { plan: marblePlan({ read: '---|' }) });
      const sum = wal.project(SUM);
      expectObservable(sum.lag$).toBe('4--(3210)--(10)', { 0: 0, 1: 1, 2: 2, 3: 3, 4: 4 });
      hot('                            -----------a').subscribe(() => wal.next(1));
    });
  });

  it('makes its first state anew where that is a function', async () => {
    const { wal } = logOf();
    const options = {
      initial: () => [] as number[],
      reduce: (state: number[], { value }: { value: number }) => {
        state.push(value);
        return state;
      },
    };
    const [one, two] = [wal.project({ ...options, name: 'one' }), wal.project({ ...options, name: 'two' })];
    await wal.append(7);
    expect((await one.at(1)).state).toEqual([7]);
    expect((await two.at(1)).state).toEqual([7]);
  });
});

describe('who watches the log', () => {
  it('sees where it is, and not only what the log is held for', async () => {
    const { wal } = logOf();
    const sum = wal.project(SUM);
    for (let value = 1; value <= 5; value += 1) await wal.append(value);
    await sum.at(5);
    const [reader] = (await firstValueFrom(wal.retention$)).readers;
    expect(reader).toMatchObject({ name: 'projection:sum', lsn: 0, takenLsn: 5, lag: 0 });
    await sum.close();
    await wal.append(6);
    const [left] = (await firstValueFrom(wal.retention$)).readers;
    expect(left).toMatchObject({ lsn: 0, lag: 6 });
    expect(left).not.toHaveProperty('takenLsn');
  });

  it('is told of one that is stuck, and not of one that only takes no snapshot yet', () => {
    virtualTime(({ expectObservable }) => {
      const slow = { retention: { stuckAfterMs: 10 }, plan: marblePlan({ read: '300ms |' }) };
      const stuckIn = (joinsAt: number) => {
        const { wal } = logOf(undefined, slow);
        timer(joinsAt).subscribe(() => wal.project(SUM));
        timer(5).subscribe(() => wal.next(1));
        timer(400).subscribe(() => void wal.close());
        return wal.retention$.pipe(
          map(({ readers }) => readers.some(({ stuck }) => stuck)),
          distinctUntilChanged(),
        );
      };
      // It follows live, and takes no snapshot.
      expectObservable(stuckIn(0)).toBe('f 399ms |', { f: false });
      // It comes later, and the disk is slow.
      expectObservable(stuckIn(6)).toBe('f 15ms t 289ms f 93ms |', { f: false, t: true });
    });
  });
});

describe('its snapshots', () => {
  it('are taken every so many records, and at its end; two are kept', async () => {
    const { wal, store } = logOf();
    const sum = wal.project({ ...SUM, snapshotEvery: 3 });
    const taken: SnapshotOutcome[] = [];
    sum.snapshots$.subscribe((outcome) => taken.push(outcome));
    for (let value = 1; value <= 10; value += 1) {
      await wal.append(value);
      await sum.at(value);
    }
    await sum.close();
    expect(taken.map(({ lsn, error }) => ({ lsn, error }))).toEqual(
      [3, 6, 9, 10].map((lsn) => ({ lsn, error: undefined })),
    );
    expect(snapshotsIn(store)).toEqual(['sum.0000000000000009.snapshot', 'sum.0000000000000010.snapshot']);
  });

  it('are durable when they are told of', async () => {
    const { wal, store } = logOf();
    const sum = wal.project(SUM);
    await wal.append(5);
    await sum.at(1);
    await expect(sum.snapshot()).resolves.toBe(1);
    const { wal: again } = logOf(store.durableSnapshot());
    await expect(again.project(SUM).at(1)).resolves.toEqual({ lsn: 1, state: 5 });
  });

  it('let the log go, up to the one before the newest', async () => {
    const { wal } = logOf();
    const sum = wal.project({ ...SUM, snapshotEvery: 5 });
    for (let value = 1; value <= 40; value += 1) {
      await wal.append(value);
      await sum.at(value);
    }
    await sum.snapshot();
    expect(wal.lastCheckpoint?.lsn).toBe(35);
    expect(wal.readers).toMatchObject([{ name: 'projection:sum', lsn: 35 }]);
    expect(wal.firstLsn).toBeGreaterThan(25);
    expect(wal.firstLsn).toBeLessThanOrEqual(36);
  });

  it('keep the log where that is the history', async () => {
    const { wal } = logOf();
    const sum = wal.project({ ...SUM, snapshotEvery: 5, checkpoint: false });
    for (let value = 1; value <= 40; value += 1) await wal.append(value);
    await sum.at(40);
    await sum.snapshot();
    expect(wal.lastCheckpoint).toBeUndefined();
    expect(wal.firstLsn).toBe(1);
  });

  it('of several projections hold the log back to the slowest', async () => {
    const { wal } = logOf();
    const fast = wal.project({ ...SUM, name: 'fast', snapshotEvery: 4 });
    const slow = wal.project({ ...SUM, name: 'slow', snapshotEvery: 1000 });
    for (let value = 1; value <= 40; value += 1) await wal.append(value);
    await Promise.all([fast.at(40), slow.at(40)]);
    await fast.snapshot();
    expect(wal.firstLsn).toBe(1);
    await slow.snapshot();
    wal.next(41);
    await slow.at(41);
    await slow.snapshot();
    expect(wal.firstLsn).toBeGreaterThan(20);
  });

  it('fall back to the one before where the newest is damaged, and say so', async () => {
    const files = new Map(await filesOf(10, { snapshotEvery: 4 }));
    const newest = [...files.keys()]
      .filter((name) => name.endsWith('.snapshot'))
      .sort()
      .at(-1) as string;
    const bytes = Uint8Array.from(files.get(newest) as Uint8Array);
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    files.set(newest, bytes);
    const { wal } = logOf(files);
    const sum = wal.project(SUM);
    await expect(firstValueFrom(sum.state$)).resolves.toEqual({ lsn: 10, state: 55 });
    expect(sum.passedOver).toMatchObject([{ code: 'WAL_CORRUPT', file: newest }]);
  });

  it('of another version are passed over: the state is made anew', async () => {
    const { wal } = logOf(await filesOf(4, { checkpoint: false }));
    const product = wal.project({ ...SUM, version: 2, initial: 1, reduce: (state, { value }) => state * value });
    await expect(product.at(4)).resolves.toEqual({ lsn: 4, state: 24 });
    expect(product.passedOver).toHaveLength(1);
  });

  it('of another version, where the log has not all of it any more, are an error that says so', async () => {
    const { wal } = logOf(await filesOf(40, { snapshotEvery: 5 }));
    expect(wal.firstLsn).toBeGreaterThan(1);
    const error: unknown = await firstValueFrom(wal.project({ ...SUM, version: 2 }).state$).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(WalTruncatedError);
  });

  it('of a state that does not decode are an error', async () => {
    const { wal } = logOf(await filesOf(2));
    const codec = {
      encode: () => new Uint8Array(0),
      decode: () => {
        throw new Error('not mine');
      },
    };
    await expect(firstValueFrom(wal.project({ ...SUM, codec }).state$)).rejects.toThrow(
      /sum stopped at LSN 2.*not mine/,
    );
  });

  it('that cannot be written are told of; the projection goes on, and the log holds what it had', async () => {
    let full = false;
    const plan = marblePlan({ create: '#' }, fault('ENOSPC'));
    const { wal } = logOf(undefined, {
      plan: (operation) => (full && operation.file.includes('.snapshot') ? plan(operation) : undefined),
    });
    const sum = wal.project({ ...SUM, snapshotEvery: 2 });
    const taken: SnapshotOutcome[] = [];
    sum.snapshots$.subscribe((outcome) => taken.push(outcome));
    full = true;
    for (let value = 1; value <= 5; value += 1) {
      await wal.append(value);
      await sum.at(value);
    }
    expect(taken[0]?.error).toBeInstanceOf(WalIoError);
    await expect(sum.snapshot()).rejects.toBeInstanceOf(WalIoError);
    expect(wal.readers).toMatchObject([{ lsn: 0 }]);
    full = false;
    await expect(sum.snapshot()).resolves.toBe(5);
    expect(sum.current).toEqual({ lsn: 5, state: 15 });
  });
});

describe('the end of a projection', () => {
  it('is its close: the log goes on, and holds what comes next for it', async () => {
    const { wal } = logOf();
    const sum = wal.project(SUM);
    await wal.append(1);
    await sum.at(1);
    await sum.close();
    await expect(sum.close()).resolves.toBeUndefined();
    await wal.append(2);
    expect(sum.current).toEqual({ lsn: 1, state: 1 });
    await expect(sum.at(2)).rejects.toBeInstanceOf(WalClosedError);
    await expect(sum.snapshot()).rejects.toBeInstanceOf(WalClosedError);
    await expect(wal.project(SUM).at(2)).resolves.toEqual({ lsn: 2, state: 3 });
  });

  it('is that of the log, with a last snapshot before the lock is given back', async () => {
    const { wal, store } = logOf();
    const sum = wal.project(SUM);
    const ended = lastValueFrom(sum.state$);
    await wal.append(1);
    await sum.at(1);
    await wal.close();
    await expect(ended).resolves.toEqual({ lsn: 1, state: 1 });
    expect(snapshotsIn(store)).toEqual(['sum.0000000000000001.snapshot']);
    const kinds = store.operations.map(({ kind, file }) => (file.includes('.snapshot') ? 'snapshot' : kind));
    expect(kinds.lastIndexOf('snapshot')).toBeLessThan(kinds.indexOf('unlock'));
  });

  it('is what its reduce throws, with the LSN; the log goes on', async () => {
    const { wal } = logOf();
    const sum = wal.project({
      ...SUM,
      reduce: (state, { value }) => {
        if (value === 13) throw new Error('unlucky');
        return state + value;
      },
    });
    const failed = lastValueFrom(sum.state$);
    await wal.append(1);
    await wal.append(13);
    await expect(failed).rejects.toMatchObject({ code: 'WAL_PROJECTION', projection: 'sum', lsn: 2 });
    await expect(failed).rejects.toBeInstanceOf(WalProjectionError);
    await expect(wal.append(2)).resolves.toMatchObject({ lsn: 3 });
    expect(wal.readers).toMatchObject([{ name: 'projection:sum', lsn: 0 }]);
  });

  it('is the reason of its signal, and takes no snapshot', async () => {
    const { wal, store } = logOf();
    const stop = new AbortController();
    const sum = wal.project({ ...SUM, signal: stop.signal });
    const ended = lastValueFrom(sum.state$);
    await wal.append(1);
    await sum.at(1);
    stop.abort(new Error('enough'));
    await expect(ended).rejects.toThrow('enough');
    expect(snapshotsIn(store)).toEqual([]);
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
    await expect(wal.project(SUM).at(1)).resolves.toEqual({ lsn: 1, state: 1 });
  });

  it('is the error of a directory that cannot be read', async () => {
    const files = await filesOf(2);
    const { wal } = logOf(files, { plan: marblePlan({ list: '#' }) });
    await expect(firstValueFrom(wal.project(SUM).state$)).rejects.toBeInstanceOf(WalIoError);
  });

  it('is the truncation of what it needs, where it begins too late', async () => {
    const { wal } = logOf();
    for (let value = 1; value <= 20; value += 1) await wal.append(value);
    await wal.checkpoint();
    const from = wal.firstLsn - 1;
    await expect(firstValueFrom(wal.project(SUM).state$)).rejects.toBeInstanceOf(WalTruncatedError);
    const late = wal.project({ ...SUM, name: 'late', after: from });
    await expect(late.at(20)).resolves.toEqual({ lsn: 20, state: sumUpTo(20) - sumUpTo(from) });
  });
});

describe('what a projection refuses', () => {
  it.each<[string, Partial<Record<keyof ProjectOptions<number, number> | 'typo', unknown>>, string]>([
    ['a name that is none', { name: 7 }, 'name'],
    ['a name that is no part of a file name', { name: '../x' }, 'name'],
    ['a name in upper case', { name: 'Sum' }, 'name'],
    ['a reduce that is none', { reduce: 1 }, 'reduce'],
    ['no records between snapshots', { snapshotEvery: 0 }, 'snapshotEvery'],
    ['a version that is none', { version: 'x' }, 'version'],
    ['an LSN that is none', { after: -1 }, 'after'],
    ['a codec that is none', { codec: {} }, 'codec'],
    ['a checkpoint that is neither', { checkpoint: 'no' }, 'checkpoint'],
    ['a signal that is none', { signal: {} }, 'signal'],
    ['what is no option', { typo: 1 }, 'typo'],
  ])('is %s', (_what, wrong, named) => {
    const { wal } = logOf();
    expect(() => wal.project({ ...SUM, ...wrong } as ProjectOptions<number, number>)).toThrow(named);
  });

  it('is no first state', () => {
    const { wal } = logOf();
    const { initial: _initial, ...without } = SUM;
    expect(() => wal.project(without as ProjectOptions<number, number>)).toThrow('initial');
  });

  it('is a name that runs', async () => {
    const { wal } = logOf();
    const first: Projection<number> = wal.project(SUM);
    expect(() => wal.project(SUM)).toThrow('name');
    await first.close();
    expect(wal.project(SUM).name).toBe('sum');
  });

  it('is a log that is closed', async () => {
    const { wal } = logOf();
    await wal.close();
    expect(() => wal.project(SUM)).toThrow(WalClosedError);
  });
});
