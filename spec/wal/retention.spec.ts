import { setImmediate } from 'node:timers/promises';
import { NEVER, firstValueFrom, throwError, timer } from 'rxjs';
import {
  WalClosedError,
  WalCorruptError,
  WalIoError,
  WalPoisonedError,
  WalTruncatedError,
  type Retention,
} from 'rxwal';
import {
  fault,
  memoryStore,
  memoryWal,
  type MemoryStore,
  type MemoryStoreOptions,
  type StoreOperation,
} from 'rxwal/testing';
import { encodeReadersFile } from '../../src/format/readers';
import { checkpointCbor, frameBytes, headerBytes, join } from '../support/bytes';
import { LOG_ID, OTHER_LOG_ID, RAW, collect, filesOf, open, openFiles, segmentBytes } from '../support/logs';

const META = 'readers.meta';

const segmentsOf = (store: MemoryStore): number[] =>
  [...store.durableSnapshot().keys()].filter((name) => name.endsWith('.log')).map((name) => Number(name.slice(4, 12)));

/** Four segments that begin at LSN 1, 3, 5 and 7, the last with one record. */
const fourSegments = async (options: Parameters<typeof memoryWal<Uint8Array>>[0] = {}) => {
  const opened = memoryWal<Uint8Array>({ ...RAW, ...options });
  for (let lsn = 1; lsn <= 7; lsn += 1) {
    await opened.wal.append(Uint8Array.of(lsn));
    if (lsn % 2 === 0) await opened.wal.rotate();
  }
  return opened;
};

/** Fails, or holds up, the operations that fit while it is armed. */
function armed(fits: (operation: StoreOperation) => boolean, outcome = () => throwError(() => fault('EIO'))) {
  const state = { armed: false };
  const plan: NonNullable<MemoryStoreOptions['plan']> = (operation) =>
    state.armed && fits(operation) ? outcome() : undefined;
  return { state, plan };
}

const onMeta = (kind: string) => (operation: StoreOperation) =>
  operation.kind === kind && operation.file === `${META}.tmp`;

describe('wal.hold', () => {
  it.each<[lsn: number, left: readonly number[]]>([
    [0, [0, 1, 2, 3]],
    [1, [0, 1, 2, 3]],
    [2, [1, 2, 3]],
    [5, [2, 3]],
    [6, [3]],
    [7, [3]],
  ])('at LSN %d keeps what comes behind from a checkpoint of all: segments %j', async (lsn, left) => {
    const { wal, store } = await fourSegments();
    await wal.hold('mail', lsn);
    await wal.checkpoint();
    expect(segmentsOf(store)).toEqual(left);
    expect(wal.firstLsn).toBeLessThanOrEqual(lsn + 1);
  });

  it('lets the segments go that nobody needs any more when it moves; the slowest reader counts', async () => {
    const { wal, store } = await fourSegments();
    await wal.hold('mail', 0);
    await wal.hold('search', 4);
    await wal.checkpoint();
    expect(segmentsOf(store)).toEqual([0, 1, 2, 3]);
    await wal.hold('mail', 3);
    await setImmediate();
    expect(segmentsOf(store)).toEqual([1, 2, 3]);
    await wal.hold('mail', 7);
    await setImmediate();
    expect(segmentsOf(store)).toEqual([2, 3]);
  });

  it('lets nothing go without a checkpoint', async () => {
    const { wal, store } = await fourSegments();
    await wal.hold('mail', 7);
    await setImmediate();
    expect(segmentsOf(store)).toEqual([0, 1, 2, 3]);
  });

  it('is durable when it resolves, and there again after a power cut', async () => {
    const { wal, store } = await fourSegments();
    await wal.hold('search', 3);
    await wal.hold('mail', 5);
    const { wal: again } = openFiles(store.durableSnapshot());
    expect(again.readers).toEqual(wal.readers);
    expect(again.readers.map(({ name, lsn }) => [name, lsn])).toEqual([
      ['mail', 5],
      ['search', 3],
    ]);
    await again.checkpoint();
    expect(again.firstLsn).toBe(3);
  });

  it('calls at once share one write, and are judged in their order', async () => {
    const { wal, store } = await fourSegments({ plan: ({ file }) => (file === `${META}.tmp` ? timer(0) : undefined) });
    const before = store.operations.length;
    const calls = await Promise.allSettled([
      wal.hold('mail', 2),
      wal.hold('mail', 4),
      wal.hold('mail', 3),
      wal.release('mail'),
      wal.release('mail'),
      wal.hold('mail', 1),
      ...Array.from({ length: 100 }, (_, nth) => wal.hold(`reader ${nth}`, nth % 8)),
    ]);
    expect(calls.slice(0, 6)).toEqual([
      { status: 'fulfilled', value: undefined },
      { status: 'fulfilled', value: undefined },
      { status: 'rejected', reason: new RangeError('lsn must be at least 4, where reader "mail" is, not 3') },
      { status: 'fulfilled', value: true },
      { status: 'fulfilled', value: false },
      { status: 'fulfilled', value: undefined },
    ]);
    const writes = store.operations.slice(before).filter(({ kind }) => kind === 'rename');
    // The first found nobody writing, the others waited for it.
    expect(writes).toHaveLength(2);
    expect(wal.readers).toHaveLength(101);
  });

  it('where it stands already writes nothing', async () => {
    const { wal, store } = await fourSegments();
    await wal.hold('mail', 3);
    const before = store.operations.length;
    await wal.hold('mail', 3);
    expect(store.operations).toHaveLength(before);
  });

  it.each<[name: unknown, lsn: unknown, message: string]>([
    ['', 1, 'name must be of 1 to 200 characters, not ""'],
    ['x'.repeat(201), 1, 'name must be of 1 to 200 characters, not one of 201'],
    ['\udc00', 1, 'name must be well-formed text, without half a surrogate pair, not "\\udc00"'],
    [7, 1, 'name must be a string, not 7'],
    ['mail', -1, 'lsn must be an integer from 0 to 7, not -1'],
    ['mail', 8, 'lsn must be an integer from 0 to 7, not 8'],
    ['mail', 1.5, 'lsn must be an integer from 0 to 7, not 1.5'],
    ['mail', '1', "lsn must be a number, not '1'"],
  ])('refuses %p at %p', async (name, lsn, message) => {
    const { wal } = await fourSegments();
    await expect(wal.hold(name as string, lsn as number)).rejects.toThrow(message);
    expect(wal.readers).toEqual([]);
  });

  it('refuses the reader above a thousand, and takes it when another has gone', async () => {
    const { wal } = await fourSegments();
    await Promise.all(Array.from({ length: 1000 }, (_, nth) => wal.hold(`reader ${nth}`, 1)));
    await expect(wal.hold('one more', 1)).rejects.toThrow(RangeError);
    await wal.hold('reader 7', 2);
    await wal.release('reader 7');
    await expect(wal.hold('one more', 1)).resolves.toBeUndefined();
  });

  it('refuses to keep what is gone', async () => {
    const { wal } = await fourSegments();
    await wal.checkpoint({ lsn: 4 });
    await expect(wal.hold('mail', 3)).rejects.toThrow(new WalTruncatedError(4, 5));
    await expect(wal.hold('mail', 4)).resolves.toBeUndefined();
  });

  it('behind a checkpoint that is on its way is judged by what that leaves', async () => {
    const { wal, store } = await fourSegments();
    const checkpoint = wal.checkpoint({ lsn: 6 });
    const hold = wal.hold('mail', 0);
    const settled = await Promise.allSettled([hold, checkpoint]);
    expect(settled[1]).toMatchObject({ status: 'fulfilled' });
    // Whichever came first: a reader that was promised has its records.
    expect(settled[0].status === 'fulfilled' ? 1 : 7).toBe(wal.firstLsn);
    expect(segmentsOf(store)).toEqual(settled[0].status === 'fulfilled' ? [0, 1, 2, 3] : [3]);
  });

  it('in mode nosync goes no further than what is durable', async () => {
    const { wal } = memoryWal<Uint8Array>({ ...RAW, durability: { mode: 'nosync' } });
    await wal.append(Uint8Array.of(1));
    await expect(wal.hold('mail', 1)).rejects.toThrow('lsn must be an integer from 0 to 0, not 1');
    await wal.sync();
    await expect(wal.hold('mail', 1)).resolves.toBeUndefined();
  });
});

describe('wal.release', () => {
  it('forgets a reader, durably, and lets go what it alone needed', async () => {
    const { wal, store } = await fourSegments();
    await wal.hold('mail', 0);
    await wal.checkpoint({ lsn: 4 });
    await expect(wal.release('mail')).resolves.toBe(true);
    await setImmediate();
    expect(segmentsOf(store)).toEqual([2, 3]);
    expect(openFiles(store.durableSnapshot()).wal.readers).toEqual([]);
    await expect(wal.release('mail')).resolves.toBe(false);
  });

  it('refuses a name that is none', async () => {
    const { wal } = await fourSegments();
    await expect(wal.release('')).rejects.toThrow(RangeError);
  });
});

describe('a log that has closed or stopped', () => {
  it('takes no hold, and keeps those it took', async () => {
    const { wal, store } = await fourSegments();
    const taken = wal.hold('mail', 2);
    const closed = wal.close();
    await expect(wal.hold('search', 2)).rejects.toThrow(WalClosedError);
    await expect(wal.release('mail')).rejects.toThrow(WalClosedError);
    await Promise.all([taken, closed]);
    await expect(wal.hold('search', 2)).rejects.toThrow(WalClosedError);
    expect(openFiles(store.durableSnapshot()).wal.readers).toMatchObject([{ name: 'mail', lsn: 2 }]);
  });

  it('rejects with WalPoisonedError where it had stopped', async () => {
    const { state, plan } = armed(({ kind, file }) => kind === 'sync' && file.endsWith('.log'));
    const { wal } = await fourSegments({ plan });
    const told = collect(wal.retention$);
    state.armed = true;
    await expect(wal.append(Uint8Array.of(8))).rejects.toThrow(WalPoisonedError);
    await expect(wal.hold('mail', 2)).rejects.toThrow(WalPoisonedError);
    expect(told.error).toBeUndefined();
    await expect(firstValueFrom(wal.retention$)).resolves.toMatchObject({ durableLsn: 7 });
    expect(collect(wal.retention$).error).toBeInstanceOf(WalPoisonedError);
  });

  it('gives its lock back only when readers.meta is done', async () => {
    const { state, plan } = armed(onMeta('rename'), () => NEVER);
    const { wal, store } = await fourSegments({ plan });
    state.armed = true;
    void wal.hold('mail', 2);
    void wal.close();
    await setImmediate();
    expect(store.operations.map(({ kind }) => kind)).not.toContain('unlock');
  });
});

describe('a failed write of readers.meta', () => {
  it.each(['create', 'write', 'sync', 'rename', 'syncDir'])(
    'at its %s: WalIoError; the log goes on, and what held before holds',
    async (kind) => {
      const { state, plan } = armed((operation) =>
        kind === 'syncDir' ? operation.kind === kind : onMeta(kind)(operation),
      );
      const { wal, store } = await fourSegments({ plan });
      await wal.hold('mail', 2);
      state.armed = true;
      await expect(wal.hold('mail', 4)).rejects.toThrow(WalIoError);
      await expect(wal.hold('search', 5)).rejects.toThrow(WalIoError);
      expect(wal.readers).toMatchObject([{ name: 'mail', lsn: 2 }]);
      // Nothing goes while nobody knows what the file says.
      await expect(wal.checkpoint()).rejects.toThrow(WalIoError);
      state.armed = false;
      await wal.append(Uint8Array.of(8));
      expect(wal.firstLsn).toBe(1);
      await wal.checkpoint();
      expect(wal.firstLsn).toBe(3);
      expect(openFiles(store.durableSnapshot()).wal.readers).toMatchObject([{ name: 'mail', lsn: 2 }]);
      await wal.hold('mail', 8);
      expect(openFiles(store.durableSnapshot()).wal.readers).toMatchObject([{ name: 'mail', lsn: 8 }]);
    },
  );

  it('a removal that fails is told by retention$, and done by the next move', async () => {
    const { state, plan } = armed(({ kind }) => kind === 'remove');
    const { wal, store } = await fourSegments({ plan });
    await wal.hold('mail', 0);
    await wal.checkpoint();
    state.armed = true;
    await wal.hold('mail', 2);
    await setImmediate();
    expect((await firstValueFrom(wal.retention$)).problem).toBeInstanceOf(WalIoError);
    // What a removal has tried to take, nobody may count on.
    await expect(wal.hold('late', 1)).rejects.toThrow(WalTruncatedError);
    state.armed = false;
    await wal.hold('mail', 4);
    await setImmediate();
    expect(segmentsOf(store)).toEqual([2, 3]);
    expect((await firstValueFrom(wal.retention$)).problem).toBeUndefined();
  });
});

describe('opening with readers.meta', () => {
  const readers = (lsn: number, logId = LOG_ID): Uint8Array =>
    encodeReadersFile({ readers: [{ name: 'mail', lsn, movedAt: 0 }], cutLsn: 0 }, logId);
  const checkpointMeta = (lsn: number): Uint8Array =>
    join(
      headerBytes({ firstLsn: lsn + 1, logId: LOG_ID }),
      frameBytes('checkpoint', lsn, checkpointCbor({ lsn, epoch: 1 }), LOG_ID),
    );
  const three = (): Map<string, Uint8Array> =>
    filesOf(
      segmentBytes(1, [['record', 1]]),
      segmentBytes(2, [['record', 2]]),
      segmentBytes(3, [
        ['record', 3],
        ['mark', 3],
      ]),
    );
  const refusalOf = (files: ReadonlyMap<string, Uint8Array>): unknown => {
    const outcome = open(memoryStore({ files }));
    return 'error' in outcome ? outcome.error : undefined;
  };

  it('finishes a removal, but for what a reader needs', () => {
    const { wal, store } = openFiles(new Map([...three(), [META, readers(1)], ['checkpoint.meta', checkpointMeta(3)]]));
    expect(segmentsOf(store)).toEqual([1, 2]);
    expect(wal.recovery).toMatchObject({ firstLsn: 2, lastLsn: 3 });
  });

  it('removes what a crash left of it half made', () => {
    const { store } = openFiles(new Map([...three(), [`${META}.tmp`, Uint8Array.of(1)]]));
    expect([...store.durableSnapshot().keys()]).not.toContain(`${META}.tmp`);
  });

  it.each<[what: string, change: (files: Map<string, Uint8Array>) => void, file: string, reason: RegExp]>([
    ['damage', (files) => files.set(META, Uint8Array.of(1, 2, 3)), META, /./],
    ["another log's", (files) => files.set(META, readers(1, OTHER_LOG_ID)), META, /belongs to another log/],
    ['a reader past the end', (files) => files.set(META, readers(4)), 'wal_00000002.log', /readers\.meta proves/],
    [
      'a hole that a reader needs',
      (files) => files.set(META, readers(0)).set('checkpoint.meta', checkpointMeta(3)).delete('wal_00000001.log'),
      'wal_00000001.log',
      /all from 1 are needed/,
    ],
  ])('refuses %s, and changes nothing', (_what, change, file, reason) => {
    const files = three();
    change(files);
    const error = refusalOf(files);
    expect(error).toBeInstanceOf(WalCorruptError);
    expect(error).toMatchObject({ file });
    expect((error as WalCorruptError).reason).toMatch(reason);
  });

  it('refuses readers without a segment', () => {
    expect(refusalOf(new Map([[META, readers(0)]]))).toMatchObject({ code: 'WAL_CORRUPT', file: META });
  });

  it('a log whose first segments somebody else has removed opens, and says what its reader has lost', async () => {
    const files = three();
    files.set(META, readers(0)).set('checkpoint.meta', checkpointMeta(2)).delete('wal_00000000.log');
    const { wal } = openFiles(files);
    const { readers: states } = await firstValueFrom(wal.retention$);
    expect(states).toMatchObject([{ name: 'mail', lsn: 0, lag: 3, lost: 1 }]);
  });
});

describe('wal.retention$', () => {
  const short = ({ firstLsn, lastLsn, segments, floorLsn, keptBy, readers }: Retention): unknown[] => [
    firstLsn,
    lastLsn,
    segments,
    floorLsn,
    keptBy,
    readers.map(({ name, lag }) => `${name} ${lag}`),
  ];

  it('tells what is kept and why, now and at every change, and ends with the log', async () => {
    const { wal } = await fourSegments();
    const told: unknown[][] = [];
    let ended = false;
    wal.retention$.subscribe({
      next: (state) => told.push(short(state)),
      complete: () => {
        ended = true;
      },
    });
    await wal.hold('mail', 2);
    await wal.checkpoint({ lsn: 4 });
    await wal.hold('mail', 5);
    await setImmediate();
    await wal.append(Uint8Array.of(8));
    expect(told).toEqual([
      [1, 7, 4, 0, { kind: 'nothing asked' }, []],
      [1, 7, 4, 0, { kind: 'nothing asked' }, ['mail 5']],
      // The checkpoint's frame is durable; then it is saved, and one segment gone.
      [1, 7, 4, 0, { kind: 'nothing asked' }, ['mail 5']],
      [3, 7, 3, 2, { kind: 'reader', name: 'mail' }, ['mail 5']],
      [3, 7, 3, 4, { kind: 'checkpoint' }, ['mail 2']],
      [5, 7, 2, 4, { kind: 'checkpoint' }, ['mail 2']],
      [5, 8, 2, 4, { kind: 'checkpoint' }, ['mail 3']],
    ]);
    expect(ended).toBe(false);
    await wal.close();
    expect(ended).toBe(true);
    expect(short(await firstValueFrom(wal.retention$))).toEqual(told.at(-1));
  });

  it('counts the bytes of the files', async () => {
    const { wal, store } = await fourSegments();
    const sizes = (): number =>
      [...store.snapshot()].reduce((sum, [name, { length }]) => sum + (name.endsWith('.log') ? length : 0), 0);
    expect((await firstValueFrom(wal.retention$)).bytes).toBe(sizes());
    await wal.checkpoint({ lsn: 4 });
    await wal.append(new Uint8Array(100));
    expect((await firstValueFrom(wal.retention$)).bytes).toBe(sizes());
    const { wal: again } = openFiles(store.durableSnapshot());
    expect((await firstValueFrom(again.retention$)).bytes).toBe(sizes());
  });

  it('a reader that has the log from within its own output may move at once', async () => {
    const { wal, store } = await fourSegments();
    await wal.hold('mail', 0);
    await wal.checkpoint();
    wal.retention$.subscribe(({ readers: [mail], durableLsn }) => {
      if (mail && mail.lsn < durableLsn) void wal.hold('mail', mail.lsn + 1);
    });
    for (let turn = 0; turn < 5; turn += 1) await setImmediate();
    expect(wal.readers).toMatchObject([{ lsn: 7 }]);
    expect(segmentsOf(store)).toEqual([3]);
  });
});
