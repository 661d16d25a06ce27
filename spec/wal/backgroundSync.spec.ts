import { setImmediate as turn } from 'node:timers/promises';
import { Subject, filter, map } from 'rxjs';
import type { Durability } from 'rxwal';
import { marblePlan, memoryWal, virtualTime } from 'rxwal/testing';

const batch: Durability = { mode: 'batch', maxDelayMs: 10, maxRecords: 3 };
const adaptive: Durability = { mode: 'adaptive', targetIntervalMs: 10 };
const withClock = [batch, adaptive];
const withoutClock: Durability[] = [{ mode: 'sync' }, { mode: 'nosync' }];

describe('the clock of batch and adaptive', () => {
  it.each(withClock)('$mode: runs from the start', (durability) => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ durability });
      expect(wal.startBackgroundSync()).toBe(false);
      hot('                -a').subscribe(wal);
      expectObservable(wal.durable$.pipe(filter((lsn) => lsn > 0))).toBe(
        durability.mode === 'batch' ? '-----------1' : '----------1',
        { 1: 1 },
      );
    });
  });

  it.each(withClock)('$mode: leaves a lone record where it is once stopped', async (durability) => {
    await virtualTime(({ hot, flush }) => {
      const { wal } = memoryWal<string>({ durability });
      hot('-a 1000ms -').subscribe(wal);
      const stopped = wal.stopBackgroundSync();
      flush();
      expect(wal.durableLsn).toBe(0);
      return expect(stopped).resolves.toBeUndefined();
    });
  });

  it.each(withClock)('$mode: gives up the wait that had begun', (durability) => {
    virtualTime(({ cold, flush }) => {
      const { wal } = memoryWal<string>({ durability });
      wal.next('a');
      cold('---x').subscribe(() => void wal.stopBackgroundSync());
      flush();
      expect(wal.durableLsn).toBe(0);
    });
  });

  it.each(withClock)('$mode: makes what waits durable after it was started again', (durability) => {
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<string>({ durability });
      wal.next('a');
      cold('  ---x').subscribe(() => void wal.stopBackgroundSync());
      cold('  25ms x').subscribe(() => expect(wal.startBackgroundSync()).toBe(true));
      // A batch has its whole delay from now on; the cadence goes on where its ticks are.
      expectObservable(wal.durable$).toBe(durability.mode === 'batch' ? '0 34ms 1' : '0 29ms 1', [0, 1]);
    });
  });

  it.each(withClock)('$mode: says whether a start changed anything', async (durability) => {
    const { wal } = memoryWal<string>({ durability });
    expect(wal.startBackgroundSync()).toBe(false);
    await wal.stopBackgroundSync();
    expect(wal.startBackgroundSync()).toBe(true);
    expect(wal.startBackgroundSync()).toBe(false);
  });

  it.each(withClock)('$mode: may be stopped twice', async (durability) => {
    const { wal } = memoryWal<string>({ durability });
    await wal.stopBackgroundSync();
    await wal.stopBackgroundSync();
    expect(wal.startBackgroundSync()).toBe(true);
  });
});

describe('while it is stopped', () => {
  it('a batch still ends by its number', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ durability: batch });
      void wal.stopBackgroundSync();
      hot('                                                             -a-b-c--d').subscribe(wal);
      expectObservable(wal.commits$.pipe(map(({ lastLsn }) => lastLsn))).toBe('-----3', { 3: 3 });
    });
  });

  it.each(withClock)('$mode: a barrier still acts', async (durability) => {
    await virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ durability });
      void wal.stopBackgroundSync();
      wal.next('a');
      const synced = wal.sync();
      flush();
      expect(wal.durableLsn).toBe(1);
      return expect(synced).resolves.toBe(1);
    });
  });

  it.each(withClock)('$mode: the close still drains', (durability) => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ durability });
      void wal.stopBackgroundSync();
      wal.next('a');
      wal.complete();
      flush();
      expect(wal.durableLsn).toBe(1);
    });
  });
});

describe('stopBackgroundSync()', () => {
  it('is done when the commit that was on its way has returned', async () => {
    const fsynced$ = new Subject<never>();
    const { wal } = memoryWal<string>({
      plan: ({ kind }) => (kind === 'sync' ? fsynced$ : undefined),
      durability: { mode: 'batch', maxDelayMs: 10, maxRecords: 1 },
    });
    const heard: string[] = [];
    wal.commits$.subscribe(({ lastLsn }) => heard.push(`commit ${lastLsn}`));
    wal.next('a');
    const stopped = wal.stopBackgroundSync().then(() => heard.push('stopped'));
    await turn();
    fsynced$.complete();
    await stopped;
    expect(heard).toEqual(['commit 1', 'stopped']);
  });

  it('rejects nothing where the log stops meanwhile', async () => {
    await virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({
        plan: marblePlan({ sync: '---#' }),
        durability: { mode: 'batch', maxDelayMs: 10, maxRecords: 1 },
      });
      wal.append('a').subscribe({ error: () => undefined });
      const stopped = wal.stopBackgroundSync();
      flush();
      return expect(stopped).resolves.toBeUndefined();
    });
  });

  it('resolves after the close', async () => {
    const { wal } = memoryWal<string>({ durability: batch });
    await wal.close();
    await expect(wal.stopBackgroundSync()).resolves.toBeUndefined();
  });
});

describe('startBackgroundSync()', () => {
  it.each(withoutClock)('$mode: says false, stopped or not: the mode has no clock', async (durability) => {
    const { wal } = memoryWal<string>({ durability });
    expect(wal.startBackgroundSync()).toBe(false);
    await wal.stopBackgroundSync();
    expect(wal.startBackgroundSync()).toBe(false);
  });

  it.each(withoutClock)('$mode: records go on being committed whatever was switched', async (durability) => {
    const { wal } = memoryWal<string>({ durability });
    await wal.stopBackgroundSync();
    await expect(wal.append('a')).resolves.toMatchObject({ lsn: 1 });
  });

  it.each(withClock)('$mode: says false after the close', async (durability) => {
    const { wal } = memoryWal<string>({ durability });
    await wal.stopBackgroundSync();
    await wal.close();
    expect(wal.startBackgroundSync()).toBe(false);
  });
});
