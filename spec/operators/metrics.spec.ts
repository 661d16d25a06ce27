import { EMPTY, NEVER, Subject, map, of, take, throwError, type Observable, type OperatorFunction } from 'rxjs';
import { WalPoisonedError } from '../../src/errors';
import type { MeteredLog, WalMetrics } from '../../src/metrics/walMetrics';
import { metrics } from '../../src/operators/metrics';
import { marblePlan } from '../../src/testing/marblePlan';
import { memoryWal } from '../../src/testing/memoryWal';
import { virtualTime } from '../../src/testing/virtualTime';
import type { Commit } from '../../src/types';
import { countingScheduler, expectPicture } from './helpers';

/** A log that does nothing: what is read of it stays as it is. */
const still: MeteredLog = {
  state$: of('open' as const),
  stats: { pendingRecords: 0, pendingBytes: 0, segments: 1, rotations: 0, checkpoints: 0, rejected: 0 },
  firstLsn: 1,
  lastLsn: 0,
  durableLsn: 0,
  recovery: {
    ...{ clean: true, firstLsn: 1, lastLsn: 0, records: 0, bytesCut: 0, segments: 1 },
    ...{ checkpoint: undefined, milliseconds: 0 },
  },
};

const done: Commit = {
  ...{ firstLsn: 1, lastLsn: 3, records: 3, bytes: 100, reason: 'commit', durable: true },
  ...{ writeMs: 2, syncMs: 0, barriers: [], segment: 0 },
};
const values = { c: done };

/** Samples every 4 frames; of each, how many commits it has counted. */
const counted: OperatorFunction<Commit, string> = (source) =>
  source.pipe(
    metrics(still, { intervalMs: 4 }),
    map(({ totals }) => String(totals.commits)),
  );

describe('metrics', () => {
  it('samples once an interval, and once more at the end', () => {
    expectPicture(counted, {
      source: '  -c--c---c-c-----|',
      values,
      subs: '    ^---------------!',
      expected: '----2---3---4---(4|)',
    });
  });

  it('samples once where there is no commit', () => {
    expectPicture(counted, { source: '|', subs: '(^!)', expected: '(0|)' });
  });

  it('goes on sampling where none comes', () => {
    expectPicture(counted, { source: '-', unsub: '---------!', subs: '^--------!', expected: '----0---0-' });
  });

  it('counts one commit', () => {
    expectPicture(counted, { source: '-c|', values, subs: '^-!', expected: '--(1|)' });
  });

  it('counts many in one frame', () => {
    expectPicture(counted, { source: '-(cccc)--|', values, subs: '^--------!', expected: '----4---4(4|)' });
  });

  it('samples before the error with which the commits end, and passes that on', () => {
    expectPicture(counted, { source: '-c---c#', values, subs: '^-----!', expected: '----1-(2#)' });
  });

  it('leaves the commits and its timer when nobody listens any more', () => {
    expectPicture(counted, {
      source: '  -c--c---c--',
      values,
      unsub: '   ------!',
      subs: '    ^-----!',
      expected: '----2--',
    });
  });

  it('counts for each subscription from its own start', () => {
    virtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('         -c--c---c---|', values);
      const early = '              ^-----!';
      const late = '               --^---------';
      expectObservable(source.pipe(counted), early).toBe('----2--');
      expectObservable(source.pipe(counted), late).toBe('------1---2-(2|)');
      expectSubscriptions(source.subscriptions).toBe(['^-----!', '--^---------!']);
    });
  });

  it('samples the end of a source that ends at once, and asks for no timer', () => {
    const scheduler = countingScheduler();
    for (const [source, expected] of [
      [EMPTY, ['sample 0', 'complete']],
      [of(done, done), ['sample 2', 'complete']],
      [throwError(() => new Error('no')), ['sample 0', 'error Error: no']],
    ] as const) {
      const heard: string[] = [];
      (source as Observable<Commit>).pipe(metrics(still, { scheduler })).subscribe({
        next: ({ totals }) => heard.push(`sample ${totals.commits}`),
        error: (error: unknown) => heard.push(`error ${String(error)}`),
        complete: () => heard.push('complete'),
      });
      expect(heard).toEqual(expected);
    }
    expect(scheduler.scheduled).toBe(0);
  });

  it('has one timer while it is subscribed, and none before and after', () => {
    virtualTime(({ flush }) => {
      const scheduler = countingScheduler();
      const samples$ = NEVER.pipe(metrics(still, { scheduler, intervalMs: 5 }));
      expect(scheduler.scheduled).toBe(0);
      const subscription = samples$.subscribe();
      expect(scheduler.pending).toBe(1);
      subscription.unsubscribe();
      expect(scheduler.pending).toBe(0);
      flush();
      expect(scheduler.scheduled).toBe(1);
    });
  });

  it('counts a commit that comes while a sample is handed out in the next one', () => {
    virtualTime(({ flush }) => {
      const commits$ = new Subject<Commit>();
      const heard: number[] = [];
      const subscription = commits$.pipe(metrics(still, { intervalMs: 4 }), take(3)).subscribe(({ totals }) => {
        heard.push(totals.commits);
        commits$.next(done);
      });
      flush();
      expect(heard).toEqual([0, 1, 2]);
      expect(subscription.closed).toBe(true);
      expect(commits$.observed).toBe(false);
    });
  });

  it('ends behind the sample within which the commits end', () => {
    virtualTime(({ flush }) => {
      const commits$ = new Subject<Commit>();
      const heard: string[] = [];
      commits$.pipe(metrics(still, { intervalMs: 4 })).subscribe({
        next: ({ atMs }) => {
          heard.push(`sample at ${atMs}`);
          commits$.complete();
        },
        complete: () => heard.push('complete'),
      });
      flush();
      expect(heard).toEqual(['sample at 4', 'sample at 4', 'complete']);
    });
  });

  it('takes its time from the scheduler that it is given', () => {
    virtualTime(({ cold, expectObservable }) => {
      const tenTimes = countingScheduler((now) => now * 10);
      const sampled$ = cold('-----|').pipe(
        map(() => done),
        metrics(still, { intervalMs: 2, scheduler: tenTimes }),
        map(({ atMs, intervalMs }) => ({ atMs, intervalMs })),
      );
      expectObservable(sampled$).toBe('--a-b(c|)', {
        a: { atMs: 20, intervalMs: 20 },
        b: { atMs: 40, intervalMs: 20 },
        c: { atMs: 50, intervalMs: 10 },
      });
    });
  });

  it.each([
    [{ intervalMs: 0 }, 'intervalMs must be an integer from 1 to 2147483647, not 0'],
    [{ intervalMs: 1.5 }, 'intervalMs must be an integer from 1 to 2147483647, not 1.5'],
    [{ intervalMs: '1' }, "intervalMs must be a number, not '1'"],
    [{ scheduler: {} }, 'scheduler must be a scheduler, not object'],
    [{ interval: 1 }, 'interval is no option; there are intervalMs, scheduler'],
  ])('refuses %j', (options, message) => {
    expect(() => metrics(still, options as never)).toThrow(message);
  });
});

describe('what a sample holds', () => {
  /** All samples of one commit, and of nothing more. */
  function sampleOf(...commits: readonly Partial<Commit>[]): WalMetrics {
    const samples: WalMetrics[] = [];
    of(...commits.map((each) => ({ ...done, ...each })))
      .pipe(metrics(still))
      .subscribe((sample) => samples.push(sample));
    expect(samples).toHaveLength(1);
    return samples[0]!;
  }

  it('how long commits took: a write that is durable by itself counts no fsync', () => {
    const { commitMs, writeMs, syncMs } = sampleOf({ writeMs: 4, syncMs: 0 });
    expect([commitMs, writeMs, syncMs].map(({ count, sum }) => [count, sum])).toEqual([
      [1, 4],
      [1, 4],
      [0, 0],
    ]);
  });

  it('a write and its fsync apart, and together as the time of the commit', () => {
    const { commitMs, writeMs, syncMs } = sampleOf({ writeMs: 1, syncMs: 5 });
    expect([commitMs, writeMs, syncMs].map(({ count, sum }) => [count, sum])).toEqual([
      [1, 6],
      [1, 1],
      [1, 5],
    ]);
  });

  it('the fsync of a rotation, which writes nothing and is no batch', () => {
    const { commitMs, writeMs, syncMs, batchRecords, batchBytes } = sampleOf({
      ...{ records: 0, bytes: 0, writeMs: 0, syncMs: 7, reason: 'close' },
    });
    expect([commitMs, writeMs, syncMs, batchRecords, batchBytes].map(({ count, sum }) => [count, sum])).toEqual([
      [1, 7],
      [0, 0],
      [1, 7],
      [0, 0],
      [0, 0],
    ]);
  });

  it('sizes of batches', () => {
    const { batchRecords, batchBytes, totals } = sampleOf(
      { records: 1, bytes: 40 },
      { records: 64, bytes: 12_000 },
      { records: 65, bytes: 12_001 },
    );
    expect([batchRecords.count, batchRecords.sum, batchRecords.max]).toEqual([3, 130, 65]);
    expect(batchRecords.counts[batchRecords.bounds.indexOf(64)]).toBe(1);
    expect(batchRecords.counts[batchRecords.bounds.indexOf(128)]).toBe(1);
    expect([batchBytes.count, batchBytes.sum]).toEqual([3, 24_041]);
    expect(totals).toMatchObject({ commits: 3, writtenBytes: 24_041 });
  });
});

describe('metrics of a log', () => {
  const frame = 16 + 2; // a frame around the CBOR of one letter

  /** Samples every 10 ms of what happens to a log whose write takes 1 ms and whose fsync takes 2. */
  function sampled(
    drive: (log: ReturnType<typeof memoryWal<string>>, at: (ms: number, what: () => void) => void) => void,
    options: Parameters<typeof memoryWal<string>>[0] = {},
  ): { readonly samples: readonly WalMetrics[]; readonly error: unknown } {
    const samples: WalMetrics[] = [];
    let error: unknown;
    virtualTime(({ cold, flush }) => {
      const log = memoryWal<string>({ plan: marblePlan({ write: '-|', sync: '--|' }), ...options });
      log.wal.commits$.pipe(metrics(log.wal, { intervalMs: 10 }), take(20)).subscribe({
        next: (sample) => samples.push(sample),
        error: (thrown: unknown) => {
          error = thrown;
        },
      });
      drive(log, (ms, what) => cold(`${ms}ms (x|)`).subscribe(what));
      flush();
    });
    return { samples, error };
  }
  const shut = (wal: { complete(): void }) => () => {
    wal.complete();
  };

  it('tells rates, totals and the queue', () => {
    const { samples } = sampled(({ wal }, at) => {
      at(0, () => {
        wal.next('a');
        wal.next('b');
      });
      // Its commit is on the way at the sample.
      at(8, () => {
        wal.next('c');
      });
      at(12, shut(wal));
    });
    expect(samples.map(({ atMs, intervalMs, state }) => ({ atMs, intervalMs, state }))).toEqual([
      { atMs: 10, intervalMs: 10, state: 'open' },
      { atMs: 15, intervalMs: 5, state: 'closed' },
    ]);
    const [busy, end] = samples as [WalMetrics, WalMetrics];
    expect(busy.totals).toEqual({
      ...{ appendedRecords: 3, ackedRecords: 2, writtenBytes: 2 * frame, commits: 1 },
      ...{ rotations: 0, checkpoints: 0, rejected: 0 },
    });
    expect(busy.perSecond).toEqual({ appended: 300, acked: 200, bytes: (2 * frame * 1000) / 10, commits: 100 });
    expect(busy).toMatchObject({ queueRecords: 1, queueBytes: frame, lastLsn: 3, durableLsn: 2, durableLag: 1 });
    expect(end.totals).toMatchObject({ appendedRecords: 3, ackedRecords: 3, commits: 2 });
    expect(end).toMatchObject({ queueRecords: 0, queueBytes: 0, lastLsn: 3, durableLsn: 3, durableLag: 0 });
    expect(end.perSecond).toEqual({ appended: 0, acked: 200, bytes: ((frame + 16) * 1000) / 5, commits: 200 });
    expect([end.writeMs.sum, end.syncMs.sum, end.commitMs.sum]).toEqual([2, 4, 6]);
  });

  it('counts rotations, checkpoints and refusals since its own start', () => {
    const { samples } = sampled(({ wal }, at) => {
      wal.rejected$.subscribe();
      at(1, () => {
        wal.next('a');
        void wal.rotate();
        wal.next((() => undefined) as never);
        void wal.append(Symbol('no') as never);
      });
      at(21, () => {
        wal.next('b');
        void wal.rotate();
        void wal.checkpoint({ lsn: 1 });
      });
      at(41, shut(wal));
    });
    const told = samples.map(({ totals, segments, firstLsn }) => ({
      ...{ rotations: totals.rotations, checkpoints: totals.checkpoints, rejected: totals.rejected },
      ...{ segments, firstLsn },
    }));
    expect(told[1]).toEqual({ rotations: 1, checkpoints: 0, rejected: 2, segments: 2, firstLsn: 1 });
    expect(told.at(-1)).toEqual({ rotations: 2, checkpoints: 1, rejected: 2, segments: 2, firstLsn: 2 });
  });

  it('shows in mode nosync what is acknowledged and not durable', () => {
    const { samples } = sampled(
      ({ wal }, at) => {
        at(1, () => {
          wal.next('a');
        });
        at(11, () => void wal.sync());
        at(21, shut(wal));
      },
      { durability: { mode: 'nosync' } },
    );
    expect(samples[0]).toMatchObject({ queueRecords: 0, durableLag: 1, totals: { ackedRecords: 1 } });
    expect([samples[0]!.commitMs.sum, samples[0]!.syncMs.count]).toEqual([1, 0]);
    expect(samples[1]).toMatchObject({ queueRecords: 0, durableLag: 0, totals: { ackedRecords: 1, commits: 2 } });
    expect([samples[1]!.commitMs.sum, samples[1]!.syncMs.sum]).toEqual([3, 2]);
  });

  it('says that a log has stopped: its last sample, and its error', () => {
    const { samples, error } = sampled(
      ({ wal }, at) => {
        at(1, () => {
          wal.next('a');
        });
      },
      { plan: marblePlan({ write: '-|', sync: '--#' }) },
    );
    expect(samples).toHaveLength(1);
    expect(samples[0]).toMatchObject({ atMs: 4, state: 'poisoned', queueRecords: 1, durableLag: 1 });
    expect(error).toBeInstanceOf(WalPoisonedError);
  });

  it('begins with a log that holds records already, and tells what opening it found', () => {
    const { samples } = sampled(({ wal, store }, at) => {
      at(1, () => {
        wal.next('a');
        wal.next('b');
      });
      at(15, () => {
        // The same files, as a crash would leave them now.
        const { wal: next } = memoryWal<string>({ files: store.snapshot() });
        next.commits$.pipe(metrics(next), take(1)).subscribe(({ totals, lastLsn, recovery }) => {
          expect(totals).toMatchObject({ appendedRecords: 0, ackedRecords: 0, commits: 0 });
          expect({ lastLsn, records: recovery.records, clean: recovery.clean }).toEqual({
            ...{ lastLsn: 2, records: 2, clean: false },
          });
        });
        next.complete();
      });
      at(20, shut(wal));
    });
    expect(samples.at(-1)).toMatchObject({ lastLsn: 2, state: 'closed' });
    expect.assertions(3);
  });
});
