import { setImmediate, setTimeout } from 'node:timers/promises';
import { config, firstValueFrom, lastValueFrom, timer } from 'rxjs';
import { WalPoisonedError, type Projection, type SnapshotOutcome } from 'rxwal';
import { fault, marblePlan, memoryWal } from 'rxwal/testing';

interface Sum {
  readonly lsn: number;
  readonly value: number;
}

const SUM = { name: 'sum', initial: 0, reduce: (sum: number, { value }: Sum) => sum + value };

/** What nobody has handled. */
const unhandled: unknown[] = [];

beforeEach(() => {
  unhandled.length = 0;
  config.onUnhandledError = (error) => unhandled.push(error);
});

afterAll(() => {
  config.onUnhandledError = null;
});

/** Until everything that is due on a store that answers at once has been done, and RxJS has reported what nobody handled: with a timer. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await setImmediate();
  await setTimeout(2);
};

describe('a projection that begins where it cannot', () => {
  it('behind the end of the log is refused, and the log opens again', async () => {
    const { wal, store } = memoryWal<number>();
    await wal.append(1);
    await expect(firstValueFrom(wal.project({ ...SUM, after: 100 }).state$)).rejects.toThrow(RangeError);
    await wal.close();
    expect(memoryWal<number>({ files: store.snapshot() }).wal.lastLsn).toBe(1);
  });

  it('behind what is durable proves nothing that is not: a power cut leaves a log that opens', async () => {
    const { wal, store } = memoryWal<number>({ durability: { mode: 'nosync' } });
    await wal.append(1);
    await wal.append(2);
    const sum = wal.project({ ...SUM, after: wal.lastLsn });
    await settle();
    expect(wal.readers).toMatchObject([{ name: 'projection:sum', lsn: wal.durableLsn }]);
    expect(memoryWal<number>({ files: store.durableSnapshot() }).wal.lastLsn).toBeLessThanOrEqual(2);
    await sum.close();
  });
});

describe('another version of a projection', () => {
  const logOfVersion1 = async () => {
    const { wal, store } = memoryWal<number>({ maxSegmentBytes: 120 });
    const sum = wal.project({ ...SUM, snapshotEvery: 10, checkpoint: false });
    for (let value = 1; value <= 100; value += 1) {
      await wal.append(value);
      await sum.at(value);
    }
    await wal.close();
    return store.snapshot();
  };

  it('has the log held from where it begins, and takes its own snapshots', async () => {
    const { wal } = memoryWal<number>({ maxSegmentBytes: 120, files: await logOfVersion1() });
    expect(wal.readers[0]?.lsn).toBe(90);
    const sum = wal.project({ ...SUM, version: 2, snapshotEvery: 10, checkpoint: false });
    await expect(sum.at(100)).resolves.toEqual({ lsn: 100, state: 5050 });
    await sum.snapshot();
    await settle();
    expect(unhandled).toEqual([]);
  });

  it('is not overtaken by the reader of the one before: the log keeps what it has not read', async () => {
    const slow = ({ kind }: { readonly kind: string }) => (kind === 'read' || kind === 'open' ? timer(1) : undefined);
    const { wal, store } = memoryWal<number>({ maxSegmentBytes: 120, files: await logOfVersion1(), plan: slow });
    const sum = wal.project({ ...SUM, version: 2, snapshotEvery: 10 });
    await expect(sum.at(100)).resolves.toEqual({ lsn: 100, state: 5050 });
    await wal.close();
    const { wal: again } = memoryWal<number>({ files: store.snapshot() });
    await expect(again.project({ ...SUM, version: 2 }).at(100)).resolves.toEqual({ lsn: 100, state: 5050 });
    await settle();
    expect(unhandled).toEqual([]);
  });

  it('lets the log go only when it has two snapshots of its own', async () => {
    const { wal, store } = memoryWal<number>({ maxSegmentBytes: 120, files: await logOfVersion1() });
    const sum = wal.project({ ...SUM, version: 2, snapshotEvery: 1000 });
    await sum.at(100);
    await sum.snapshot();
    expect(wal.firstLsn).toBe(1);
    expect([...store.snapshot().keys()].filter((name) => name.endsWith('.snapshot')).length).toBeGreaterThan(1);
    await wal.append(101);
    await sum.at(101);
    await sum.snapshot();
    expect(wal.firstLsn).toBeGreaterThan(50);
  });
});

describe('from within reduce', () => {
  it.each(['close', 'snapshot'] as const)('%s takes no half state: nothing is applied twice', async (call) => {
    const { wal, store } = memoryWal<number>();
    const started: Projection<{ records: number; sum: number }>[] = [];
    const options = (hook: (value: number) => void) => ({
      name: 'sum',
      initial: () => ({ records: 0, sum: 0 }),
      reduce: (state: { records: number; sum: number }, { value }: Sum) => {
        state.records += 1;
        hook(value);
        state.sum += value;
        return state;
      },
    });
    const done: Promise<unknown>[] = [];
    const sum = wal.project(
      options((value) => {
        if (value === 3) done.push(...started.map((each) => each[call]()));
      }),
    );
    started.push(sum);
    for (let value = 1; value <= 3; value += 1) await wal.append(value);
    await settle();
    await Promise.all(done);
    const { wal: again } = memoryWal<number>({ files: store.snapshot() });
    const { state } = await again.project(options(() => undefined)).at(3);
    expect(state).toEqual({ records: 3, sum: 6 });
  });
});

describe('a signal from within reduce', () => {
  it.each([false, true])('ends it when reduce has returned, or thrown: %s', async (throws) => {
    const { wal } = memoryWal<number>();
    const stop = new AbortController();
    const sum = wal.project({
      ...SUM,
      signal: stop.signal,
      reduce: (state) => {
        stop.abort(new Error('enough'));
        if (throws) throw new Error('no');
        return state;
      },
    });
    const ended = lastValueFrom(sum.state$);
    await wal.append(1);
    await expect(ended).rejects.toThrow('enough');
    await expect(sum.close()).resolves.toBeUndefined();
    expect(wal.project(SUM).name).toBe('sum');
    await wal.close();
  });
});

describe('snapshots', () => {
  it('that are asked for at once are taken one after the other, and share what they can', async () => {
    const { wal, store } = memoryWal<number>({
      plan: ({ file }) => (file.includes('snapshot') ? timer(2) : undefined),
    });
    const sum = wal.project(SUM);
    await wal.append(1);
    await sum.at(1);
    await expect(Promise.all([sum.snapshot(), sum.snapshot(), sum.snapshot()])).resolves.toEqual([1, 1, 1]);
    await wal.append(2);
    await sum.at(2);
    const last = [sum.snapshot(), sum.snapshot()];
    await sum.close();
    await expect(Promise.all(last)).resolves.toEqual([2, 2]);
    const created = store.operations.filter(({ kind, file }) => kind === 'create' && file.includes('snapshot'));
    expect(created).toHaveLength(2);
    await settle();
    expect(unhandled).toEqual([]);
  });

  it('that fail are tried again when the next is due, and not at every record', async () => {
    const { wal } = memoryWal<number>();
    let encoded = 0;
    const codec = {
      encode: (): Uint8Array => {
        encoded += 1;
        throw new Error('too large');
      },
      decode: () => 0,
    };
    const taken: SnapshotOutcome[] = [];
    const sum = wal.project({ ...SUM, snapshotEvery: 10, codec });
    sum.snapshots$.subscribe((outcome) => taken.push(outcome));
    for (let value = 1; value <= 100; value += 1) {
      await wal.append(value);
      await sum.at(value);
    }
    expect({ encoded, taken: taken.length }).toEqual({ encoded: 10, taken: 10 });
  });

  it('that were asked for are told of to who has asked, and to nobody else', async () => {
    const full = marblePlan({ create: '#' }, fault('ENOSPC'));
    const { wal } = memoryWal<number>({
      plan: (operation) => (operation.file.includes('snapshot') ? full(operation) : undefined),
    });
    const sum = wal.project(SUM);
    await wal.append(1);
    await sum.at(1);
    await expect(sum.snapshot()).rejects.toMatchObject({ code: 'WAL_IO' });
    await settle();
    expect(unhandled).toEqual([]);
  });

  it('of a codec that gives no bytes are refused before anything is written', async () => {
    const { wal, store } = memoryWal<number>({ maxSegmentBytes: 120 });
    const codec = { encode: (state: number) => String(state) as unknown as Uint8Array, decode: () => 0 };
    const sum = wal.project({ ...SUM, codec });
    for (let value = 1; value <= 20; value += 1) await wal.append(value);
    await sum.at(20);
    await expect(sum.snapshot()).rejects.toThrow('codec.encode must give a Uint8Array, not string');
    expect(wal.firstLsn).toBe(1);
    expect([...store.snapshot().keys()].filter((name) => name.includes('snapshot'))).toEqual([]);
  });

  it('whose rename fails leave nothing behind', async () => {
    const broken = marblePlan({ rename: '#' });
    const { wal, store } = memoryWal<number>({
      plan: (operation) => (operation.file.includes('snapshot') ? broken(operation) : undefined),
    });
    const sum = wal.project(SUM);
    await wal.append(1);
    await sum.at(1);
    await expect(sum.snapshot()).rejects.toMatchObject({ code: 'WAL_IO' });
    expect([...store.snapshot().keys()].filter((name) => name.includes('snapshot'))).toEqual([]);
  });
});

describe('its end', () => {
  const failing = { ...SUM, reduce: (sum: number, { value }: Sum) => (value < 0 ? broken() : sum + value) };
  const broken = (): never => {
    throw new Error('no');
  };

  it('frees its name before anybody hears of it', async () => {
    const { wal } = memoryWal<number>();
    const again: string[] = [];
    wal.project(failing).state$.subscribe({ error: () => again.push(wal.project(SUM).name) });
    await wal.append(-1);
    await settle();
    const other = wal.project({ ...SUM, name: 'other' });
    other.state$.subscribe({ complete: () => again.push(wal.project({ ...SUM, name: 'other' }).name) });
    await other.close();
    expect(again).toEqual(['sum', 'other']);
  });

  it('by a failure is told though somebody has asked for the state before, and listens no more', async () => {
    const { wal } = memoryWal<number>();
    const sum = wal.project(failing);
    await wal.append(1);
    await sum.at(1);
    await wal.append(-1);
    await settle();
    expect(unhandled).toMatchObject([{ code: 'WAL_PROJECTION', lsn: 2 }]);
  });

  it.each(['close', 'failure'])('by %s ends lag$ and snapshots$ as well', async (how) => {
    const { wal } = memoryWal<number>();
    const sum = wal.project(failing);
    const told: string[] = [];
    const end = (what: string) => ({
      error: () => told.push(`${what}#`),
      complete: () => told.push(`${what}|`),
    });
    sum.state$.subscribe(end('state'));
    sum.lag$.subscribe(end('lag'));
    sum.snapshots$.subscribe(end('snapshots'));
    await wal.append(1);
    await sum.at(1);
    if (how === 'close') await sum.close();
    else await wal.append(-1);
    await settle();
    expect(told.sort()).toEqual(how === 'close' ? ['lag|', 'snapshots|', 'state|'] : ['lag#', 'snapshots|', 'state#']);
  });

  it('comes with that of a log that has failed, and nothing is written when the lock has been given back', async () => {
    let isBroken = false;
    const { wal, store } = memoryWal<string>({
      plan: ({ kind, file }) => {
        if (file.includes('snapshot')) return timer(1);
        return isBroken && kind === 'write' ? marblePlan({ write: '#' })({ kind, file }) : undefined;
      },
    });
    const big = 'x'.repeat(10_000);
    const count = wal.project<number>({
      name: 'count',
      initial: 0,
      snapshotEvery: 100,
      reduce: (state) => state + 1,
    });
    const ended = firstValueFrom(count.state$.pipe()).catch((error: unknown) => error);
    count.state$.subscribe({ error: () => undefined });
    wal.acks$.subscribe({ error: () => undefined });
    for (let value = 1; value <= 300; value += 1) wal.next(big);
    await wal.flush();
    isBroken = true;
    await expect(wal.append(big)).rejects.toBeInstanceOf(WalPoisonedError);
    await expect(wal.close()).rejects.toBeInstanceOf(WalPoisonedError);
    await ended;
    const afterwards = store.operations.length;
    await setTimeout(30);
    expect(store.operations.slice(afterwards)).toEqual([]);
    expect(store.operations.at(-1)?.kind).toBe('unlock');
  });
});

it('an LSN that cannot be is refused before anything is made of it', () => {
  const { wal } = memoryWal<number>();
  expect(() => wal.project({ ...SUM, after: 1.5 })).toThrow(RangeError);
  expect(wal.readers).toEqual([]);
});
