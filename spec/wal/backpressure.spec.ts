import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { catchError, config, from, lastValueFrom, map, mergeMap, of, take, toArray, type Observable } from 'rxjs';
import {
  WalBackpressureError,
  WalClosedError,
  WalError,
  WalPoisonedError,
  type Ack,
  type Durability,
  type Wal,
} from 'rxwal';
import { fault, marblePlan, memoryWal, virtualTime, type StoreOperation } from 'rxwal/testing';

/** A store whose fsync takes 3 frames of time. */
const timed = () => marblePlan({ sync: '---|' });

/** A store whose fsync takes a turn of the event loop: streams and async iterables do not run in virtual time. */
const turns = ({ kind }: StoreOperation) => (kind === 'sync' ? from(turn()) : undefined);

/** What becomes of one append: its LSN, or the code of its error. */
const outcomeOf = (wal: Wal<string>, value: string): Observable<number | string> =>
  wal.append(value).pipe(
    map(({ lsn }) => lsn),
    catchError((error: unknown) => of(error instanceof WalError ? error.code : 'other')),
  );

/** The outcomes of several, each in its place. */
const outcomesOf = (wal: Wal<string>, values: readonly string[]): (number | string)[] => {
  const outcomes: (number | string)[] = [];
  for (const [index, value] of values.entries()) {
    outcomeOf(wal, value).subscribe((outcome) => (outcomes[index] = outcome));
  }
  return outcomes;
};

describe('maxPendingRecords', () => {
  it('refuses what would be one record too many', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: timed(), maxPendingRecords: 2 });
      const outcomes = outcomesOf(wal, ['a', 'b', 'c', 'd']);
      flush();
      expect(outcomes).toEqual([1, 2, 'WAL_BACKPRESSURE', 'WAL_BACKPRESSURE']);
      expect(wal.lastLsn).toBe(2);
    });
  });

  it('says which limit, its value, and what was waiting', () => {
    virtualTime(() => {
      const { wal } = memoryWal<string>({ plan: timed(), maxPendingRecords: 2 });
      const errors: unknown[] = [];
      for (const value of ['a', 'b', 'c']) {
        wal.append(value).subscribe({ error: (error: unknown) => errors.push(error) });
      }
      expect(errors).toEqual([
        expect.objectContaining({ code: 'WAL_BACKPRESSURE', limitName: 'maxPendingRecords', limit: 2, pending: 2 }),
      ]);
    });
  });

  it('has room again when acks have come', () => {
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed(), maxPendingRecords: 1 });
      wal.rejected$.subscribe();
      cold('                              ab--c---d').subscribe(wal);
      expectObservable(wal.durable$).toBe('0--1---2---3', [0, 1, 2, 3]);
    });
  });

  it('has room already for one who appends from the ack', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: timed(), maxPendingRecords: 1 });
      let outcomes: (number | string)[] = [];
      wal.append('a').subscribe(() => (outcomes = outcomesOf(wal, ['b'])));
      flush();
      expect(outcomes).toEqual([2]);
    });
  });
});

describe('maxPendingBytes', () => {
  // A frame takes 16 bytes, a string of up to 23 letters one byte and its letters.
  const letters = (bytes: number) => 'x'.repeat(bytes - 17);

  it('refuses what would be a byte too many, and takes what is not', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: timed(), maxPendingBytes: 60 });
      const outcomes = outcomesOf(wal, [letters(30), letters(31), letters(30), letters(20)]);
      flush();
      expect(outcomes).toEqual([1, 'WAL_BACKPRESSURE', 2, 'WAL_BACKPRESSURE']);
    });
  });

  it('says which limit, its value, and what was waiting', () => {
    virtualTime(() => {
      const { wal } = memoryWal<string>({ plan: timed(), maxPendingBytes: 60 });
      const errors: unknown[] = [];
      for (const value of [letters(30), letters(31)]) {
        wal.append(value).subscribe({ error: (error: unknown) => errors.push(error) });
      }
      expect(errors).toEqual([
        expect.objectContaining({ code: 'WAL_BACKPRESSURE', limitName: 'maxPendingBytes', limit: 60, pending: 30 }),
      ]);
    });
  });

  it('takes one record larger than itself where nothing waits, and no second one', () => {
    virtualTime(({ cold, flush }) => {
      const { wal } = memoryWal<string>({ plan: timed(), maxPendingBytes: 20 });
      const outcomes: unknown[] = [];
      cold('(ab)c')
        .pipe(mergeMap((value) => outcomeOf(wal, value.repeat(1000))))
        .subscribe((outcome) => outcomes.push(outcome));
      flush();
      // b comes with a, c when a is durable.
      expect(outcomes).toEqual(['WAL_BACKPRESSURE', 1, 2]);
    });
  });

  it('counts what is on its way to the disk until it is acknowledged, and what gathers behind it', () => {
    virtualTime(({ cold, flush }) => {
      const { wal } = memoryWal<string>({ plan: timed(), maxPendingBytes: 60 });
      const taken: number[] = [];
      wal.rejected$.subscribe();
      // One every frame, 30 bytes each: two wait at any time, and an fsync returns every third frame.
      cold('aaaaaaaaaaaa').subscribe(() => {
        wal.next(letters(30));
        taken.push(wal.lastLsn);
      });
      flush();
      expect(taken).toEqual([1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5]);
    });
  });
});

describe('a transaction larger than the limits', () => {
  const isCommit = (value: string): boolean => value === 'commit';
  const values = ['a', 'b', 'c', 'd', 'e', 'commit'];

  it('leaves in parts, so that its commit record finds room: a log never stands still', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: timed(), isCommit, maxPendingRecords: 2 });
      // One at a time, each again until it is taken: as the message says.
      const taken: number[] = [];
      const append = (value: string): Observable<number> =>
        wal.append(value).pipe(
          map(({ lsn }) => lsn),
          catchError(() =>
            wal.commits$.pipe(
              take(1),
              mergeMap(() => append(value)),
            ),
          ),
        );
      from(values)
        .pipe(mergeMap(append, 3))
        .subscribe((lsn) => taken.push(lsn));
      flush();
      expect(taken).toEqual([1, 2, 3, 4, 5, 6]);
    });
  });

  it('is refused nothing on a store that takes no time', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ isCommit, maxPendingRecords: 2 });
      const outcomes = outcomesOf(wal, values);
      flush();
      expect(outcomes).toEqual([1, 2, 3, 4, 5, 6]);
    });
  });
});

describe('a full log', () => {
  it('drops nothing silently: each value has an ack, or is in rejected$', () => {
    virtualTime(({ cold, flush }) => {
      const { wal } = memoryWal<string>({ plan: timed(), maxPendingRecords: 2 });
      let acks = 0;
      let refusals = 0;
      wal.acks$.subscribe(() => (acks += 1));
      wal.rejected$.subscribe(() => (refusals += 1));
      const values = 'abcdefghij'.repeat(5);
      cold(values).subscribe(wal);
      flush();
      expect(refusals).toBeGreaterThan(0);
      expect(acks + refusals).toBe(values.length);
    });
  });

  it('is an unhandled error for next where nobody listens to rejected$', () => {
    virtualTime(({ flush }) => {
      const unhandled: unknown[] = [];
      config.onUnhandledError = (error: unknown) => unhandled.push(error);
      const { wal } = memoryWal<string>({ plan: timed(), maxPendingRecords: 1 });
      wal.next('a');
      wal.next('b');
      flush();
      config.onUnhandledError = null;
      expect(unhandled).toEqual([expect.any(WalBackpressureError)]);
    });
  });

  it('still takes barriers and the close', async () => {
    await virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: timed(), maxPendingRecords: 1, isCommit: () => false });
      wal.next('a');
      const answers = Promise.all([wal.checkpoint(), wal.rotate(), wal.sync(), wal.close()]);
      flush();
      return expect(answers).resolves.toMatchObject([{ lsn: 1 }, undefined, 1, undefined]);
    });
  });

  it('is forgotten once everything is durable: a later record waits for its commit again', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: timed(), isCommit: (value) => value === 'c', maxPendingRecords: 2 });
      outcomesOf(wal, ['c', 'c', 'refused']);
      flush();
      outcomesOf(wal, ['c', 'y']);
      flush();
      expect([wal.durableLsn, wal.lastLsn]).toEqual([3, 4]);
    });
  });

  it('of records that wait for a commit record makes room by itself, also when it was met while a barrier was on its way', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: timed(), isCommit: () => false, maxPendingRecords: 2 });
      void wal.checkpoint();
      const outcomes = outcomesOf(wal, ['a', 'b', 'refused']);
      flush();
      expect(outcomes).toEqual([1, 2, 'WAL_BACKPRESSURE']);
    });
  });

  it('of records that wait for a commit record has room again after flush()', async () => {
    await virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: timed(), maxPendingRecords: 2, isCommit: (value) => value === 'C' });
      expect(outcomesOf(wal, ['a', 'b', 'C'])).toEqual([undefined, undefined, 'WAL_BACKPRESSURE']);
      const flushed = wal.flush();
      flush();
      const outcomes = outcomesOf(wal, ['C']);
      flush();
      expect(outcomes).toEqual([3]);
      return flushed;
    });
  });
});

describe('mergeMap over an async iterable', () => {
  it('has as many appends on their way as it is told, so a log with room for them refuses none', async () => {
    const { wal } = memoryWal<number>({
      plan: turns,
      maxPendingRecords: 8,
    });
    let mostPending = 0;
    async function* records() {
      for (let record = 1; record <= 1000; record += 1) {
        if (record % 10 === 0) await Promise.resolve();
        yield record;
      }
    }
    const lsns = await lastValueFrom(
      from(records()).pipe(
        mergeMap((record) => {
          const ack$ = wal.append(record);
          mostPending = Math.max(mostPending, wal.lastLsn - wal.durableLsn);
          return ack$;
        }, 8),
        map(({ lsn }) => lsn),
        toArray(),
      ),
    );
    expect(lsns).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
    expect(mostPending).toBe(8);
  });
});

describe('writable()', () => {
  const modes: Durability[] = [
    { mode: 'sync' },
    { mode: 'batch', maxDelayMs: 1, maxRecords: 7 },
    { mode: 'adaptive', targetIntervalMs: 1 },
    { mode: 'nosync' },
  ];
  const records = Array.from({ length: 500 }, (_, index) => `record ${index}`);
  const valuesOf = async (wal: Wal<string>): Promise<string[]> => {
    await wal.sync();
    const entries = await lastValueFrom(wal.read().pipe(toArray()));
    return entries.map(({ value }) => value);
  };

  describe.each([
    ['', {}],
    [' and no commit record at all', { isCommit: () => false }],
    [' and room for one record', { maxPendingRecords: 1 }],
    [' and room for few bytes', { maxPendingBytes: 100 }],
  ])('with a fsync that takes a turn%s', (_, options) => {
    it.each(modes)('$mode: has all records acknowledged when the pipeline resolves', async (durability) => {
      const { wal } = memoryWal<string>({
        durability,
        plan: turns,
        ...options,
      });
      const acks: Ack[] = [];
      wal.acks$.subscribe((ack) => acks.push(ack));
      await pipeline(Readable.from(records), wal.writable());
      expect(acks).toHaveLength(records.length);
      expect(acks.every(({ durable }) => durable === (durability.mode !== 'nosync'))).toBe(true);
      expect(wal.durableLsn).toBe(durability.mode === 'nosync' ? 0 : records.length);
      await expect(valuesOf(wal)).resolves.toEqual(records);
    });
  });

  it('is one fsync for what gathered in the stream during the one before', async () => {
    const { wal } = memoryWal<string>({
      plan: turns,
    });
    let commits = 0;
    wal.commits$.subscribe(() => (commits += 1));
    await pipeline(Readable.from(records), wal.writable());
    expect(commits).toBeLessThan(records.length / 5);
  });

  it('says write() === false when highWaterMark values wait, and drains when they are acknowledged', async () => {
    const { wal } = memoryWal<string>({ plan: turns });
    const stream = wal.writable({ highWaterMark: 3 });
    expect(['a', 'b', 'c'].map((value) => stream.write(value))).toEqual([true, true, false]);
    expect(wal.durableLsn).toBe(0);
    await once(stream, 'drain');
    expect(wal.durableLsn).toBe(3);
  });

  it('goes on where a log that was full for now has room again', async () => {
    const { wal } = memoryWal<string>({
      durability: { mode: 'batch', maxDelayMs: 1, maxRecords: 1000 },
      maxPendingRecords: 3,
    });
    await pipeline(Readable.from(records.slice(0, 20)), wal.writable());
    expect(wal.durableLsn).toBe(20);
  });

  it('does not close the log when it ends', async () => {
    const { wal } = memoryWal<string>();
    await pipeline(Readable.from(['a']), wal.writable());
    await pipeline(Readable.from(['b']), wal.writable());
    await expect(valuesOf(wal)).resolves.toEqual(['a', 'b']);
  });

  it('may be written beside append and next', async () => {
    const { wal } = memoryWal<string>();
    wal.next('a');
    await pipeline(Readable.from(['b']), wal.writable());
    wal.next('c');
    await expect(valuesOf(wal)).resolves.toEqual(['a', 'b', 'c']);
  });

  it('is destroyed by a value that cannot be a record; what came before it is in the log', async () => {
    const { wal } = memoryWal<unknown>();
    const written = pipeline(Readable.from(['a', () => 1, 'b']), wal.writable());
    await expect(written).rejects.toMatchObject({ code: 'WAL_RECORD' });
    expect(wal.lastLsn).toBe(1);
  });

  it('is destroyed where the log stops', async () => {
    const { wal } = memoryWal<string>({ plan: marblePlan({ sync: ['|', '|', '#'] }, fault('ENOSPC')) });
    wal.state$.subscribe();
    const written = pipeline(Readable.from(records), wal.writable({ highWaterMark: 1 }));
    await expect(written).rejects.toThrow(WalPoisonedError);
  });

  it('is destroyed where the log is closed', async () => {
    const { wal } = memoryWal<string>();
    await wal.close();
    await expect(pipeline(Readable.from(['a']), wal.writable())).rejects.toThrow(WalClosedError);
  });
});
