import { Subscription, asyncScheduler, map, merge, type Observable, type SchedulerLike } from 'rxjs';
import { isTransactionCommit, type Commit, type Durability } from 'rxwal';
import { marblePlan, memoryWal, virtualTime } from 'rxwal/testing';

/** A store whose write takes 2 frames of time and whose fsync takes 3. */
const timed = () => marblePlan({ write: '--|', sync: '---|' });

const ack = (lsn: number, durable = true) => ({ lsn, durable });
const reasons = (commits$: Observable<Commit>) => commits$.pipe(map(({ reason }) => reason));

describe('mode sync', () => {
  it('acknowledges a record after its write and its fsync', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      hot('                     -a--------').subscribe(wal);
      expectObservable(wal.acks$).toBe('------a', { a: ack(1) });
    });
  });

  it('is the default', () => {
    const { wal } = memoryWal();
    expect(wal.durability).toEqual({ mode: 'sync' });
  });

  it('makes everything that came during one fsync durable by the next one', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      hot('                     a-b-c---d-------').subscribe(wal);
      expectObservable(wal.acks$).toBe('-----a----(bc)-d', { a: ack(1), b: ack(2), c: ack(3), d: ack(4) });
    });
  });

  it('tells of each fsync what it made durable, how much it wrote, why, and how long that took', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      hot('                        a-bc-------').subscribe(wal);
      expectObservable(wal.commits$).toBe('-----A----B', {
        // One frame: 16 bytes and a payload of 2.
        A: {
          firstLsn: 1,
          lastLsn: 1,
          records: 1,
          bytes: 18,
          reason: 'commit',
          durable: true,
          writeMs: 2,
          syncMs: 3,
          barriers: [],
          segment: 0,
        },
        // A mark of 16 bytes, and two frames.
        B: {
          firstLsn: 2,
          lastLsn: 3,
          records: 2,
          bytes: 52,
          reason: 'commit',
          durable: true,
          writeMs: 2,
          syncMs: 3,
          barriers: [],
          segment: 0,
        },
      });
    });
  });

  it('lets a record that is no commit ride with the next one that is', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed(), isCommit: (value) => value === 'C' });
      hot('                     ab---C-------').subscribe(wal);
      expectObservable(wal.acks$).toBe('----------(123)', { 1: ack(1), 2: ack(2), 3: ack(3) });
    });
  });

  it('leaves what comes behind the last commit record to the next one', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed(), isCommit: (value) => value === 'C' });
      hot('                     C-aCb-------C').subscribe(wal);
      expectObservable(wal.acks$).toBe('-----1----(23)---(45)', {
        1: ack(1),
        2: ack(2),
        3: ack(3),
        4: ack(4),
        5: ack(5),
      });
    });
  });

  it('pays one fsync for a transaction with isTransactionCommit', () => {
    virtualTime(({ flush }) => {
      const { wal, store } = memoryWal({ isCommit: isTransactionCommit });
      wal.next({ type: 'CreateNode', id: 1, labels: [] });
      wal.next({ type: 'SetNodeProperty', id: 1, key: 'name', value: 'Ada' });
      flush();
      expect(wal.durableLsn).toBe(0);
      wal.next({ type: 'TransactionCommit', transactionId: 1 });
      flush();
      expect(wal.durableLsn).toBe(3);
      // The first fsync is the header's.
      expect(store.operations.filter(({ kind }) => kind === 'sync')).toHaveLength(2);
    });
  });
});

describe('mode batch', () => {
  const durability: Durability = { mode: 'batch', maxDelayMs: 10, maxRecords: 3 };

  it('syncs a lone record when the delay is over, with nothing behind it', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed(), durability });
      hot('                     --a').subscribe(wal);
      expectObservable(wal.acks$).toBe('-----------------a', { a: ack(1) });
      expectObservable(reasons(wal.commits$)).toBe('-----------------a', { a: 'delay' });
    });
  });

  it('syncs as many as maxRecords at once', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed(), durability });
      hot('                     --a-b-c').subscribe(wal);
      expectObservable(wal.acks$).toBe('-----------(abc)', { a: ack(1), b: ack(2), c: ack(3) });
      expectObservable(reasons(wal.commits$)).toBe('-----------a', { a: 'count' });
    });
  });

  it('starts its clock with the first record of a batch', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ durability });
      hot('                     -a--b-----------c').subscribe(wal);
      expectObservable(wal.acks$).toBe('-----------(ab)-----------c', { a: ack(1), b: ack(2), c: ack(3) });
    });
  });

  it('starts the clock of a batch that gathers during an fsync with its first record, too', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '6ms |' }), durability });
      hot('                     a-----------b---').subscribe(wal);
      // Due at 22; the fsync of the first returned at 16.
      expectObservable(wal.acks$).toBe('16ms a 11ms b', { a: ack(1), b: ack(2) });
    });
  });

  it('holds what is due while an fsync is in flight, and lets it go the moment that returns', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '20ms |' }), durability });
      hot('                     (abc)(defg)').subscribe(wal);
      expectObservable(wal.acks$.pipe(map(({ lsn }) => lsn))).toBe('20ms (abc) 15ms (defg)', {
        ...{ a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7 },
      });
    });
  });

  it('keeps no timer while nothing waits', () => {
    virtualTime(({ hot, flush }) => {
      const scheduler = countingScheduler();
      const { wal } = memoryWal<string>({ durability, scheduler });
      expect(scheduler.scheduled).toBe(0);
      hot('a 100ms (bcd) 100ms e 500ms -').subscribe(wal);
      flush();
      // One for a, one for b (given up when d made the batch full), one for e.
      expect(scheduler.scheduled).toBe(3);
      expect(scheduler.waiting).toBe(0);
      expect(wal.durableLsn).toBe(5);
    });
  });
});

describe('mode adaptive', () => {
  const durability: Durability = { mode: 'adaptive', targetIntervalMs: 100 };

  /** When each fsync starts, in milliseconds of virtual time. */
  const startsOf = (flushMs: number) => {
    const starts: number[] = [];
    const slow = marblePlan({ sync: `${flushMs}ms |` });
    const { wal } = memoryWal<string>({
      durability,
      plan: (operation) => {
        if (operation.kind === 'sync') starts.push(asyncScheduler.now());
        return slow(operation);
      },
    });
    return { wal, starts };
  };

  it('starts the next flush 80 after one that took 20 of 100', () => {
    virtualTime(({ hot, flush, expectObservable }) => {
      const { wal, starts } = startsOf(20);
      hot('                     10ms a 119ms b').subscribe(wal);
      expectObservable(wal.acks$).toBe('120ms a 99ms b', { a: ack(1), b: ack(2) });
      flush();
      expect(starts).toEqual([100, 200]);
    });
  });

  it('starts the next flush at once after one that took 120 of 100', () => {
    virtualTime(({ hot, flush, expectObservable }) => {
      const { wal, starts } = startsOf(120);
      hot('                     10ms a 119ms b').subscribe(wal);
      expectObservable(wal.acks$).toBe('220ms a 119ms b', { a: ack(1), b: ack(2) });
      flush();
      expect(starts).toEqual([100, 220]);
    });
  });

  it('keeps its starts one interval apart under steady load', () => {
    virtualTime(({ cold, flush }) => {
      const { wal, starts } = startsOf(35);
      cold('a 49ms b 49ms c 49ms d 49ms e 49ms f 49ms g 49ms h').subscribe(wal);
      flush();
      expect(starts).toEqual([100, 200, 300, 400]);
    });
  });

  it('syncs everything that gathered in one interval at once', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = startsOf(20);
      hot('                                                 a 29ms b 29ms c').subscribe(wal);
      expectObservable(wal.acks$.pipe(map(({ lsn }) => lsn))).toBe('120ms (abc)', { a: 1, b: 2, c: 3 });
      expectObservable(reasons(wal.commits$)).toBe('                120ms r', { r: 'cadence' });
    });
  });

  it('syncs nothing, and keeps no timer, while nothing is written', () => {
    virtualTime(({ hot, flush }) => {
      const scheduler = countingScheduler();
      const { wal, store } = memoryWal<string>({ durability, scheduler });
      const before = store.operations.length;
      hot('1010ms a 1000ms -').subscribe(wal);
      flush();
      expect(store.operations.slice(before).map(({ kind }) => kind)).toEqual(['write', 'sync']);
      expect(scheduler.scheduled).toBe(1);
      expect(scheduler.waiting).toBe(0);
    });
  });

  it('waits for the next tick of the cadence after an idle time', () => {
    virtualTime(({ hot, flush }) => {
      const { wal, starts } = startsOf(20);
      hot('10ms a 539ms b').subscribe(wal);
      flush();
      expect(starts).toEqual([100, 600]);
    });
  });
});

describe('mode nosync', () => {
  const durability: Durability = { mode: 'nosync' };

  it('acknowledges once the operating system has the record, and says that it is not durable', () => {
    virtualTime(({ hot, flush, expectObservable }) => {
      const { wal, store } = memoryWal<string>({ plan: timed(), durability });
      const before = store.operations.length;
      hot('                        -a---').subscribe(wal);
      expectObservable(wal.acks$).toBe('   ---a', { a: ack(1, false) });
      expectObservable(wal.durable$).toBe('0----', [0]);
      flush();
      expect(store.operations.slice(before).map(({ kind }) => kind)).toEqual(['write']);
    });
  });

  it('gathers while a write is on its way', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed(), durability });
      hot('                     abc------').subscribe(wal);
      expectObservable(wal.acks$).toBe('--a-(bc)', { a: ack(1, false), b: ack(2, false), c: ack(3, false) });
    });
  });

  it('makes what was written durable with sync(); a late subscriber to an append is told so', async () => {
    await virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: timed(), durability });
      const ack$ = wal.append('a');
      const acks: unknown[] = [];
      ack$.subscribe((made) => acks.push(made));
      flush();
      const synced = wal.sync();
      flush();
      ack$.subscribe((made) => acks.push(made));
      expect(acks).toEqual([ack(1, false), ack(1, true)]);
      return expect(synced).resolves.toBe(1);
    });
  });

  it('tells of the write first, and of the fsync that covered it later', () => {
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed(), durability });
      const range$ = wal.commits$.pipe(
        map(({ firstLsn, lastLsn, records, durable }) => ({ firstLsn, lastLsn, records, durable })),
      );
      cold('ab------|').subscribe({
        next: (value) => wal.next(value),
        complete: () => void wal.sync(),
      });
      expectObservable(range$).toBe('--a-b------s', {
        a: { firstLsn: 1, lastLsn: 1, records: 1, durable: false },
        b: { firstLsn: 2, lastLsn: 2, records: 1, durable: false },
        s: { firstLsn: 1, lastLsn: 2, records: 0, durable: true },
      });
      expectObservable(wal.durable$).toBe('0----------2', [0, 1, 2]);
    });
  });

  it('does not fsync for flush()', async () => {
    await virtualTime(({ flush }) => {
      const { wal, store } = memoryWal<string>({ plan: timed(), durability });
      const before = store.operations.length;
      wal.next('a');
      const flushed = wal.flush();
      flush();
      expect(store.operations.slice(before).map(({ kind }) => kind)).toEqual(['write']);
      expect(wal.durableLsn).toBe(0);
      return expect(flushed).resolves.toBeUndefined();
    });
  });
});

describe('every mode', () => {
  const modes: Durability[] = [
    { mode: 'sync' },
    { mode: 'batch', maxDelayMs: 10, maxRecords: 3 },
    { mode: 'adaptive', targetIntervalMs: 10 },
    { mode: 'nosync' },
  ];

  it.each(modes)('$mode: uses no scheduler before a record waits', (durability) => {
    virtualTime(({ cold, flush }) => {
      const scheduler = countingScheduler();
      const { wal } = memoryWal<string>({ durability, scheduler });
      merge(wal.acks$, wal.commits$, wal.durable$, wal.state$, cold('1000ms -')).subscribe();
      flush();
      expect(scheduler.scheduled).toBe(0);
    });
  });

  it.each(modes)('$mode: says what it is', (durability) => {
    expect(memoryWal({ durability }).wal.durability).toEqual(durability);
  });
});

/** The virtual clock of a test, counting what is scheduled on it and what of that still waits. */
function countingScheduler(): SchedulerLike & { readonly scheduled: number; readonly waiting: number } {
  let scheduled = 0;
  let waiting = 0;
  const schedule = (work: (state?: unknown) => void, delay?: number): Subscription => {
    scheduled += 1;
    waiting += 1;
    const done = new Subscription(() => {
      waiting -= 1;
    });
    done.add(
      asyncScheduler.schedule(() => {
        done.unsubscribe();
        work();
      }, delay),
    );
    return done;
  };
  return {
    now: () => asyncScheduler.now(),
    schedule,
    get scheduled() {
      return scheduled;
    },
    get waiting() {
      return waiting;
    },
  };
}
