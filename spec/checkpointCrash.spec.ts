import { setImmediate } from 'node:timers/promises';
import { NEVER, filter, throwError } from 'rxjs';
import { WalIoError, WalTruncatedError, type Checkpoint, type Wal } from 'rxwal';
import { fault, memoryWal, type MemoryStore, type MemoryStoreOptions, type StoreOperation } from 'rxwal/testing';
import { decodeCheckpointFile } from '../src/format/checkpoint';
import { hex } from './support/bytes';
import { RAW, collect, filesOf, openFiles, recordsOf, segmentBytes, segmentFile } from './support/logs';
import type { Files } from './support/reference';

const META = 'checkpoint.meta';

/** What a workload was told by the log before it stopped. */
interface Told {
  readonly store: MemoryStore;
  /** Payloads in hex, by LSN - 1: everything appended. */
  readonly appended: string[];
  /** The last LSN whose ack came. */
  ackedLsn: number;
  readonly asked: Checkpoint[];
  /** Checkpoints whose promise was kept. */
  readonly saved: Checkpoint[];
  done: boolean;
}

/** Appends, rotates and checkpoints, until it is done or the store stands still. */
async function work(plan: MemoryStoreOptions['plan']): Promise<Told> {
  const { wal, store } = memoryWal<Uint8Array>({ ...RAW, files: filesOf(segmentBytes(1, [])), plan });
  const told: Told = { store, appended: [], ackedLsn: 0, asked: [], saved: [], done: false };
  /** Each in a batch of its own. */
  const append = async (count: number): Promise<void> => {
    for (let one = 0; one < count; one += 1) {
      const payload = Buffer.from(`record ${told.appended.length + 1}`);
      told.appended.push(hex(payload));
      told.ackedLsn = (await wal.append(payload)).lsn;
    }
  };
  const checkpoint = async (asked: Checkpoint): Promise<void> => {
    told.asked.push(asked);
    told.saved.push(await wal.checkpoint(asked));
  };
  const steps = async (): Promise<void> => {
    await append(2);
    await wal.rotate();
    await append(1);
    await wal.rotate();
    await append(2);
    await checkpoint({ lsn: 3, epoch: 10, transactionId: 7 });
    await wal.rotate();
    await append(1);
    await checkpoint({ lsn: 4, epoch: 11 });
    for (let segment = 0; segment < 3; segment += 1) {
      await wal.rotate();
      await append(2);
    }
    await checkpoint({ lsn: 12, epoch: 13 });
    await wal.close();
    told.done = true;
  };
  void steps();
  await setImmediate();
  return told;
}

/** The nth operation, and every one behind it, never ends: there the process was killed, or the power went. */
function stopAt(nth: number): NonNullable<MemoryStoreOptions['plan']> {
  let count = 0;
  return () => (count++ >= nth ? NEVER : undefined);
}

/**
 * What a power cut may leave: of every file whose name or content is not durable yet, the one state or the other, or a segment torn
 * half way between them. Removals, names and contents reach the disk in any order; only `checkpoint.meta` gets its name when its
 * content is durable.
 */
function leftByPowerCut(store: MemoryStore): Map<string, Uint8Array>[] {
  const [now, durable] = [store.snapshot(), store.durableSnapshot()];
  let states: Map<string, Uint8Array>[] = [new Map()];
  for (const name of new Set([...now.keys(), ...durable.keys()])) {
    const [before, after] = [durable.get(name), now.get(name)];
    const variants = same(before, after) ? [after] : [before, after];
    if (name !== META && after && !same(before, after)) {
      variants.push(after.subarray(0, ((before?.length ?? 0) + after.length) >>> 1));
    }
    states = variants.flatMap((variant) =>
      states.map((state) => (variant ? new Map([...state, [name, variant]]) : state)),
    );
  }
  return states;
}

function same(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one && other ? Buffer.compare(one, other) === 0 : one === other;
}

/** What a directory that was left behind breaks of what the log had promised. Nothing, where all is well. */
function brokenPromises(told: Told, left: Files): readonly unknown[] {
  const broken: unknown[] = [];
  const { wal } = openFiles(left);
  const { checkpoint, firstLsn, lastLsn } = wal.recovery;

  const newestSaved = told.saved.at(-1);
  if (newestSaved && (checkpoint?.epoch ?? 0) < newestSaved.epoch) broken.push({ checkpoint, newestSaved });
  if (checkpoint && !told.asked.some((asked) => JSON.stringify(asked) === JSON.stringify(checkpoint)))
    broken.push({ checkpoint });
  if (wal.checkpointEpoch !== checkpoint?.epoch) broken.push({ checkpointEpoch: wal.checkpointEpoch });

  if (lastLsn < told.ackedLsn) broken.push({ lastLsn, ackedLsn: told.ackedLsn });
  if (firstLsn > (checkpoint?.lsn ?? 0) + 1) broken.push({ firstLsn, checkpoint });
  const { values, error } = collect(wal.read());
  if (error !== undefined) broken.push(error);
  const expected = told.appended.map((payload, index) => ({ lsn: index + 1, payload })).slice(firstLsn - 1, lastLsn);
  if (JSON.stringify(recordsOf(values)) !== JSON.stringify(expected))
    broken.push({ values: recordsOf(values), expected });
  return broken;
}

/** Operations of the whole workload. */
async function operationsOfWork(): Promise<readonly StoreOperation[]> {
  let from = -1;
  const counted: StoreOperation[] = [];
  const { done } = await work((operation) => {
    from = counted.push(operation);
    return undefined;
  });
  expect(done).toBe(true);
  expect(from).toBe(counted.length);
  return counted;
}

describe('a crash at any operation of append, rotate and checkpoint', () => {
  it('keeps every acknowledged record above the checkpoint, and the newest saved epoch', async () => {
    const operations = await operationsOfWork();
    expect(operations.length).toBeGreaterThan(100);
    const broken: unknown[] = [];
    for (let nth = 0; nth <= operations.length; nth += 1) {
      const told = await work(stopAt(nth));
      for (const left of [told.store.snapshot(), told.store.durableSnapshot()]) {
        for (const what of brokenPromises(told, left)) broken.push([nth, operations[nth], what]);
      }
    }
    expect(broken.slice(0, 5)).toEqual([]);
  });

  it('whatever subset of names, removals and contents had reached the disk', async () => {
    const operations = await operationsOfWork();
    const broken: unknown[] = [];
    let states = 0;
    for (let nth = 0; nth <= operations.length; nth += 1) {
      const told = await work(stopAt(nth));
      for (const left of leftByPowerCut(told.store)) {
        states += 1;
        for (const what of brokenPromises(told, left)) broken.push([nth, operations[nth], what]);
      }
    }
    expect(broken.slice(0, 5)).toEqual([]);
    expect(states).toBeGreaterThan(2 * operations.length);
  });

  it('lets the log go on: append, checkpoint, close, open', async () => {
    const operations = await operationsOfWork();
    for (let nth = 0; nth <= operations.length; nth += 1) {
      const told = await work(stopAt(nth));
      const { wal, store } = openFiles(told.store.durableSnapshot());
      const before = { lsn: wal.lastLsn, epoch: wal.checkpointEpoch ?? 0 };
      await expect(wal.append(Uint8Array.of(1))).resolves.toEqual({ lsn: before.lsn + 1, durable: true });
      await wal.rotate();
      await expect(wal.checkpoint()).resolves.toEqual({ lsn: before.lsn + 1, epoch: before.epoch + 1 });
      await wal.close();
      const again = openFiles(store.durableSnapshot());
      expect(again.wal.recovery).toMatchObject({
        clean: true,
        firstLsn: before.lsn + 2,
        lastLsn: before.lsn + 1,
        segments: 1,
        checkpoint: { lsn: before.lsn + 1, epoch: before.epoch + 1 },
      });
      expect([...again.store.snapshot().keys()].filter((name) => name.endsWith('.tmp'))).toEqual([]);
    }
  });
});

/** Four segments that begin at LSN 1, 3, 5 and 7, the last with one record. */
async function fourSegments(plan?: MemoryStoreOptions['plan']): Promise<{ wal: Wal<Uint8Array>; store: MemoryStore }> {
  const opened = memoryWal<Uint8Array>({ ...RAW, files: filesOf(segmentBytes(1, [])), plan });
  for (let lsn = 1; lsn <= 7; lsn += 1) {
    await opened.wal.append(Uint8Array.of(lsn));
    if (lsn % 2 === 0) await opened.wal.rotate();
  }
  return opened;
}

function segmentsOf(files: Files): number[] {
  return [...files.keys()].filter((name) => name.endsWith('.log')).map((name) => Number(name.slice(4, 12)));
}

function lsnsOf(wal: Wal<Uint8Array>): number[] {
  return collect(wal.read()).values.map(({ lsn }) => lsn);
}

describe('truncation', () => {
  it.each<[lsn: number, left: readonly number[]]>([
    [0, [0, 1, 2, 3]],
    [1, [0, 1, 2, 3]],
    [2, [1, 2, 3]],
    [3, [1, 2, 3]],
    [4, [2, 3]],
    [5, [2, 3]],
    [6, [3]],
    [7, [3]],
  ])(
    'a checkpoint at LSN %d leaves every segment with a record above it, and the one being written: %j',
    async (lsn, left) => {
      const { wal, store } = await fourSegments();
      await expect(wal.checkpoint({ lsn })).resolves.toEqual({ lsn, epoch: 1 });
      expect(segmentsOf(store.snapshot())).toEqual(left);
      expect(segmentsOf(store.durableSnapshot())).toEqual(left);
      await expect(wal.logFiles()).resolves.toEqual(left.map((sequence) => `memory/${segmentFile(sequence)}`));
      const firstLsn = 2 * left[0]! + 1;
      expect(lsnsOf(wal)).toEqual([1, 2, 3, 4, 5, 6, 7].slice(firstLsn - 1));
      expect(wal.recordCount).toBe(8 - firstLsn);
      expect(collect(wal.read({ after: 0 })).error instanceof WalTruncatedError).toBe(firstLsn > 1);
    },
  );

  it('removes the oldest first, each only when checkpoint.meta is durable, and then makes the removals durable', async () => {
    const order: string[] = [];
    const { wal, store } = await fourSegments(({ kind, file }) => {
      if (kind === 'remove' || kind === 'syncDir' || kind === 'rename') order.push(`${kind} ${file}`.trim());
      if (kind === 'remove') {
        const meta = store.durableSnapshot().get(META);
        order.push(`meta ${meta ? decodeCheckpointFile(meta).checkpoint.lsn : 'none'}`);
      }
      return undefined;
    });
    order.length = 0;
    await wal.checkpoint({ lsn: 5 });
    expect(order).toEqual([
      `rename ${META}.tmp`,
      'syncDir',
      `remove ${segmentFile(0)}`,
      'meta 5',
      `remove ${segmentFile(1)}`,
      'meta 5',
      'syncDir',
    ]);
  });

  it('that a crash interrupted is finished by the next opening', async () => {
    const { wal, store } = await fourSegments(({ kind, file }) =>
      kind === 'remove' && file === segmentFile(1) ? NEVER : undefined,
    );
    void wal.checkpoint({ lsn: 6 });
    await setImmediate();
    expect(segmentsOf(store.snapshot())).toEqual([1, 2, 3]);
    const again = openFiles(store.snapshot());
    expect(segmentsOf(again.store.durableSnapshot())).toEqual([3]);
    expect(again.wal.recovery).toMatchObject({ firstLsn: 7, lastLsn: 7, segments: 1 });
  });

  it('epoch, LSN and transaction survive reopening, as often as one likes', async () => {
    let files: Files = new Map();
    for (let epoch = 1; epoch <= 4; epoch += 1) {
      const { wal, store } = openFiles(files);
      expect(wal.checkpointEpoch).toBe(epoch === 1 ? undefined : epoch - 1);
      wal.next(Uint8Array.of(epoch));
      await expect(wal.checkpoint({ transactionId: 100 + epoch })).resolves.toEqual({
        lsn: epoch,
        epoch,
        transactionId: 100 + epoch,
      });
      expect(wal.lastCheckpoint).toEqual({ lsn: epoch, epoch, transactionId: 100 + epoch });
      await wal.close();
      files = store.durableSnapshot();
    }
    expect(openFiles(files).wal.recovery.checkpoint).toEqual({ lsn: 4, epoch: 4, transactionId: 104 });
  });

  it('a checkpoint only moves forward, over a reopening too', async () => {
    const first = await fourSegments();
    await first.wal.checkpoint({ lsn: 5, epoch: 9 });
    await first.wal.close();
    const { wal } = openFiles(first.store.durableSnapshot());
    await expect(wal.checkpoint({ lsn: 4 })).rejects.toThrow(
      new RangeError('lsn must be an integer from 5 to 7, not 4'),
    );
    await expect(wal.checkpoint({ lsn: 8 })).rejects.toThrow(
      new RangeError('lsn must be an integer from 5 to 7, not 8'),
    );
    await expect(wal.checkpoint({ lsn: 5, epoch: 8 })).rejects.toThrow(RangeError);
    await expect(wal.checkpoint({ lsn: 5, epoch: 9 })).resolves.toEqual({ lsn: 5, epoch: 9 });
  });
});

describe('a failed checkpoint', () => {
  /** Fails the first operation that fits, from the moment it is armed. */
  function failing(fits: (operation: StoreOperation, removing: boolean) => boolean): {
    readonly plan: NonNullable<MemoryStoreOptions['plan']>;
    readonly arm: () => void;
  } {
    let armed = false;
    let removing = false;
    return {
      arm: () => {
        armed = true;
      },
      plan: (operation) => {
        removing ||= armed && operation.kind === 'remove';
        if (!armed || !fits(operation, removing)) return undefined;
        armed = false;
        return throwError(() => fault('EIO'));
      },
    };
  }

  const onMeta = (kind: string) => (operation: StoreOperation) =>
    operation.kind === kind && operation.file === `${META}.tmp`;
  const cases: [what: string, fits: Parameters<typeof failing>[0], saved: boolean][] = [
    ['the temporary file cannot be made', onMeta('create'), false],
    ['it cannot be written', onMeta('write'), false],
    ['it cannot be fsync’d', onMeta('sync'), false],
    ['it cannot be renamed', onMeta('rename'), false],
    ['the directory cannot be fsync’d', ({ kind }) => kind === 'syncDir', false],
    ['the first segment cannot be removed', ({ kind }) => kind === 'remove', true],
    ['the second segment cannot be removed', ({ kind, file }) => kind === 'remove' && file === segmentFile(1), true],
    ['the removals cannot be made durable', ({ kind }, removing) => kind === 'syncDir' && removing, true],
  ];

  it.each(cases)('%s: WalIoError; the log goes on, and the next one does the rest', async (_what, fits) => {
    const { plan, arm } = failing(fits);
    const { wal, store } = await fourSegments(plan);
    const states = collect(wal.state$.pipe(filter((state) => state !== 'open'))).values;
    arm();
    const error: unknown = await wal.checkpoint({ lsn: 6, epoch: 3 }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(WalIoError);
    expect(error).toMatchObject({ code: 'WAL_IO', cause: { code: 'EIO' } });

    expect(states).toEqual([]);
    await expect(wal.append(Uint8Array.of(8))).resolves.toEqual({ lsn: 8, durable: true });
    const left = openFiles(store.durableSnapshot());
    expect(lsnsOf(left.wal).filter((lsn) => lsn > 6)).toEqual([7, 8]);

    await expect(wal.checkpoint({ lsn: 6, epoch: 3 })).resolves.toEqual({ lsn: 6, epoch: 3 });
    expect(segmentsOf(store.durableSnapshot())).toEqual([3]);
    expect(lsnsOf(wal)).toEqual([7, 8]);
    await wal.close();
    expect(openFiles(store.durableSnapshot()).wal.recovery).toMatchObject({
      firstLsn: 7,
      lastLsn: 8,
      checkpoint: { lsn: 6, epoch: 3 },
    });
    expect([...store.snapshot().keys()].sort()).toEqual([META, segmentFile(3)]);
  });

  it.each(cases)('%s: lastCheckpoint is the newest that is saved', async (_what, fits, saved) => {
    const { plan, arm } = failing(fits);
    const { wal, store } = await fourSegments(plan);
    await wal.checkpoint({ lsn: 1, epoch: 1 });
    arm();
    await expect(wal.checkpoint({ lsn: 6, epoch: 3 })).rejects.toBeInstanceOf(WalIoError);
    const newest = saved ? { lsn: 6, epoch: 3 } : { lsn: 1, epoch: 1 };
    expect(decodeCheckpointFile(store.durableSnapshot().get(META)!).checkpoint).toEqual(newest);
    expect(wal.lastCheckpoint).toEqual(newest);
  });

  it('names what failed, and the file', async () => {
    const { plan, arm } = failing(({ kind }) => kind === 'remove');
    const { wal } = await fourSegments(plan);
    arm();
    const error: unknown = await wal.checkpoint({ lsn: 6 }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ operation: 'Removing', file: segmentFile(0) });
  });

  it('without another one, the next opening does the rest', async () => {
    const { plan, arm } = failing(({ kind }) => kind === 'remove');
    const { wal, store } = await fourSegments(plan);
    arm();
    await expect(wal.checkpoint({ lsn: 6, epoch: 3 })).rejects.toBeInstanceOf(WalIoError);
    await wal.close();
    expect(segmentsOf(openFiles(store.durableSnapshot()).store.durableSnapshot())).toEqual([3]);
  });
});
