import { AssertionError } from 'node:assert';
import { setImmediate as turn } from 'node:timers/promises';
import {
  asyncScheduler,
  catchError,
  concatMap,
  defer,
  filter,
  map,
  mergeMap,
  of,
  retry,
  throwError,
  timeout,
  timer,
  type Observable,
} from 'rxjs';
import { WalBackpressureError, WalCorruptError, WalLockedError, recoverWal, type Ack, type Wal } from 'rxwal';
import { fault, marblePlan, memoryStore, memoryWal, virtualTime } from 'rxwal/testing';

describe("a marble test of an application's own code", () => {
  /** Appends; where the log is full for now, waits 10 ms and tries again. */
  const appendPatiently = <T>(wal: Wal<T>, value: T): Observable<Ack> =>
    defer(() => wal.append(value)).pipe(
      retry({
        delay: (error: unknown) => (error instanceof WalBackpressureError ? timer(10) : throwError(() => error)),
      }),
    );

  it('shows that it tries again until there is room', () => {
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '15ms |' }), maxPendingRecords: 1 });
      const lsns$ = cold('(ab|)').pipe(
        mergeMap((value) => appendPatiently(wal, value)),
        map(({ lsn }) => lsn),
      );
      // b is refused at 0 and at 10, and taken at 20.
      expectObservable(lsns$).toBe('15ms a 19ms (b|)', { a: 1, b: 2 });
    });
  });

  it('shows that it gives up on a log that stopped', () => {
    virtualTime(({ expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '--#' }) });
      const outcome$ = appendPatiently(wal, 'a').pipe(
        map(() => 'acknowledged'),
        catchError((error: unknown) => of((error as { code: string }).code)),
      );
      expectObservable(outcome$).toBe('--(x|)', { x: 'WAL_POISONED' });
    });
  });

  it('shows that it answers a request only once its record is durable', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ write: '-|', sync: '--|' }) });
      const replies$ = hot('               a----b|').pipe(
        concatMap((order) => wal.append(order).pipe(map(({ lsn }) => `201 ${lsn}`))),
      );
      expectObservable(replies$).toBe('    ---x----(y|)', { x: '201 1', y: '201 2' });
    });
  });

  it('shows what a user sees while the disk hangs', () => {
    virtualTime(({ expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '-' }) });
      const reply$ = wal.append('a').pipe(
        map(() => 201),
        timeout({ first: 100, with: () => of(503) }),
      );
      expectObservable(reply$).toBe('100ms (x|)', { x: 503 });
    });
  });
});

describe('virtualTime', () => {
  it('gives what the test gives', () => {
    expect(virtualTime(() => 42)).toBe(42);
  });

  it('fails where the marbles differ, under any test runner', () => {
    const test = () => {
      virtualTime(({ cold, expectObservable }) => expectObservable(cold('-a|')).toBe('-b|'));
    };
    expect(test).toThrow(AssertionError);
  });

  it('takes no time', () => {
    virtualTime(({ cold, expectObservable }) => {
      expectObservable(cold('a 9s b').pipe(map(() => asyncScheduler.now()))).toBe('a 9s b', { a: 0, b: 9001 });
    });
  });
});

describe('memoryWal', () => {
  it('is open at once, and what is appended is durable before the turn is over', async () => {
    const { wal } = memoryWal<string>();
    wal.next('a');
    expect(wal.lastLsn).toBe(1);
    let durableLsn = 0;
    setImmediate(() => {
      durableLsn = wal.durableLsn;
    });
    await turn();
    expect(durableLsn).toBe(1);
  });

  it('begins its plan when the log is open: opening takes no time', () => {
    virtualTime(({ expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ lock: '-', list: '#', sync: ['--|', '-----|'] }) });
      expectObservable(wal.append('a')).toBe('--(a|)', { a: { lsn: 1, durable: true } });
    });
  });

  it('lays no zeros ahead, so every write is of a batch', async () => {
    const { wal, store } = memoryWal<string>();
    const before = store.operations.length;
    await wal.append('a');
    expect(store.operations.slice(before)).toEqual([
      { kind: 'write', file: 'wal_00000000.log', position: 32, bytes: 18 },
      { kind: 'sync', file: 'wal_00000000.log' },
    ]);
  });

  it('goes on with the files of another: a process that was killed, or a power cut', () => {
    virtualTime(({ flush }) => {
      const { wal, store } = memoryWal<string>({ plan: marblePlan({ sync: ['-|', '---------|'] }) });
      wal.next('durable');
      const lsns: number[][] = [];
      timer(2).subscribe(() => {
        wal.next('written');
      });
      timer(5).subscribe(() => {
        const killed = memoryWal<string>({ files: store.snapshot() }).wal;
        const powerCut = memoryWal<string>({ files: store.durableSnapshot() }).wal;
        lsns.push([killed.lastLsn, powerCut.lastLsn]);
      });
      flush();
      expect(lsns).toEqual([[2, 1]]);
    });
  });

  it('throws what opening fails with', () => {
    const { store } = memoryWal();
    const files = store.snapshot();
    files.set('wal_00000001.log', new TextEncoder().encode('these are no bytes of a segment'));
    files.set('wal_00000002.log', new TextEncoder().encode('nor are these of the one behind'));
    expect(() => memoryWal({ files })).toThrow(WalCorruptError);
    expect(() => memoryWal({ maxSegmentBytes: 1 })).toThrow(RangeError);
  });
});

describe('memoryStore', () => {
  it('lets the time that opening takes be seen', () => {
    virtualTime(({ expectObservable }) => {
      const store = memoryStore({ plan: marblePlan({ lock: '-|', list: '--|', create: '---|' }) });
      const opened$ = recoverWal(store).pipe(map(({ lastLsn }) => lastLsn));
      expectObservable(opened$).toBe('------(w|)', { w: 0 });
    });
  });

  it('has one writer, as a directory has', () => {
    virtualTime(({ expectObservable }) => {
      const store = memoryStore();
      recoverWal(store).subscribe();
      expectObservable(recoverWal(store)).toBe('#', undefined, new WalLockedError('memory', undefined));
    });
  });

  it('names itself in messages', async () => {
    const store = memoryStore({ dir: '/var/lib/app' });
    const names: string[][] = [];
    recoverWal(store)
      .pipe(concatMap((wal) => wal.logFiles()))
      .subscribe((files) => names.push(files));
    await Promise.resolve();
    await Promise.resolve();
    expect(names).toEqual([['/var/lib/app/wal_00000000.log']]);
  });

  it('keeps snapshots apart from what comes later', async () => {
    const { wal, store } = memoryWal<string>();
    const before = store.snapshot();
    await wal.append('a');
    expect(before.get('wal_00000000.log')).toHaveLength(32);
    expect(store.snapshot().get('wal_00000000.log')).toHaveLength(50);
  });
});

describe('marblePlan', () => {
  const timesOf = (timelines: Parameters<typeof marblePlan>[0], failure?: unknown) =>
    failure === undefined ? marblePlan(timelines) : marblePlan(timelines, failure);
  const run = (plan: ReturnType<typeof marblePlan>, kind: 'write' | 'sync') => plan({ kind, file: 'any' });

  it('leaves kinds that are not named without a plan: they take no time', () => {
    expect(run(timesOf({ sync: '-|' }), 'write')).toBeUndefined();
  });

  it('takes one timeline for all operations of a kind', () => {
    virtualTime(({ expectObservable }) => {
      const plan = timesOf({ sync: '---|' });
      for (let i = 0; i < 3; i += 1) expectObservable(run(plan, 'sync')!).toBe('---|');
    });
  });

  it('takes one for each operation of a kind, and the last for all that follow', () => {
    virtualTime(({ expectObservable }) => {
      const plan = timesOf({ sync: ['---|', '-#', '|'] });
      expectObservable(run(plan, 'sync')!).toBe('---|');
      expectObservable(run(plan, 'sync')!).toBe('-#', undefined, fault('EIO'));
      expectObservable(run(plan, 'sync')!).toBe('|');
      expectObservable(run(plan, 'sync')!).toBe('|');
    });
  });

  it('counts each kind for itself', () => {
    virtualTime(({ expectObservable }) => {
      const plan = timesOf({ sync: ['-|', '--|'], write: ['---|', '----|'] });
      expectObservable(run(plan, 'sync')!).toBe('-|');
      expectObservable(run(plan, 'write')!).toBe('---|');
      expectObservable(run(plan, 'sync')!).toBe('--|');
      expectObservable(run(plan, 'write')!).toBe('----|');
    });
  });

  it('reads time as marbles do: 20ms |', () => {
    virtualTime(({ expectObservable }) => {
      expectObservable(run(timesOf({ sync: '20ms |' }), 'sync')!).toBe('20ms |');
    });
  });

  it('never comes back from -', () => {
    virtualTime(({ expectObservable }) => {
      expectObservable(run(timesOf({ sync: '--' }), 'sync')!).toBe('--');
    });
  });

  it('fails with what it is told at a #', () => {
    virtualTime(({ expectObservable }) => {
      const plan = timesOf({ sync: '--#' }, fault('ENOSPC'));
      expectObservable(run(plan, 'sync')!).toBe('--#', undefined, fault('ENOSPC'));
    });
  });

  it('goes into a log as the cause of its stop', () => {
    virtualTime(({ expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ write: '-#' }, fault('EDQUOT')) });
      const codes$ = wal.append('a').pipe(
        map(() => 'acknowledged'),
        catchError((error: unknown) => of((error as { cause: { code: string } }).cause.code)),
      );
      expectObservable(codes$).toBe('-(x|)', { x: 'EDQUOT' });
      expectObservable(wal.state$.pipe(filter((state) => state !== 'open'))).toBe('-p', { p: 'poisoned' });
    });
  });
});

describe('fault', () => {
  it('is an error as the operating system reports it, and says that a test made it', () => {
    expect(fault('ENOSPC')).toBeInstanceOf(Error);
    expect(fault('ENOSPC')).toMatchObject({ code: 'ENOSPC', message: 'ENOSPC: a fault that the test injected' });
  });
});
