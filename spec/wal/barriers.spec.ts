import { setImmediate as turn } from 'node:timers/promises';
import { Subject } from 'rxjs';
import { WalClosedError, WalPoisonedError, type Commit, type Durability, type Wal } from 'rxwal';
import { marblePlan, memoryWal, virtualTime } from 'rxwal/testing';

/** A store whose write takes 2 frames of time and whose fsync takes 3. */
const timed = () => marblePlan({ write: '--|', sync: '---|' });

const modes: Durability[] = [
  { mode: 'sync' },
  { mode: 'batch', maxDelayMs: 1000, maxRecords: 1000 },
  { mode: 'adaptive', targetIntervalMs: 1000 },
  { mode: 'nosync' },
];

/** The calls that wait their turn in the line. */
const barriers: [string, (wal: Wal<string>) => Promise<unknown>][] = [
  ['sync', (wal) => wal.sync()],
  ['flush', (wal) => wal.flush()],
  ['rotate', (wal) => wal.rotate()],
  ['checkpoint', (wal) => wal.checkpoint()],
];

describe('sync()', () => {
  it.each(modes)('$mode: makes what was appended before it durable, and gives the durable LSN', async (durability) => {
    await virtualTime(({ flush }) => {
      const { wal, store } = memoryWal<string>({ plan: timed(), durability, isCommit: () => false });
      wal.next('a');
      wal.next('b');
      const synced = wal.sync();
      flush();
      expect(memoryWal({ files: store.durableSnapshot() }).wal.lastLsn).toBe(2);
      return expect(synced).resolves.toBe(2);
    });
  });

  it('is answered by one fsync, and at once: no clock is waited for', () => {
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<string>({
        plan: timed(),
        durability: { mode: 'batch', maxDelayMs: 1000, maxRecords: 1000 },
      });
      cold('--a').subscribe((value) => {
        wal.next(value);
        void wal.sync();
      });
      expectObservable(wal.durable$).toBe('0------1', [0, 1]);
    });
  });

  it('lets what comes while an fsync is in flight ride along', () => {
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed(), isCommit: (value) => value === 'C' });
      cold('               Cs-a------').subscribe((value) => (value === 's' ? void wal.sync() : wal.next(value)));
      expectObservable(wal.durable$).toBe('0----1----2', [0, 1, 2]);
    });
  });

  it('does nothing where there is nothing to do', async () => {
    await virtualTime(({ flush }) => {
      const { wal, store } = memoryWal<string>({ plan: timed() });
      const commits: Commit[] = [];
      wal.commits$.subscribe((commit) => commits.push(commit));
      const before = store.operations.length;
      const synced = wal.sync();
      flush();
      expect(store.operations).toHaveLength(before);
      expect(commits).toEqual([]);
      return expect(synced).resolves.toBe(0);
    });
  });

  it('gives the durable LSN of an earlier opening where nothing was appended since', async () => {
    const before = memoryWal<string>();
    before.wal.next('a');
    await before.wal.close();
    const { wal } = memoryWal<string>({ files: before.store.snapshot() });
    await expect(wal.sync()).resolves.toBe(1);
  });

  it('may be called many times at once: one fsync answers all', async () => {
    await virtualTime(({ flush }) => {
      const { wal, store } = memoryWal<string>({ plan: timed(), isCommit: () => false });
      wal.next('a');
      wal.next('b');
      const before = store.operations.length;
      const all = [wal.sync(), wal.sync(), wal.sync(), wal.flush(), wal.sync()];
      flush();
      // The first takes all there is; the rest find nothing left to sync.
      expect(store.operations.slice(before).map(({ kind }) => kind)).toEqual(['write', 'sync']);
      return expect(Promise.all(all)).resolves.toEqual([2, 2, 2, undefined, 2]);
    });
  });
});

describe('flush()', () => {
  it.each(modes)('$mode: hands what was appended before it to the operating system', async (durability) => {
    await virtualTime(({ flush }) => {
      const { wal, store } = memoryWal<string>({ plan: timed(), durability, isCommit: () => false });
      wal.next('a');
      const flushed = wal.flush();
      flush();
      expect(memoryWal({ files: store.snapshot() }).wal.lastLsn).toBe(1);
      expect(wal.durableLsn).toBe(durability.mode === 'nosync' ? 0 : 1);
      return expect(flushed).resolves.toBeUndefined();
    });
  });
});

describe('rotate()', () => {
  it.each(modes)('$mode: ends the segment behind what was appended before it', async (durability) => {
    await virtualTime(({ flush }) => {
      const { wal, store } = memoryWal<string>({ plan: timed(), durability, isCommit: () => false });
      wal.next('a');
      wal.next('b');
      const rotated = wal.rotate();
      wal.next('c');
      const synced = wal.sync();
      flush();
      const segments = store.snapshot();
      // A header and two frames; a header, a mark and one frame.
      expect([...segments].map(([name, { length }]) => [name, length])).toEqual([
        ['wal_00000000.log', 32 + 2 * 18],
        ['wal_00000001.log', 32 + 16 + 18],
      ]);
      return expect(Promise.all([rotated, synced])).resolves.toEqual([undefined, 3]);
    });
  });

  it('makes the old segment durable before the new one is there', async () => {
    const { wal, store } = memoryWal<string>({ durability: { mode: 'nosync' } });
    wal.next('a');
    const before = store.operations.length;
    await wal.rotate();
    expect(wal.durableLsn).toBe(1);
    const steps = store.operations.slice(before).map(({ kind, file }) => `${kind} ${file}`.trim());
    expect(steps.indexOf('sync wal_00000000.log')).toBeGreaterThanOrEqual(0);
    expect(steps.indexOf('sync wal_00000000.log')).toBeLessThan(steps.indexOf('create wal_00000001.log'));
  });

  it('is done when the new segment is there', async () => {
    const made$ = new Subject<never>();
    const { wal } = memoryWal<string>({ plan: ({ kind }) => (kind === 'create' ? made$ : undefined) });
    const heard: string[] = [];
    wal.next('a');
    const rotated = wal.rotate().then(() => heard.push('rotated'));
    await turn();
    heard.push('made');
    made$.complete();
    await rotated;
    expect(heard).toEqual(['made', 'rotated']);
  });

  it('does nothing to a segment without records', async () => {
    const { wal, store } = memoryWal<string>();
    await wal.rotate();
    wal.next('a');
    await wal.rotate();
    await wal.rotate();
    expect([...store.snapshot().keys()]).toEqual(['wal_00000000.log', 'wal_00000001.log']);
  });

  it('makes one segment each where records stand between', async () => {
    const { wal, store } = memoryWal<string>();
    const rotations = ['a', 'b', 'c'].map((value) => {
      wal.next(value);
      return wal.rotate();
    });
    await Promise.all(rotations);
    expect([...store.snapshot().keys()]).toHaveLength(4);
  });
});

describe('every barrier', () => {
  it.each(barriers)(
    '%s acts behind everything that was appended before it, also while an fsync is in flight',
    (_, call) => {
      virtualTime(({ cold, flush }) => {
        const { wal } = memoryWal<string>({ plan: timed(), isCommit: () => false });
        let lastLsn = 0;
        wal.commits$.subscribe((commit) => {
          if (commit.barriers.length > 0) lastLsn = commit.lastLsn;
        });
        cold('a-b').subscribe({ next: (value) => wal.next(value) });
        cold('-s').subscribe(() => void wal.sync());
        cold('---x').subscribe(() => {
          wal.next('c');
          void call(wal);
        });
        flush();
        expect(lastLsn).toBe(3);
      });
    },
  );

  it.each(barriers)('%s of an empty log resolves', async (_, call) => {
    const { wal } = memoryWal<string>();
    await call(wal);
    expect(wal.lastLsn).toBe(0);
  });

  it.each(barriers)('%s may be called in one turn with the others, many times over', async (_, call) => {
    const { wal } = memoryWal<string>();
    for (let round = 0; round < 3; round += 1) {
      wal.next('a');
      await Promise.all([call(wal), ...barriers.map(([, other]) => other(wal)), call(wal)]);
    }
    expect(wal.durableLsn).toBe(3);
  });

  it.each(barriers)('%s that waits when the log is closed is still answered', async (_, call) => {
    await virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      wal.next('a');
      const answered = call(wal);
      const closed = wal.close();
      flush();
      expect(wal.durableLsn).toBe(1);
      return Promise.all([answered, closed]);
    });
  });

  it.each(barriers)('%s rejects with what made the log stop', async (_, call) => {
    await virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '---#' }) });
      wal.next('a');
      const refusal = call(wal).catch((error: unknown) => error);
      flush();
      return expect(refusal).resolves.toMatchObject({ code: 'WAL_POISONED', cause: { code: 'EIO' } });
    });
  });

  it.each(barriers)('%s of a log that has stopped rejects', async (_, call) => {
    const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '#' }) });
    wal.state$.subscribe();
    wal.next('a');
    await expect(call(wal)).rejects.toThrow(WalPoisonedError);
  });
});

describe('after the close', () => {
  const closed = async () => {
    const { wal } = memoryWal<string>();
    wal.next('a');
    await wal.close();
    return wal;
  };

  it('sync() gives the durable LSN: the close has made all of it durable', async () => {
    const wal = await closed();
    await expect(wal.sync()).resolves.toBe(1);
  });

  it('flush() resolves', async () => {
    const wal = await closed();
    await expect(wal.flush()).resolves.toBeUndefined();
  });

  it('sync() while the log is closing waits for its end', async () => {
    await virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      wal.next('a');
      wal.complete();
      const synced = wal.sync();
      flush();
      return expect(synced).resolves.toBe(1);
    });
  });

  it('rotate() and checkpoint() are refused', async () => {
    const wal = await closed();
    await expect(wal.rotate()).rejects.toThrow(WalClosedError);
    await expect(wal.checkpoint()).rejects.toThrow(WalClosedError);
  });

  it('a refusal names the call that was refused', async () => {
    const wal = await closed();
    await expect(wal.rotate()).rejects.toThrow(/^rotate/);
    await expect(wal.checkpoint()).rejects.toThrow(/^checkpoint/);
  });
});
