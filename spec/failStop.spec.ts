import { setImmediate as turn } from 'node:timers/promises';
import {
  asyncScheduler,
  catchError,
  concat,
  config,
  defer,
  filter,
  ignoreElements,
  map,
  materialize,
  merge,
  mergeMap,
  of,
  tap,
  throwError,
  timer,
  toArray,
  type Observable,
} from 'rxjs';
import { WalIoError, WalPoisonedError } from '../src/errors';
import { recoverWal } from '../src/openWal';
import { readWal } from '../src/read';
import type { SegmentFile, SegmentStore } from '../src/store/segmentStore';
import { fault, marblePlan, memoryStore, memoryWal, virtualTime, type MemoryStore } from '../src/testing';
import type { Ack, Durability, Entry } from '../src/types';
import type { Wal } from '../src/wal';

/** What an operation of the log on its store is for. */
type Purpose =
  | 'the write of a batch'
  | 'the fsync of a batch'
  | 'the truncate of the old segment, at rotation'
  | 'the fsync of the old segment, at rotation'
  | 'the making of the new segment'
  | 'the write of the new header'
  | 'the fsync of the new header'
  | 'the fsync of the directory, at rotation'
  | 'the write of the last mark, at close'
  | 'the truncate, at close'
  | 'the fsync, at close'
  | 'the saving of a checkpoint, or a removal'
  | 'the closing of a segment’s file'
  | 'the closing of checkpoint.meta'
  | 'the unlocking';

interface Step {
  readonly kind: string;
  readonly file: string;
}

interface Fault {
  readonly error: NodeJS.ErrnoException;
  /** How much of the operation has happened when it fails. */
  readonly landed: 'nothing' | 'half' | 'all';
}

interface FaultyStore extends SegmentStore {
  /** What was asked for while the log was open. */
  readonly steps: readonly Step[];
  readonly openFiles: () => number;
  /** From here on operations take time and may fail. */
  begin(): void;
  end(): void;
}

/** Milliseconds of virtual time that an operation takes. */
const OPERATION_MS = 1;

/**
 * A store on top of one in memory, where each operation takes a millisecond of virtual time, the chosen one fails, and a write
 * that fails may have left bytes behind.
 *
 * @param writesDurably gives its files `writeDurable`, as those of the real disk have.
 */
function faultyStore(
  memory: MemoryStore,
  writesDurably: boolean,
  inject: (step: number) => Fault | undefined,
): FaultyStore {
  const steps: Step[] = [];
  let live = false;
  let openFiles = 0;

  const act = <R>(
    kind: string,
    file: string,
    effect: () => Observable<R>,
    half: () => Observable<unknown> = effect,
  ): Observable<R> =>
    defer(() => {
      if (!live) return effect();
      const found = inject(steps.push({ kind, file }) - 1);
      const later = timer(OPERATION_MS).pipe(ignoreElements());
      if (!found) return concat(later, defer(effect));
      const landed = { nothing: [], half: [half], all: [effect] }[found.landed];
      return concat(
        later,
        ...landed.map((some: () => Observable<unknown>) => defer(some).pipe(ignoreElements())),
        throwError(() => found.error),
      );
    });

  const wrap = (file: SegmentFile): SegmentFile => {
    const half = (pieces: readonly Uint8Array[], position: number) => () => {
      const bytes = Buffer.concat(pieces);
      return file.write([bytes.subarray(0, bytes.length >> 1)], position);
    };
    const writeDurable: SegmentFile['writeDurable'] = (pieces, position) => {
      const both = concat(file.write(pieces, position).pipe(ignoreElements()), file.sync());
      return act('write', file.name, () => both, half(pieces, position));
    };
    return {
      ...file,
      write: (pieces, position) => act('write', file.name, () => file.write(pieces, position), half(pieces, position)),
      ...(writesDurably ? { writeDurable } : {}),
      sync: () => act('sync', file.name, () => file.sync()),
      truncate: (size) => act('truncate', file.name, () => file.truncate(size)),
      close: () =>
        defer(() => {
          openFiles -= 1;
          return act('close', file.name, () => file.close());
        }),
    };
  };

  return {
    dir: memory.dir,
    steps,
    openFiles: () => openFiles,
    begin: () => (live = true),
    end: () => (live = false),
    lock: () => memory.lock().pipe(map((unlock) => () => act('unlock', '', unlock))),
    list: () => memory.list(),
    open: (name, access) =>
      act(access === 'create' ? 'create' : 'open', name, () =>
        memory.open(name, access).pipe(
          map(wrap),
          tap(() => (openFiles += 1)),
        ),
      ),
    rename: (from, to) => act('rename', from, () => memory.rename(from, to)),
    remove: (name) => act('remove', name, () => memory.remove(name)),
    syncDir: () => act('syncDir', '', () => memory.syncDir()),
  };
}

/** What each step of a run without faults was for. */
function purposesOf(steps: readonly Step[]): Purpose[] {
  const lastTruncate = steps.findLastIndex(({ kind }) => kind === 'truncate');
  const lastWrite = steps.findLastIndex(({ kind }) => kind === 'write');
  const before = new Map<string, string>();
  return steps.map(({ kind, file }, index): Purpose => {
    const last = before.get(file);
    const isHeader = kind === 'write' && last === 'create';
    before.set(file, isHeader ? 'header' : kind);
    if (kind === 'close' && file.startsWith('checkpoint')) return 'the closing of checkpoint.meta';
    if (file.startsWith('checkpoint')) return 'the saving of a checkpoint, or a removal';
    switch (kind) {
      case 'unlock':
        return 'the unlocking';
      case 'create':
        return 'the making of the new segment';
      case 'truncate':
        return index === lastTruncate ? 'the truncate, at close' : 'the truncate of the old segment, at rotation';
      case 'write':
        if (isHeader) return 'the write of the new header';
        return index === lastWrite ? 'the write of the last mark, at close' : 'the write of a batch';
      case 'sync':
        if (last === 'header') return 'the fsync of the new header';
        if (last !== 'truncate') return 'the fsync of a batch';
        return index > lastTruncate ? 'the fsync, at close' : 'the fsync of the old segment, at rotation';
      case 'syncDir':
        if (steps[index - 1]?.kind === 'sync') return 'the fsync of the directory, at rotation';
        return 'the saving of a checkpoint, or a removal';
      case 'close':
        return 'the closing of a segment’s file';
      default:
        return 'the saving of a checkpoint, or a removal';
    }
  });
}

/** What became of one append. */
interface Append {
  readonly value: number;
  /** 0 where it was refused at once. */
  readonly lsn: number;
  readonly askedAt: number;
  readonly endedAt: number;
  readonly acks: readonly Ack[];
  readonly error: unknown;
}

type CallName = 'sync' | 'rotate' | 'checkpoint' | 'flush' | 'close';

/** Everything that was seen of one run. */
interface Run {
  readonly memory: MemoryStore;
  readonly store: FaultyStore;
  readonly asked: number;
  readonly appends: readonly Append[];
  readonly acks: readonly Ack[];
  readonly states: readonly string[];
  /** What acks$, commits$ and durable$ ended with. */
  readonly ends: readonly unknown[];
  readonly calls: Readonly<Record<CallName, PromiseSettledResult<unknown>>>;
  /** When the log stopped, or was closed. */
  readonly stoppedAt: number;
  /** The disk at that moment, as a killed process leaves it, and a power cut. */
  readonly killed: ReadonlyMap<string, Uint8Array>;
  readonly cut: ReadonlyMap<string, Uint8Array>;
  readonly durableLsn: number;
  readonly ackedLsn: number;
}

interface Setting {
  readonly durability: Durability;
  readonly writesDurably: boolean;
}

const CHECKPOINT_LSN = 12;

/**
 * The workload, in virtual time: appends alone and together, rotations by size and one by hand, a sync, a checkpoint, a flush, the
 * close. Each value is the LSN that its record gets.
 */
async function run(
  { durability, writesDurably }: Setting,
  inject: (step: number) => Fault | undefined = () => undefined,
): Promise<Run> {
  const memory = memoryStore();
  const store = faultyStore(memory, writesDurably, inject);
  const appends: Append[] = [];
  const acks: Ack[] = [];
  const states: string[] = [];
  const ends: unknown[] = [];
  const promises: [CallName, Promise<unknown>][] = [];
  let stop: Pick<Run, 'stoppedAt' | 'killed' | 'cut' | 'durableLsn'> | undefined;
  let asked = 0;

  virtualTime(() => {
    let opened: Wal<number> | undefined;
    recoverWal<number>(store, { durability, preallocateBytes: 0, maxSegmentBytes: 160 }).subscribe(
      (log) => (opened = log),
    );
    const wal = opened!;
    store.begin();

    const end = { error: (error: unknown) => ends.push(error), complete: () => ends.push('complete') };
    wal.acks$.subscribe({ next: (ack) => acks.push(ack), ...end });
    wal.commits$.subscribe(end);
    wal.durable$.subscribe(end);
    wal.state$.subscribe((state) => {
      states.push(state);
      if (state === 'poisoned' || state === 'closed') {
        stop = {
          stoppedAt: asyncScheduler.now(),
          killed: memory.snapshot(),
          cut: memory.durableSnapshot(),
          durableLsn: wal.durableLsn,
        };
      }
    });

    const at = (time: number, action: () => void): void => {
      timer(time).subscribe(action);
    };
    const call = (name: CallName, time: number, action: () => Promise<unknown>): void => {
      at(time, () => {
        const promise = action();
        promise.catch(() => undefined);
        promises.push([name, promise]);
      });
    };
    const append = (): void => {
      const value = (asked += 1);
      const askedAt = asyncScheduler.now();
      const before = wal.lastLsn;
      const mine: Ack[] = [];
      const ack$ = wal.append(value);
      const lsn = wal.lastLsn > before ? wal.lastLsn : 0;
      const ended = (error?: unknown): void => {
        appends.push({ value, lsn, askedAt, endedAt: asyncScheduler.now(), acks: mine, error });
      };
      ack$.subscribe({ next: (ack) => mine.push(ack), error: ended, complete: ended });
    };

    for (const time of [0, 1, 2, 5, 5, 5, 6, 9, 12, 13, 16, 16, 16, 20, 24, 24, 27, 30, 31]) at(time, append);
    call('sync', 45, () => wal.sync());
    at(46, append);
    call('rotate', 55, () => wal.rotate());
    for (const time of [55, 58]) at(time, append);
    // Nothing else is on its way while this goes on, so that a step of it is known by its place.
    call('checkpoint', 85, () => wal.checkpoint({ lsn: Math.min(CHECKPOINT_LSN, wal.lastLsn) }));
    for (const time of [120, 120]) at(time, append);
    call('flush', 121, () => wal.flush());
    call('close', 140, () => wal.close());
    for (const time of [200, 201]) at(time, append);
  });

  store.end();
  const settled = await Promise.all(
    promises.map(async ([name, promise]) => [name, (await Promise.allSettled([promise]))[0]] as const),
  );
  return {
    memory,
    store,
    asked,
    appends,
    acks,
    states,
    ends,
    calls: Object.fromEntries(settled) as Run['calls'],
    ...stop!,
    ackedLsn: acks.at(-1)?.lsn ?? 0,
  };
}

/** What comes at once, from a store that takes no time. */
function now<R>(source: Observable<R>): R[] {
  let all: R[] | undefined;
  let failure: unknown = new Error('It took time');
  source.pipe(toArray()).subscribe({
    next: (values) => (all = values),
    error: (error: unknown) => (failure = error),
  });
  if (!all) throw failure;
  return all;
}

/**
 * The log opens again on what is there: everything acknowledged, in order, once; at most what had been on its way behind it; and
 * it goes on.
 */
function expectGoesOn(store: SegmentStore, atLeast: number, atMost: number): void {
  virtualTime(({ flush }) => {
    const [wal] = now(recoverWal<number>(store, { maxSegmentBytes: 160 }));
    const entries = now(wal!.read());
    const first = wal!.recovery.firstLsn;
    expect(first).toBeLessThanOrEqual(CHECKPOINT_LSN + 1);
    expectDense(entries, first);
    const last = first + entries.length - 1;
    expect([wal!.lastLsn, wal!.durableLsn]).toEqual([last, last]);
    expect(last).toBeGreaterThanOrEqual(atLeast);
    expect(last).toBeLessThanOrEqual(atMost);

    for (const next of [1, 2, 3].map((n) => last + n)) {
      const ack$ = wal!.append(next);
      flush();
      expect(now(ack$)).toEqual([{ lsn: next, durable: true }]);
    }
    expectDense(now(wal!.read()), first, last + 3);
    wal!.complete();
    expectDense(now(readWal<number>(store)), first, last + 3);
  });
}

/** All records from `first` on, to `last`, each in its place and with its own value. */
function expectDense(entries: readonly Entry<number>[], first: number, last = first + entries.length - 1): void {
  expect([entries.length, entries.at(-1)?.lsn ?? first - 1]).toEqual([last - first + 1, last]);
  expect(entries.filter(({ lsn, value }, index) => lsn !== first + index || value !== lsn)).toEqual([]);
}

const BATCH: Durability = { mode: 'batch', maxDelayMs: 4, maxRecords: 3 };
const ADAPTIVE: Durability = { mode: 'adaptive', targetIntervalMs: 5 };

const SETTINGS: readonly (Setting & { readonly title: string })[] = [
  { title: 'mode sync, write and fsync', durability: { mode: 'sync' }, writesDurably: false },
  { title: 'mode sync, durable writes', durability: { mode: 'sync' }, writesDurably: true },
  { title: 'mode batch, write and fsync', durability: BATCH, writesDurably: false },
  { title: 'mode adaptive, durable writes', durability: ADAPTIVE, writesDurably: true },
  { title: 'mode nosync, write and fsync', durability: { mode: 'nosync' }, writesDurably: false },
  { title: 'mode nosync, on files that could write durably', durability: { mode: 'nosync' }, writesDurably: true },
];

/** The faults that an operation of a kind can have. */
function faultsOf(kind: string): Fault[] {
  const faults = (...of: [code: string, landed: Fault['landed']][]): Fault[] =>
    of.map(([code, landed]) => ({ error: fault(code), landed }));
  switch (kind) {
    case 'write':
      return faults(['EIO', 'nothing'], ['ENOSPC', 'half'], ['EDQUOT', 'nothing'], ['EIO', 'all'], ['EFBIG', 'half']);
    case 'sync':
      return faults(['EIO', 'nothing'], ['ENOSPC', 'nothing'], ['EIO', 'all']);
    case 'create':
      return faults(['EMFILE', 'nothing'], ['ENOSPC', 'nothing'], ['EACCES', 'nothing']);
    case 'syncDir':
      return faults(['EIO', 'nothing'], ['EINVAL', 'nothing'], ['EIO', 'all']);
    default:
      return faults(['EIO', 'nothing'], ['EIO', 'all']);
  }
}

/**
 * Runs the workload once for each step of a purpose: in mode `sync` with every fault it can have, in the others with each of them in
 * turn.
 */
async function expectAtEachFault(
  setting: Setting,
  purpose: Purpose,
  check: (seen: Run, found: { error: NodeJS.ErrnoException; step: number }) => void,
): Promise<void> {
  const { store } = await run(setting);
  const steps = purposesOf(store.steps).flatMap((each, step) => (each === purpose ? [step] : []));
  // Where nothing is to be fsync'd, because the writes are durable, or never are.
  if (purpose !== 'the fsync of a batch') expect(steps).not.toEqual([]);
  for (const step of steps) {
    const faults = faultsOf(store.steps[step]!.kind);
    const chosen = setting.durability.mode === 'sync' ? faults : [faults[step % faults.length]!];
    for (const found of chosen) {
      const seen = await run(setting, (at) => (at === step ? found : undefined));
      check(seen, { error: found.error, step });
    }
  }
}

/** The log has stopped at `error`, and everything about it says so. */
function expectStopped(seen: Run, { error, step }: { error: NodeJS.ErrnoException; step: number }): void {
  const { memory, store, appends, acks, ackedLsn, calls, stoppedAt } = seen;
  expect(seen.states.at(-1)).toBe('poisoned');
  expect(seen.states).not.toContain('closed');
  expect(seen.ends).toHaveLength(3);
  for (const end of seen.ends) expectPoisoned(end, error);

  // No append hangs. What was acknowledged is a prefix, each once and in order, and not after the stop.
  expect(appends).toHaveLength(seen.asked);
  expect(acks.map(({ lsn }) => lsn)).toEqual(acks.map((_, index) => index + 1));
  const acked = appends.filter(({ error: failed }) => failed === undefined);
  expect(acked.map(({ lsn, acks: mine }) => [lsn, mine])).toEqual(acks.map((ack) => [ack.lsn, [ack]]));
  expect(acked.filter(({ lsn, value, endedAt }) => value !== lsn || endedAt > stoppedAt)).toEqual([]);
  expect(acks.filter(({ lsn, durable }) => durable && lsn > seen.durableLsn)).toEqual([]);

  // All others fail with the cause. What had been handed over is 'unknown'; what had not is 'not written'.
  const failed = appends.filter((append) => append.error !== undefined).sort((a, b) => a.value - b.value);
  for (const { error: refusal } of failed) expectPoisoned(refusal, error);
  const outcomes = failed.map(({ error: refusal }) => (refusal as WalPoisonedError).outcome);
  expect(outcomes).toEqual([...outcomes].sort().reverse());
  const notWritten = failed[outcomes.indexOf('not written')]?.value ?? Infinity;
  // The LSN it says is the one the record had been given; one that was refused at once has none, and was not written.
  const told = failed.map(({ error: refusal }) => (refusal as WalPoisonedError).lsn);
  expect(told).toEqual(failed.map(({ lsn }) => lsn));
  const strange = failed.filter(
    ({ value, lsn, askedAt, acks: mine }, index) =>
      mine.length > 0 || (lsn === 0 ? outcomes[index] === 'unknown' : lsn !== value || askedAt > stoppedAt),
  );
  expect(strange).toEqual([]);
  expect(ackedLsn + failed.length).toBe(seen.asked);

  // Every call that had not been answered is refused with the cause.
  for (const call of Object.values(calls)) if (call.status === 'rejected') expectPoisoned(call.reason, error);
  expect(calls.close.status).toBe('rejected');

  // Nothing was tried again, or at all: files and lock were given back.
  const after = store.steps.slice(step + 1).map(({ kind }) => kind);
  expect(after.filter((kind) => kind !== 'close')).toEqual(['unlock']);
  expect(store.openFiles()).toBe(0);
  expect(memory.snapshot()).toEqual(seen.killed);
  const closes = store.steps.filter(({ kind }) => kind === 'close').map(({ file }) => file);
  expect(new Set(closes).size).toBe(closes.length);

  // A killed process, and a power cut: what was acknowledged as durable is there, in order, and the log goes on.
  const durable = acks.filter((ack) => ack.durable).length;
  const atMost = Math.min(notWritten - 1, seen.asked);
  expectGoesOn(memoryStore({ files: seen.killed }), ackedLsn, atMost);
  expectGoesOn(memoryStore({ files: seen.cut }), Math.max(durable, seen.durableLsn), atMost);
  // The same machine goes on: what the new log shows survives a power cut from then on.
  const [again] = now(recoverWal<number>(store, { maxSegmentBytes: 160 }));
  expect(again!.lastLsn).toBeGreaterThanOrEqual(ackedLsn);
  const survives = now(readWal<number>(memoryStore({ files: memory.durableSnapshot() })));
  expectDense(survives, again!.recovery.firstLsn, again!.lastLsn);
  again!.complete();
  expectGoesOn(store, ackedLsn, atMost);
}

function expectPoisoned(error: unknown, cause: unknown): void {
  // One glance for the many that are right; the assertion is for what it says about the one that is not.
  if (error instanceof WalPoisonedError && error.cause === cause) return;
  expect(error).toBeInstanceOf(WalPoisonedError);
  expect((error as WalPoisonedError).cause).toBe(cause);
}

/** Nothing has stopped: everything is acknowledged, and the disk has it. */
function expectWentOn(seen: Run): void {
  expect(seen.states).toEqual(['open', 'closing', 'closed']);
  // The last two come when the log is closed.
  const taken = seen.asked - 2;
  expect(seen.acks.map(({ lsn }) => lsn)).toEqual(Array.from({ length: taken }, (_, index) => index + 1));
  expect(seen.appends.filter(({ error }) => error === undefined)).toHaveLength(taken);
  expect(seen.durableLsn).toBe(taken);
  expect(seen.store.openFiles()).toBe(0);
  expectGoesOn(memoryStore({ files: seen.killed }), taken, taken);
  expectGoesOn(memoryStore({ files: seen.cut }), taken, taken);
  expectGoesOn(seen.store, taken, taken);
}

const STOPS: readonly Purpose[] = [
  'the write of a batch',
  'the fsync of a batch',
  'the truncate of the old segment, at rotation',
  'the fsync of the old segment, at rotation',
  'the making of the new segment',
  'the write of the new header',
  'the fsync of the new header',
  'the fsync of the directory, at rotation',
  'the write of the last mark, at close',
  'the truncate, at close',
  'the fsync, at close',
];

describe.each(SETTINGS)('a failure at each step, $title', (setting) => {
  it('the workload itself does everything it is to do', async () => {
    const seen = await run(setting);
    expectWentOn(seen);
    expect(Object.values(seen.calls).map(({ status }) => status)).toEqual(Array(5).fill('fulfilled'));
    const purposes = new Set(purposesOf(seen.store.steps));
    for (const purpose of STOPS.filter((each) => each !== 'the fsync of a batch')) expect(purposes).toContain(purpose);
    const fsyncs = purposesOf(seen.store.steps).filter((purpose) => purpose === 'the fsync of a batch').length;
    expect(fsyncs > 0).toBe(!setting.writesDurably || setting.durability.mode === 'nosync');
  });

  it.each(STOPS)('%s fails: the log stops for good, and nothing acknowledged is lost', async (purpose) => {
    await expectAtEachFault(setting, purpose, expectStopped);
  });

  it('the saving of a checkpoint, or a removal, fails: that checkpoint says so, and the log goes on', async () => {
    await expectAtEachFault(setting, 'the saving of a checkpoint, or a removal', (seen, { error }) => {
      const { checkpoint, ...others } = seen.calls;
      expect(checkpoint).toMatchObject({ status: 'rejected', reason: { code: 'WAL_IO', cause: error } });
      expect(Object.values(others).map(({ status }) => status)).toEqual(Array(4).fill('fulfilled'));
      expectWentOn(seen);
    });
  });

  it('the closing of a segment’s file fails: it is not tried again, and nothing acknowledged is lost', async () => {
    await expectAtEachFault(setting, 'the closing of a segment’s file', (seen) => {
      const closes = seen.store.steps.filter(({ kind }) => kind === 'close').map(({ file }) => file);
      expect(new Set(closes).size).toBe(closes.length);
      expect(seen.appends).toHaveLength(seen.asked);
      expect(seen.store.steps.at(-1)?.kind).toBe('unlock');
      expectGoesOn(memoryStore({ files: seen.cut }), seen.durableLsn, seen.asked);
      expectGoesOn(memoryStore({ files: seen.killed }), seen.ackedLsn, seen.asked);
    });
  });

  it('the closing of checkpoint.meta fails: it was fsync’d, so that is no failure', async () => {
    await expectAtEachFault(setting, 'the closing of checkpoint.meta', (seen) => {
      expect(Object.values(seen.calls).map(({ status }) => status)).toEqual(Array(5).fill('fulfilled'));
      expectWentOn(seen);
    });
  });

  it('the unlocking fails: close says so, and everything is there', async () => {
    await expectAtEachFault(setting, 'the unlocking', (seen, { error }) => {
      expect(seen.calls.close).toMatchObject({ status: 'rejected', reason: { code: 'WAL_IO', cause: error } });
      expect((seen.calls.close as PromiseRejectedResult).reason).toBeInstanceOf(WalIoError);
      expectGoesOn(memoryStore({ files: seen.cut }), seen.asked - 2, seen.asked - 2);
    });
  });
});

describe('a log that stops', () => {
  const EIO = fault('EIO');
  const STOPPED = new WalPoisonedError(EIO, 'unknown');
  const nothing = (): void => undefined;

  /** What becomes of an append. */
  const fate = (ack$: Observable<Ack>): Observable<string> =>
    ack$.pipe(
      map(({ lsn }) => `${lsn} durable`),
      catchError((error: unknown) => of(`${(error as WalPoisonedError).lsn} ${(error as WalPoisonedError).outcome}`)),
    );

  /** A promise that is looked at when virtual time is over. */
  const later = <R>(promise: Promise<R>): Promise<R> => {
    promise.catch(nothing);
    return promise;
  };

  let unhandled: unknown[];

  beforeEach(() => {
    unhandled = [];
    config.onUnhandledError = (error: unknown) => unhandled.push(error);
  });

  afterEach(() => {
    config.onUnhandledError = null;
  });

  it('acknowledges nothing of a batch whose fsync failed once, though the next one would do', () => {
    virtualTime(({ cold, expectObservable, flush }) => {
      const { wal, store } = memoryWal<string>({ plan: marblePlan({ write: '-|', sync: ['--|', '--#', '|'] }) });
      // Each commit takes 1 + 2. That of b and c, which leave together at 3, fails; d has only gathered, e comes too late.
      const fates = cold('            ab-c-d------e|').pipe(mergeMap((value) => fate(wal.append(value))));
      expectObservable(fates).toBe('  ---a--(bcd)-e|', {
        a: '1 durable',
        b: '2 unknown',
        c: '3 unknown',
        d: '4 not written',
        e: '0 not written',
      });
      expectObservable(wal.acks$).toBe('   ---1--#', { 1: { lsn: 1, durable: true } }, STOPPED);
      expectObservable(wal.durable$).toBe('0--1--#', [0, 1], STOPPED);
      expectObservable(wal.state$).toBe('  o-----p', { o: 'open', p: 'poisoned' });
      flush();
      expect(wal.durableLsn).toBe(1);
      // That of the first header, before the log was open, and those two.
      expect(store.operations.filter(({ kind }) => kind === 'sync')).toHaveLength(3);
    });
  });

  it('says unknown of the batch that was handed over, and not written of what only gathered', () => {
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<string>({
        plan: marblePlan({ write: '---#' }, fault('ENOSPC')),
        durability: { mode: 'batch', maxDelayMs: 100, maxRecords: 2 },
      });
      const fates = cold('          ab-c(de)---|').pipe(mergeMap((value) => fate(wal.append(value))));
      expectObservable(fates).toBe('----(abcde)|', {
        a: '1 unknown',
        b: '2 unknown',
        c: '3 not written',
        d: '4 not written',
        e: '5 not written',
      });
    });
  });

  it('refuses with the cause what is appended while the file of the failed write is being closed', () => {
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ write: '-#', close: '-----|' }) });
      const refusals = cold('a--b|').pipe(
        mergeMap((value) =>
          wal
            .append(value)
            .pipe(
              catchError((error: unknown) =>
                of([(error as WalPoisonedError).code, (error as WalPoisonedError).outcome]),
              ),
            ),
        ),
        toArray(),
        map((all) => all.sort()),
      );
      expectObservable(refusals).toBe('----(r|)', {
        r: [
          ['WAL_POISONED', 'not written'],
          ['WAL_POISONED', 'unknown'],
        ],
      });
    });
  });

  it('refuses with the cause what is sent by next while the file of the failed write is being closed', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ write: '-#', close: '-----|' }) });
      wal.state$.subscribe();
      hot('a--b').subscribe((value) => {
        wal.next(value);
      });
      const refused = wal.rejected$.pipe(map(({ value, error }) => [value, error.code]));
      expectObservable(refused).toBe('---r', { r: ['b', 'WAL_POISONED'] });
    });
  });

  it('answers an append that is looked at later as one that was looked at in time', async () => {
    const { wal } = memoryWal<string>({ plan: marblePlan({ sync: ['|', '#'] }), durability: { mode: 'nosync' } });
    wal.state$.subscribe();
    const kept = wal.append('kept');
    await wal.sync();
    const written = wal.append('written');
    await turn();
    await expect(wal.sync()).rejects.toBeInstanceOf(WalPoisonedError);
    const refused = wal.append('refused');
    expect(now(fate(kept))).toEqual(['1 durable']);
    expect(now(written)).toEqual([{ lsn: 2, durable: false }]);
    expect(now(fate(refused))).toEqual(['0 not written']);

    const other = memoryWal<string>({ plan: marblePlan({ write: ['|', '#'] }), durability: BATCH }).wal;
    other.state$.subscribe();
    const appends = ['a', 'b', 'c', 'd', 'e', 'f'].map((value) => other.append(value));
    expect(appends.flatMap((ack$) => now(fate(ack$)))).toEqual([
      '1 durable',
      '2 durable',
      '3 durable',
      '4 unknown',
      '5 unknown',
      '6 unknown',
    ]);
  });

  it('fails every call that waits for its turn, and every later one, with the cause; the disk hears of none', async () => {
    const early: Promise<unknown>[] = [];
    const late: Promise<unknown>[] = [];
    let log: Wal<string> | undefined;
    virtualTime(({ cold, flush }) => {
      const { wal, store } = memoryWal<string>({ plan: marblePlan({ write: '-|', sync: ['--#', '|'] }, EIO) });
      log = wal;
      wal.append('a').subscribe({ error: nothing });
      for (const call of [wal.sync(), wal.flush(), wal.rotate(), wal.checkpoint()]) early.push(later<unknown>(call));
      cold('5ms |').subscribe({
        complete: () => {
          const calls = [wal.sync(), wal.flush(), wal.rotate(), wal.checkpoint(), wal.close(), wal.sync(), wal.flush()];
          for (const call of [...calls, wal.close()]) late.push(later<unknown>(call));
        },
      });
      flush();
      const kinds = store.operations.map(({ kind }) => kind);
      const opened = ['lock', 'list', 'create', 'write', 'sync', 'syncDir'];
      expect(kinds).toEqual([...opened, 'write', 'sync', 'close', 'unlock']);
    });
    const settled = await Promise.allSettled([...early, ...late]);
    expect(settled).toHaveLength(12);
    for (const call of settled) {
      expect(call).toMatchObject({ status: 'rejected', reason: { code: 'WAL_POISONED' } });
      expectPoisoned((call as PromiseRejectedResult).reason, EIO);
    }
    expect(log!.startBackgroundSync()).toBe(false);
    await log!.stopBackgroundSync();
    expect(unhandled).toEqual([]);
  });

  it('lets what it acknowledged be read as long as it is not closed', async () => {
    const { wal } = memoryWal<string>({ plan: marblePlan({ sync: ['|', '|', '#'] }) });
    wal.state$.subscribe();
    for (const value of ['a', 'b', 'c', 'd']) {
      wal.append(value).subscribe({ error: nothing });
      await turn();
    }
    expect(now(wal.read())).toEqual([
      { lsn: 1, value: 'a' },
      { lsn: 2, value: 'b' },
    ]);
  });

  it('stops while it is closing: what had been accepted fails, and close says why', async () => {
    const closed: Promise<void>[] = [];
    virtualTime(({ hot, expectObservable, flush }) => {
      const { wal, store } = memoryWal<string>({ plan: marblePlan({ write: '---#' }) });
      const fates = hot('           ab|').pipe(mergeMap((value) => fate(wal.append(value))));
      expectObservable(fates).toBe('---(ab|)', { a: '1 unknown', b: '2 not written' });
      expectObservable(wal.state$).toBe('o-c(p|)', { o: 'open', c: 'closing', p: 'poisoned' });
      expectObservable(wal.acks$).toBe('---#', {}, STOPPED);
      hot('--c').subscribe(() => {
        closed.push(later(wal.close()));
      });
      flush();
      expect(store.operations.at(-1)?.kind).toBe('unlock');
    });
    await expect(closed[0]).rejects.toMatchObject({ code: 'WAL_POISONED', cause: EIO });
  });

  it('may be closed by who hears of it: the streams end with the error, the lock is free', async () => {
    const { wal, store } = memoryWal<string>({ plan: marblePlan({ write: '#' }) });
    const ends: unknown[] = [];
    let closed: Promise<void> | undefined;
    wal.state$.subscribe((state) => {
      if (state === 'poisoned') closed = later(wal.close());
    });
    merge(...[wal.acks$, wal.commits$, wal.durable$].map((output: Observable<unknown>) => output.pipe(materialize())))
      .pipe(filter(({ kind }) => kind !== 'N'))
      .subscribe((end) => ends.push(end.kind === 'E' ? end.error : 'complete'));
    wal.append('a').subscribe({ error: nothing });
    await turn();
    expect(ends).toEqual([STOPPED, STOPPED, STOPPED]);
    await expect(closed).rejects.toEqual(STOPPED);
    expect(now(store.lock())).toHaveLength(1);
  });

  it('refuses what is appended from within its own refusals, without end', async () => {
    const { wal } = memoryWal<string>({ plan: marblePlan({ write: '#' }) });
    wal.state$.subscribe();
    const seen: string[] = [];
    const again = (error: WalPoisonedError): void => {
      seen.push(error.outcome);
      if (seen.length < 5) wal.append('again').subscribe({ error: again });
    };
    wal.append('a').subscribe({ error: again });
    await turn();
    expect(seen).toEqual(['unknown', 'not written', 'not written', 'not written', 'not written']);
  });

  it('closes the file of a checkpoint that was being saved, too', async () => {
    const calls: Promise<unknown>[] = [];
    virtualTime(({ hot, cold, flush }) => {
      let failing = false;
      const { wal, store } = memoryWal<string>({
        plan: ({ kind, file }) => {
          if (file.startsWith('checkpoint') && kind === 'write') return cold('20ms |');
          return failing && kind === 'sync' ? throwError(() => EIO) : undefined;
        },
      });
      wal.append('a').subscribe();
      calls.push(later(wal.checkpoint()));
      hot('-----b')
        .pipe(
          tap(() => (failing = true)),
          mergeMap((value) => fate(wal.append(value))),
        )
        .subscribe();
      hot('-------------c').subscribe(() => {
        calls.push(later(wal.close()));
      });
      flush();
      const opened = store.operations
        .filter(({ kind }) => kind === 'create' || kind === 'open')
        .map(({ file }) => file);
      const closed = store.operations.filter(({ kind }) => kind === 'close').map(({ file }) => file);
      expect(opened).toContain('checkpoint.meta.tmp');
      expect(closed.sort()).toEqual(opened.sort());
      expect(store.operations.at(-1)?.kind).toBe('unlock');
    });
    for (const call of await Promise.allSettled(calls)) {
      expect(call).toMatchObject({ status: 'rejected', reason: { code: 'WAL_POISONED', cause: EIO } });
    }
  });

  describe('at the zeros laid ahead', () => {
    // The kernel reports a page that it lost once for each open file, and what it lost may be the records that stand there.
    const zeros = 4096;
    const failingZeros = (durability: Durability): { wal: Wal<string>; acked: Ack[]; failed: () => boolean } => {
      let failed = false;
      const acked: Ack[] = [];
      const { wal, store } = memoryWal<string>({
        durability,
        preallocateBytes: zeros,
        plan: ({ kind }) => {
          const last = store.operations.at(-2);
          if (kind !== 'sync' || last?.kind !== 'write' || last.bytes !== zeros || failed) return undefined;
          failed = true;
          return throwError(() => EIO);
        },
      });
      wal.state$.subscribe();
      for (const value of ['a', 'b']) wal.append(value).subscribe({ next: (ack) => acked.push(ack), error: nothing });
      return { wal, acked, failed: () => failed };
    };

    it.each([
      ['sync', { mode: 'sync' }],
      ['batch', BATCH],
      ['adaptive', ADAPTIVE],
    ] as const)(
      'whose fsync failed calls nothing durable that was written before it (mode %s)',
      async (_, durability) => {
        const { wal, acked, failed } = failingZeros(durability);
        await expect(wal.sync()).rejects.toMatchObject({ code: 'WAL_POISONED', cause: EIO });
        expect(failed()).toBe(true);
        expect(acked).toEqual([]);
        await expect(wal.close()).rejects.toMatchObject({ code: 'WAL_POISONED', cause: EIO });
      },
    );

    it('whose fsync failed calls nothing durable that was written before it (mode nosync, which needs no zeros)', async () => {
      const { wal, failed } = failingZeros({ mode: 'nosync' });
      const outcome = await wal.sync().then(
        () => 'durable',
        (error: unknown) => (error as WalPoisonedError).code,
      );
      expect(outcome).toBe(failed() ? 'WAL_POISONED' : 'durable');
      await wal.close().catch(nothing);
    });

    it('does not stop for want of space', async () => {
      const { wal } = memoryWal<string>({
        preallocateBytes: zeros,
        plan: ({ kind, bytes }) =>
          kind === 'write' && bytes === zeros ? throwError(() => fault('ENOSPC')) : undefined,
      });
      for (const value of ['a', 'b', 'c']) await expect(wal.append(value)).resolves.toMatchObject({ durable: true });
      await wal.close();
    });
  });

  describe('and nobody listens', () => {
    const stopping = (): Wal<string> => memoryWal<string>({ plan: marblePlan({ write: '-#' }) }).wal;

    it('is an unhandled error', () => {
      virtualTime(() => {
        stopping().next('a');
      });
      expect(unhandled).toEqual([STOPPED]);
      expect(unhandled).toMatchObject([{ code: 'WAL_POISONED', cause: { code: 'EIO' } }]);
    });

    it('is one also where the append was made and its ack not looked at', () => {
      virtualTime(() => {
        void stopping().append('a');
      });
      expect(unhandled).toEqual([STOPPED]);
    });

    it('is one where the log is only told to complete', () => {
      virtualTime(() => {
        stopping().complete();
      });
      expect(unhandled).toEqual([STOPPED]);
    });

    it.each<[string, (wal: Wal<string>) => void]>([
      ['the append', (wal) => wal.append('b').subscribe({ error: nothing })],
      ['state$', (wal) => wal.state$.subscribe()],
      ['acks$', (wal) => wal.acks$.subscribe({ error: nothing })],
      ['commits$', (wal) => wal.commits$.subscribe({ error: nothing })],
      ['durable$', (wal) => wal.durable$.subscribe({ error: nothing })],
      ['sync()', (wal) => void wal.sync().catch(nothing)],
      ['rotate()', (wal) => void wal.rotate().catch(nothing)],
      ['checkpoint()', (wal) => void wal.checkpoint().catch(nothing)],
      ['close()', (wal) => void wal.close().catch(nothing)],
    ])('but with %s somebody does', (_, listen) => {
      virtualTime(() => {
        const wal = stopping();
        wal.next('a');
        listen(wal);
      });
      expect(unhandled).toEqual([]);
    });

    it('but to close(), which says that the last mark could not be written, somebody does', async () => {
      let closed: Promise<void> | undefined;
      virtualTime(() => {
        closed = later(stopping().close());
      });
      await expect(closed).rejects.toMatchObject({ code: 'WAL_POISONED', cause: EIO });
      expect(unhandled).toEqual([]);
    });

    it('is one for each stream that is looked at without a handler of errors', () => {
      virtualTime(() => {
        const wal = stopping();
        wal.acks$.subscribe();
        wal.next('a');
      });
      expect(unhandled).toEqual([STOPPED]);
    });
  });
});
