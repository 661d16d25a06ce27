import { NEVER, asyncScheduler, config, map, of, type Observable } from 'rxjs';
import { WalPoisonedError } from 'rxwal';
import { fault, marblePlan, memoryStore, memoryWal, virtualTime } from 'rxwal/testing';
import { processReports } from '../../src/serve/processReports';
import type { Report } from '../../src/serve/report';
import type { SegmentStore } from '../../src/store/segmentStore';
import type { Wal } from '../../src/wal';

/** As if nobody looked. */
const UNSEEN = { entries: 2, scheduler: asyncScheduler, watched$: NEVER as Observable<boolean> };

const of$ = (wal: Wal<unknown>, store: SegmentStore, options: object = {}): Observable<Report> =>
  processReports(wal, { ...UNSEEN, intervalMs: 4, store, ...options });

describe('processReports', () => {
  it('one an interval, and one when the log ends', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal, store } = memoryWal<unknown>({ plan: marblePlan({ sync: '-|' }) });
      hot(' -ab---c----d|').subscribe(wal);
      const told = of$(wal, store).pipe(
        map(({ state, lastLsn, durableLsn, point: { records, commits } }) => [
          state.word,
          lastLsn,
          durableLsn,
          records,
          commits,
        ]),
      );
      expectObservable(told).toBe('----1---2---3(4|)', {
        1: ['open', 2, 2, 500, 500],
        2: ['open', 3, 3, 250, 250],
        3: ['closing', 4, 3, 0, 0],
        4: ['closed', 4, 4, 1000, 1000],
      });
    });
  });

  it('says in its last report that the log has stopped, and takes no failure for told that nobody else hears of', () => {
    const unhandled: unknown[] = [];
    config.onUnhandledError = (error: unknown) => unhandled.push(error);
    try {
      virtualTime(({ hot, expectObservable }) => {
        const { wal, store } = memoryWal<unknown>({ plan: marblePlan({ sync: '--#' }, fault('EIO')) });
        hot('-a').subscribe((value) => wal.next(value));
        expectObservable(of$(wal, store).pipe(map(({ state }) => state.word))).toBe('---(p|)', { p: 'poisoned' });
      });
    } finally {
      config.onUnhandledError = null;
    }
    expect(unhandled).toEqual([expect.any(WalPoisonedError)]);
  });

  it('of a closed log: its state, at once', () => {
    virtualTime(({ expectObservable, flush }) => {
      const { wal, store } = memoryWal<unknown>();
      wal.complete();
      flush();
      expectObservable(of$(wal, store).pipe(map(({ state }) => state.word))).toBe('(c|)', { c: 'closed' });
    });
  });

  it('measures each interval by itself', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal, store } = memoryWal<unknown>({ plan: marblePlan({ sync: ['-|', '---|'] }) });
      hot('-a---b').subscribe(wal);
      const told = of$(wal, store).pipe(
        map(({ point }) => [
          point.commitMs,
          Math.round(point.commitP99Ms ?? -1),
          point.batchRecords,
          point.queueRecords,
        ]),
      );
      expectObservable(told, '^------------!').toBe('----1---2---3', {
        1: [1, 1, 1, 0],
        2: [null, -1, null, 1],
        3: [3, 3, 1, 0],
      });
    });
  });

  it('looks at files and entries while it is watched, and only then', () => {
    virtualTime(({ hot, cold, expectObservable, flush }) => {
      const { wal, store } = memoryWal<unknown>({ maxSegmentBytes: 64 });
      // Each fills a segment.
      hot('a-b-c').subscribe(wal);
      const watched$ = cold('-----y----n', { y: true, n: false });
      const told = of$(wal, store, { watched$ }).pipe(
        map(({ files, entries }) => [files?.segments.map(({ firstLsn }) => firstLsn), entries.map(({ text }) => text)]),
      );
      expectObservable(told, '^----------------!').toBe('----1---2---2---2', {
        1: [undefined, []],
        2: [
          [1, 2, 3, 4],
          ['"c"', '"b"'],
        ],
      });
      const looks: number[] = [];
      for (let at = 0; at < 17; at += 1) {
        asyncScheduler.schedule(
          () => looks.push(store.operations.filter(({ kind }) => kind === 'list').length),
          at + 0.5,
        );
      }
      flush();
      // At 5, twice because it is the first, and at 9; opening the log had looked once.
      expect(looks).toEqual([1, 1, 1, 1, 1, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4]);
    });
  });

  it('shows segments by their number alone where the directory is none of its own', () => {
    virtualTime(({ expectObservable }) => {
      const { wal } = memoryWal<unknown>();
      wal.next('a');
      const elsewhere = memoryStore();
      const told = of$(wal, elsewhere, { watched$: of(true) }).pipe(map(({ files }) => files));
      expectObservable(told, '^---!').toBe('----', {});
      expectObservable(told, '^----!').toBe('----f', {
        f: { segments: [], olderSegments: 1, checkpoint: undefined, firstLsn: 1 },
      });
    });
  });

  it('tells who holds the log', () => {
    virtualTime(({ expectObservable }) => {
      const { wal, store } = memoryWal<unknown>();
      for (const value of ['a', 'b', 'c']) wal.next(value);
      void wal.hold('mailer', 0);
      const told = of$(wal, store).pipe(map(({ held }) => held?.readers.map(({ name, lsn }) => `${name} ${lsn}`)));
      expectObservable(told, '^----!').toBe('----h', { h: ['mailer 0'] });
    });
  });
});
