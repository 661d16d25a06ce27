import { setImmediate } from 'node:timers/promises';
import { NEVER } from 'rxjs';
import { type Reader, type WalOptions } from 'rxwal';
import { memoryWal, type MemoryStore, type MemoryStoreOptions, type StoreOperation } from 'rxwal/testing';
import { hex } from '../support/bytes';
import { RAW, collect, filesOf, openFiles, recordsOf, segmentBytes } from '../support/logs';
import type { Files } from '../support/reference';

/** What a workload was told by the log before it stopped. */
interface Told {
  readonly store: MemoryStore;
  /** Payloads in hex, by LSN - 1: everything appended. */
  readonly appended: string[];
  /** Where each reader was promised to be; 0 stands for one that was promised to be forgotten. */
  readonly held: Map<string, number>;
  /** Everything ever asked of each reader, 0 for its release. */
  readonly asked: Map<string, number[]>;
  ackedLsn: number;
  checkpointLsn: number;
  /** The highest LSN that a cap may have cut. */
  cutLsn: number;
  done: boolean;
}

type Steps = (log: {
  append(count: number, bytes?: number): Promise<void>;
  rotate(): Promise<void>;
  hold(name: string, lsn: number): Promise<void>;
  release(name: string): Promise<void>;
  checkpoint(lsn: number): Promise<void>;
  close(): Promise<void>;
}) => Promise<void>;

async function work(
  steps: Steps,
  plan: MemoryStoreOptions['plan'],
  options: WalOptions<Uint8Array> = {},
): Promise<Told> {
  const { wal, store } = memoryWal<Uint8Array>({ ...RAW, ...options, files: filesOf(segmentBytes(1, [])), plan });
  const told: Told = {
    store,
    appended: [],
    held: new Map(),
    asked: new Map(),
    ackedLsn: 0,
    checkpointLsn: 0,
    cutLsn: 0,
    done: false,
  };
  const ask = (name: string, lsn: number): void => {
    told.asked.set(name, [...(told.asked.get(name) ?? [0]), lsn]);
  };
  if (options.retention?.evenIfRead) wal.retention$.subscribe(({ lastLsn }) => (told.cutLsn = lastLsn));
  void (async () => {
    await steps({
      append: async (count, bytes = 0) => {
        for (let one = 0; one < count; one += 1) {
          const payload = Buffer.from(`record ${told.appended.length + 1}`.padEnd(bytes));
          told.appended.push(hex(payload));
          told.ackedLsn = (await wal.append(payload)).lsn;
        }
      },
      rotate: () => wal.rotate(),
      hold: async (name, lsn) => {
        ask(name, lsn);
        await wal.hold(name, lsn);
        told.held.set(name, lsn);
      },
      release: async (name) => {
        ask(name, 0);
        await wal.release(name);
        told.held.set(name, 0);
      },
      checkpoint: async (lsn) => {
        await wal.checkpoint({ lsn });
        told.checkpointLsn = lsn;
      },
      close: () => wal.close(),
    });
    told.done = true;
  })();
  // Some steps of a cap are taken at the end of a turn.
  for (let turn = 0; turn < 20; turn += 1) await setImmediate();
  return told;
}

/** Readers come, move and go while the log is appended to, rotated and truncated. */
const readers: Steps = async ({ append, rotate, hold, release, checkpoint, close }) => {
  await hold('a', 0);
  await append(2);
  await rotate();
  await append(2);
  await rotate();
  await hold('b', 1);
  await append(2);
  await checkpoint(6);
  await rotate();
  await hold('a', 4);
  await Promise.all([hold('b', 4), hold('c', 6)]);
  await append(2);
  await rotate();
  await release('a');
  await release('b');
  await append(1);
  await checkpoint(9);
  await hold('c', 9);
  await close();
};

/** The nth operation, and every one behind it, never ends: there the process was killed, or the power went. */
function stopAt(nth: number): NonNullable<MemoryStoreOptions['plan']> {
  let count = 0;
  return () => (count++ >= nth ? NEVER : undefined);
}

const META = ['checkpoint.meta', 'readers.meta'];

/**
 * What a power cut may leave: of every file whose name or content is not durable yet, the one state or the other, or a segment torn half way
 * between them. Removals, names and contents reach the disk in any order; only the two meta files get their names when their content is durable.
 */
function leftByPowerCut(store: MemoryStore): Map<string, Uint8Array>[] {
  const [now, durable] = [store.snapshot(), store.durableSnapshot()];
  let states: Map<string, Uint8Array>[] = [new Map()];
  for (const name of new Set([...now.keys(), ...durable.keys()])) {
    const [before, after] = [durable.get(name), now.get(name)];
    const variants = same(before, after) ? [after] : [before, after];
    if (!META.includes(name) && after && !same(before, after)) {
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
  const { wal, store } = openFiles(left);
  const { firstLsn, lastLsn, checkpoint } = wal.recovery;
  const at = new Map(wal.readers.map(({ name, lsn }: Reader) => [name, lsn]));

  // Each reader is where it was promised to be, or where it has been asked to be since.
  for (const [name, asked] of told.asked) {
    const promised = told.held.get(name);
    const may = promised === undefined ? asked : asked.slice(asked.lastIndexOf(promised));
    if (!may.includes(at.get(name) ?? 0)) broken.push({ name, at: at.get(name), may });
  }
  // And everything behind it is there.
  for (const { name, lsn } of wal.readers) {
    if (firstLsn > Math.max(lsn, told.cutLsn) + 1) broken.push({ name, lsn, firstLsn });
  }
  if (firstLsn > (checkpoint?.lsn ?? 0) + 1) broken.push({ firstLsn, checkpoint });
  if ((checkpoint?.lsn ?? 0) < told.checkpointLsn) broken.push({ checkpoint, saved: told.checkpointLsn });
  if (lastLsn < told.ackedLsn) broken.push({ lastLsn, ackedLsn: told.ackedLsn });
  const { values, error } = collect(wal.read());
  if (error !== undefined) broken.push(error);
  const expected = told.appended.map((payload, index) => ({ lsn: index + 1, payload })).slice(firstLsn - 1, lastLsn);
  if (JSON.stringify(recordsOf(values)) !== JSON.stringify(expected)) broken.push(recordsOf(values), expected);
  const half = [...store.snapshot().keys()].filter((name) => name.endsWith('.tmp'));
  if (half.length > 0) broken.push(half);
  return broken;
}

async function operationsOf(steps: Steps, options?: WalOptions<Uint8Array>): Promise<readonly StoreOperation[]> {
  const counted: StoreOperation[] = [];
  const { done } = await work(
    steps,
    (operation) => {
      counted.push(operation);
      return undefined;
    },
    options,
  );
  expect(done).toBe(true);
  return counted;
}

async function sweep(steps: Steps, options?: WalOptions<Uint8Array>): Promise<number> {
  const operations = await operationsOf(steps, options);
  const broken: unknown[] = [];
  let states = 0;
  for (let nth = 0; nth <= operations.length; nth += 1) {
    const told = await work(steps, stopAt(nth), options);
    for (const left of [told.store.snapshot(), ...leftByPowerCut(told.store)]) {
      states += 1;
      for (const what of brokenPromises(told, left)) broken.push([nth, operations[nth], what]);
    }
  }
  expect(broken.slice(0, 5)).toEqual([]);
  expect(states).toBeGreaterThan(2 * operations.length);
  return operations.length;
}

describe('a crash at any operation of hold, release, checkpoint and rotate', () => {
  it('keeps every reader where it was promised, and all that it needs; whatever had reached the disk', async () => {
    expect(await sweep(readers)).toBeGreaterThan(100);
  });

  it('and so it does under caps by size, which make checkpoints of their own', async () => {
    const capped: Steps = async ({ append, rotate, hold, release, close }) => {
      await hold('a', 0);
      for (let segment = 0; segment < 4; segment += 1) {
        await append(2);
        await rotate();
      }
      await hold('a', 5);
      await append(1);
      await rotate();
      await release('a');
      await append(1);
      await setImmediate();
      await close();
    };
    const options = { retention: { maxBytes: 200 } };
    const removed = (await operationsOf(capped, options)).filter(({ kind }) => kind === 'remove');
    expect(removed.length).toBeGreaterThan(2);
    expect(await sweep(capped, options)).toBeGreaterThan(60);
  });

  it('a cap that is told to removes what a reader needs, and the log still opens', async () => {
    const cut: Steps = async ({ append, rotate, hold, close }) => {
      await hold('a', 0);
      for (let segment = 0; segment < 4; segment += 1) {
        await append(1);
        await rotate();
      }
      // Three segments have to go for it, at once.
      await append(1, 250);
      await rotate();
      await setImmediate();
      await setImmediate();
      await close();
    };
    const options = { retention: { maxBytes: 400, evenIfRead: true } };
    const removed = (await operationsOf(cut, options)).filter(({ kind }) => kind === 'remove');
    expect(removed.length).toBeGreaterThan(2);
    expect(await sweep(cut, options)).toBeGreaterThan(60);
  });

  it('lets the log go on: hold, release, checkpoint, close, open', async () => {
    const operations = await operationsOf(readers);
    for (let nth = 0; nth <= operations.length; nth += 1) {
      const told = await work(readers, stopAt(nth));
      const { wal, store } = openFiles(told.store.durableSnapshot());
      for (const { name } of wal.readers) await wal.release(name);
      await wal.append(Uint8Array.of(1));
      const lsn = wal.lastLsn;
      await wal.rotate();
      await wal.hold('new', lsn);
      await wal.checkpoint();
      await wal.close();
      const again = openFiles(store.durableSnapshot());
      expect(again.wal.recovery).toMatchObject({ clean: true, firstLsn: lsn + 1, lastLsn: lsn, segments: 1 });
      expect(again.wal.readers).toMatchObject([{ name: 'new', lsn }]);
    }
  });
});
