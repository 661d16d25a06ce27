/* eslint-disable rxjs-x/no-nested-subscribe -- logs that are opened and looked at while virtual time runs */
import {
  asyncScheduler,
  distinctUntilChanged,
  map,
  mergeMap,
  throwError,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { RunHelpers } from 'rxjs/testing';
import { WalIoError, recoverWal, type SegmentStore, type Wal, type WalOptions } from 'rxwal';
import { fault, marblePlan, memoryStore, memoryWal, virtualTime, type StoreOperation } from 'rxwal/testing';
import { RAW, open, openFiles, segmentFile } from '../support/logs';

type Log = Wal<Uint8Array>;

const logWith = (
  retention: WalOptions<Uint8Array>['retention'],
  more: Parameters<typeof memoryWal<Uint8Array>>[0] = {},
): ReturnType<typeof memoryWal<Uint8Array>> => memoryWal<Uint8Array>({ ...RAW, ...more, retention });

/** Marbles as calls: a letter appends a record of 500 bytes, `R` also ends its segment, a digit says that a reader has come so far, `X` releases it. */
function drive(wal: Log, { hot }: RunHelpers, marbles: string): void {
  hot(marbles).subscribe((marble) => {
    if (marble === 'X') void wal.release('mail');
    else if (marble === 'C') void wal.checkpoint();
    else if (/\d/.test(marble)) void wal.hold('mail', Number(marble));
    else {
      wal.next(new Uint8Array(500));
      if (marble === 'R') void wal.rotate();
    }
  });
}

/** A store as its methods, which lose their object in a spread. */
function bare(store: SegmentStore): SegmentStore {
  return {
    dir: store.dir,
    lock: () => store.lock(),
    list: () => store.list(),
    open: (name, access) => store.open(name, access),
    rename: (from, to) => store.rename(from, to),
    remove: (name) => store.remove(name),
    syncDir: () => store.syncDir(),
  };
}

/** The LSN of the oldest record there, when it changes. */
const firstLsn$ = (wal: Log): Observable<string> =>
  wal.retention$.pipe(
    map(({ firstLsn }) => String(firstLsn)),
    distinctUntilChanged(),
  );

describe('retention.maxAgeMs', () => {
  it('a segment goes when its last record is that old, also the one that is being written', () => {
    virtualTime((run) => {
      const { expectObservable } = run;
      const { wal } = logWith({ maxAgeMs: 10 });
      const calls = '    -a--R----b';
      const expected = ' 1-------------3----4';
      drive(wal, run, calls);
      expectObservable(firstLsn$(wal)).toBe(expected);
    });
  });

  it('a record that comes in time keeps its segment', () => {
    virtualTime((run) => {
      const { expectObservable } = run;
      const { wal } = logWith({ maxAgeMs: 10 });
      const calls = '    -a-----b-----c';
      const expected = ' 1----------------------4';
      drive(wal, run, calls);
      expectObservable(firstLsn$(wal)).toBe(expected);
    });
  });

  it('a reader keeps what it has not taken; what it lets go goes at once', () => {
    virtualTime((run) => {
      const { expectObservable } = run;
      const { wal } = logWith({ maxAgeMs: 5 });
      const calls = '    0R-R-----------1--2----X';
      const expected = ' 1--------------2--3';
      drive(wal, run, calls);
      expectObservable(firstLsn$(wal)).toBe(expected);
    });
  });

  it('but not where evenIfRead is set: the reader is told what it has lost', () => {
    virtualTime((run) => {
      const { expectObservable } = run;
      const { wal } = logWith({ maxAgeMs: 5, evenIfRead: true });
      drive(wal, run, '0R-R');
      const lost$ = wal.retention$.pipe(
        map(({ readers: [mail] }) => String(mail?.lost)),
        distinctUntilChanged(),
      );
      expectObservable(lost$).toBe('(u0)--1-2', { u: 'undefined', 0: '0', 1: '1', 2: '2' });
    });
  });

  it('an old log is looked at when it is opened: its files say how old they are', () => {
    const told: string[] = [];
    virtualTime((run) => {
      const { wal, store } = logWith(undefined);
      drive(wal, run, '-R-R-a-');
      timer(7).subscribe(() => void wal.close());
      timer(8).subscribe(() => {
        const opened = open(store, { retention: { maxAgeMs: 4 } });
        if ('wal' in opened) firstLsn$(opened.wal).subscribe((lsn) => told.push(`${asyncScheduler.now()}: ${lsn}`));
      });
    });
    // Written at 1, 3, and with the mark of the close at 7.
    expect(told).toEqual(['8: 1', '8: 3', '11: 4']);
  });

  it('counts from the opening where the store cannot say', () => {
    const told: string[] = [];
    virtualTime((run) => {
      const { wal, store } = logWith(undefined);
      drive(wal, run, '-R-R-a-');
      timer(7).subscribe(() => void wal.close());
      timer(8).subscribe(() => {
        recoverWal<Uint8Array>(bare(store), { ...RAW, retention: { maxAgeMs: 4 } })
          .pipe(mergeMap(firstLsn$))
          .subscribe((lsn) => told.push(`${asyncScheduler.now()}: ${lsn}`));
      });
    });
    expect(told).toEqual(['8: 1', '12: 4']);
  });

  it('looks at a year as well', () => {
    virtualTime((run) => {
      const { expectObservable } = run;
      const year = 365 * 24 * 60 * 60 * 1000;
      const { wal } = logWith({ maxAgeMs: year });
      drive(wal, run, 'a');
      expectObservable(firstLsn$(wal)).toBe(`1 ${year - 1}ms 2`);
    });
  });

  it('asks for no timer where it is not set, nor for the time of a file', () => {
    virtualTime((run) => {
      const { expectObservable } = run;
      const { wal, store } = logWith({ maxBytes: 100_000 });
      drive(wal, run, 'a-R-a');
      expectObservable(timer(100)).toBe('100ms (0|)', [0]);
      run.flush();
      expect(store.operations.map(({ kind }) => kind)).not.toContain('modifiedAt');
    });
  });
});

describe('retention.maxBytes', () => {
  // Each segment takes 564 bytes: its header, a mark, a record of 500 in its frame. A checkpoint of the cap takes some 60 more.
  it('the oldest segments go when all together are larger', () => {
    virtualTime((run) => {
      const { expectObservable } = run;
      const { wal } = logWith({ maxBytes: 2000 });
      const calls = '    R-R-R-R-R';
      const expected = ' 1-----2-3';
      drive(wal, run, calls);
      expectObservable(firstLsn$(wal)).toBe(expected);
    });
  });

  it('a reader that is behind keeps them', () => {
    virtualTime((run) => {
      const { expectObservable } = run;
      const { wal } = logWith({ maxBytes: 1500 });
      const calls = '    0-R-R-R-R-1---X';
      const expected = ' 1---------2---3';
      drive(wal, run, calls);
      expectObservable(firstLsn$(wal)).toBe(expected);
    });
  });

  it('the segment that is being written stays, whatever it takes', () => {
    virtualTime((run) => {
      const { expectObservable } = run;
      const { wal } = logWith({ maxBytes: 1 });
      drive(wal, run, 'a-a-a');
      expectObservable(firstLsn$(wal)).toBe('1');
    });
  });

  it('its checkpoints leave the epoch and the transaction of the application', async () => {
    const { wal } = logWith({ maxBytes: 1000 });
    await wal.append(new Uint8Array(500));
    await wal.checkpoint({ lsn: 0, epoch: 7, transactionId: 70 });
    for (let segment = 0; segment < 3; segment += 1) {
      await wal.append(new Uint8Array(500));
      await wal.rotate();
    }
    await new Promise(setImmediate);
    expect(wal.lastCheckpoint).toMatchObject({ epoch: 7, transactionId: 70 });
    expect(wal.lastCheckpoint?.lsn).toBeGreaterThan(0);
    await expect(wal.checkpoint()).resolves.toMatchObject({ lsn: 4, epoch: 8 });
  });

  it('is looked at when a log is opened', () => {
    const told: string[] = [];
    virtualTime((run) => {
      const { wal, store } = logWith(undefined);
      drive(wal, run, 'R-R-R-R-a');
      timer(10).subscribe(() => {
        const { wal: again } = openFiles(store.snapshot(), { retention: { maxBytes: 2000 } });
        firstLsn$(again).subscribe((lsn) => told.push(lsn));
      });
    });
    expect(told).toEqual(['1', '3']);
  });

  it('tells that a cap keeps the log, and why one could not', () => {
    virtualTime((run) => {
      const { expectObservable } = run;
      const plan = marblePlan({ remove: ['#', '|'] }, fault('EIO'));
      const { wal } = logWith({ maxBytes: 1500 }, { plan });
      drive(wal, run, 'R-R-R-----R');
      const why$ = wal.retention$.pipe(
        map(({ keptBy, problem }) => (problem ? problem.constructor : keptBy.kind)),
        distinctUntilChanged(),
      );
      expectObservable(why$).toBe('n---p-----c', { n: 'nothing asked', p: WalIoError, c: 'cap' });
    });
  });

  it('removes nothing where a size cannot be read, and says so', () => {
    const told: unknown[] = [];
    virtualTime((run) => {
      const { wal, store } = logWith(undefined);
      drive(wal, run, 'R-R-R-R-a');
      timer(10).subscribe(() => {
        // Of a segment that the recovery does not read.
        const plan = ({ kind, file }: StoreOperation): Observable<never> | undefined =>
          kind === 'size' && file === segmentFile(1) ? throwError(() => fault('EIO')) : undefined;
        const blind = memoryStore({ files: store.snapshot(), plan });
        const opened = open(blind, { retention: { maxBytes: 300 } });
        if ('wal' in opened) {
          opened.wal.retention$.subscribe(({ firstLsn, problem }) => told.push([firstLsn, problem?.code]));
        }
      });
    });
    expect(told.at(-1)).toEqual([1, 'WAL_IO']);
  });
});

describe('a reader that is stuck', () => {
  const stuck$ = (wal: Log): Observable<string> =>
    wal.retention$.pipe(
      map(({ readers: [mail] }) => (mail ? (mail.stuck ? 's' : 'o') : 'n')),
      distinctUntilChanged(),
    );

  it('has had a record to take for so long, and has not moved since', () => {
    virtualTime((run) => {
      const { expectObservable } = run;
      const { wal } = logWith({ stuckAfterMs: 3 });
      const calls = '    0a-------1---a----2-a-3';
      const expected = ' (no)s----o------s-o';
      drive(wal, run, calls);
      expectObservable(stuck$(wal)).toBe(expected.trim());
    });
  });

  it('as the docblock of retention$ draws it', () => {
    virtualTime((run) => {
      const { expectObservable } = run;
      const { wal } = logWith({ stuckAfterMs: 3 });
      void wal.hold('mail', 0);
      const calls = '    -a---';
      const expected = ' xy--z';
      drive(wal, run, calls);
      const shown$ = wal.retention$.pipe(map(({ readers: [mail] }) => [mail?.lag, mail?.stuck]));
      expectObservable(shown$).toBe(expected.trim(), { x: [0, false], y: [1, false], z: [1, true] });
    });
  });

  it('one that moves is not, however far behind', () => {
    virtualTime((run) => {
      const { expectObservable } = run;
      const { wal } = logWith({ stuckAfterMs: 12 });
      const calls = '   0(abcdefgh)1-2-3-4-5-6----';
      drive(wal, run, calls);
      expectObservable(stuck$(wal), '^----------------------!').toBe('(no)---');
    });
  });

  it('waits with a timer only while somebody looks', () => {
    const scheduled: number[] = [];
    virtualTime((run) => {
      const scheduler: SchedulerLike = {
        now: () => asyncScheduler.now(),
        schedule: (...[work, delay, state]: Parameters<SchedulerLike['schedule']>) => {
          if (delay !== undefined && delay > 0) scheduled.push(delay);
          return asyncScheduler.schedule(work, delay, state);
        },
      };
      const { wal } = logWith({ stuckAfterMs: 30 }, { scheduler });
      drive(wal, run, '0a-b-c');
      timer(10).subscribe(() => {
        expect(scheduled).toEqual([]);
        wal.retention$.subscribe();
        // A record has waited since frame 1.
        expect(scheduled).toEqual([21]);
      });
    });
    expect(scheduled).toEqual([21]);
  });
});
