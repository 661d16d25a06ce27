import { Readable } from 'node:stream';
import { getEventListeners } from 'node:events';
import { Observable, firstValueFrom, lastValueFrom, map, take, tap, throwError, timer, toArray } from 'rxjs';
import {
  WalClosedError,
  WalIoError,
  WalPoisonedError,
  WalRecordError,
  WalTruncatedError,
  type Entry,
  type TailOptions,
  type Wal,
} from 'rxwal';
import { fault, marblePlan, memoryWal, virtualTime, type MemoryStore, type MemoryWalOptions } from 'rxwal/testing';

/** Files of closed logs, by the number of their records; a few records in each segment. */
const FILES = new Map<number, ReadonlyMap<string, Uint8Array>>();

beforeAll(async () => {
  for (const records of [1, 2, 3, 5, 9, 50, 400]) {
    const { wal, store } = memoryWal<string>({ maxSegmentBytes: 120 });
    for (let lsn = 1; lsn <= records; lsn += 1) await wal.append(`value ${lsn}`);
    await wal.close();
    FILES.set(records, store.snapshot());
  }
});

/** A log that holds 1 to `records`, all of them durable. */
function logOf(
  records: number,
  options: MemoryWalOptions<string> = {},
): { readonly wal: Wal<string>; readonly store: MemoryStore } {
  return memoryWal<string>({ maxSegmentBytes: 120, ...options, files: FILES.get(records) });
}

/** What a tail says of having caught up, beside its entries. */
function caughtUp(wal: Wal<string>, options: TailOptions = {}): Observable<number> {
  return new Observable((subscriber) => {
    subscriber.add(
      wal.tail({ ...options, onCaughtUp: (lsn) => subscriber.next(lsn) }).subscribe({
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      }),
    );
  });
}

const lsnOf = map(({ lsn }: Entry<string>) => lsn);
const marbles = { 0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 9: 9 };

describe('tail: replay, then live', () => {
  it('shows each record when it is durable', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '---|' }) });
      hot('                                      -a---b').subscribe((value) => wal.next(value));
      expectObservable(wal.tail().pipe(lsnOf)).toBe('----1---2', marbles);
    });
  });

  it('begins with what is on disk, as the picture of its docblock shows', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = logOf(3, { plan: marblePlan({ sync: '---|' }) });
      hot('                                      ---(ab)---x').subscribe((value) => {
        if (value === 'x') void wal.close();
        else wal.next(value);
      });
      expectObservable(wal.durable$).toBe('      3-----5------|', marbles);
      expectObservable(wal.tail().pipe(lsnOf)).toBe('(123)-(45)---|', marbles);
      expectObservable(caughtUp(wal)).toBe('     3------------|', marbles);
    });
  });

  it('takes the time that reading takes, and then shows what came meanwhile', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = logOf(2, { maxSegmentBytes: 2 ** 20, plan: marblePlan({ read: '----|', sync: '-|' }) });
      hot('                                      -a-b').subscribe((value) => wal.next(value));
      expectObservable(wal.tail().pipe(lsnOf)).toBe('----(1234)', marbles);
      expectObservable(caughtUp(wal)).toBe('     ----3', marbles);
    });
  });

  it('leaves out what `after` names, and waits for what is behind it', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = logOf(3, { plan: marblePlan({ sync: '---|' }) });
      hot('                                               --a').subscribe((value) => wal.next(value));
      expectObservable(wal.tail({ after: 2 }).pipe(lsnOf)).toBe('3----4', marbles);
      expectObservable(wal.tail({ after: 3 }).pipe(lsnOf)).toBe('-----4', marbles);
      expectObservable(caughtUp(wal, { after: 3 })).toBe('        3', marbles);
    });
  });

  it('of an empty log has caught up at once', () => {
    virtualTime(({ expectObservable }) => {
      const { wal } = memoryWal<string>();
      expectObservable(wal.tail()).toBe('-');
      expectObservable(caughtUp(wal)).toBe('0', marbles);
    });
  });

  it('says again that it has caught up where it had fallen behind', () => {
    virtualTime(({ expectObservable, flush }) => {
      const { wal } = memoryWal<string>({ maxPendingBytes: 2 ** 30 });
      const big = 'x'.repeat(1024 * 1024);
      const seen: number[] = [];
      expectObservable(caughtUp(wal).pipe(tap((lsn) => seen.push(lsn)))).toBe('0 9ms 6', marbles);
      timer(10).subscribe(() => {
        for (let record = 0; record < 6; record += 1) wal.next(big);
        void wal.flush();
      });
      flush();
      // Four of them went to the disk together, and are more than is kept in memory; the others were durable before these had been shown, a turn each.
      expect(seen).toEqual([0, 6]);
    });
  });
});

describe('the end of a tail', () => {
  it('comes with that of the log, behind all that has become durable', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '---|', read: '-----|' }) });
      hot('                                      a-(bx)').subscribe((value) => {
        if (value === 'x') void wal.close();
        else wal.next(value);
      });
      expectObservable(wal.tail().pipe(lsnOf)).toBe('---1--2--|', marbles);
    });
  });

  it('of a reader that is not done yet waits until it is', () => {
    virtualTime(({ expectObservable }) => {
      const { wal } = logOf(2, { plan: marblePlan({ read: '-----|' }) });
      timer(2).subscribe(() => void wal.close());
      expectObservable(wal.tail().pipe(lsnOf)).toBe('-----(12|)', marbles);
    });
  });

  it('comes with the failure that stops the log, behind all that is durable', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = logOf(2, { plan: marblePlan({ sync: '---#' }) });
      hot('                                      a').subscribe((value) => wal.next(value));
      const poisoned = expect.any(WalPoisonedError) as unknown;
      const told: unknown[] = [];
      wal.tail().subscribe({ error: (error: unknown) => told.push(error) });
      expectObservable(wal.state$).toBe('o--(p)', { o: 'open', p: 'poisoned' });
      timer(10).subscribe(() => expect(told).toEqual([poisoned]));
    });
  });

  it('of one that comes after the failure too', async () => {
    const { wal } = memoryWal<string>({ plan: marblePlan({ sync: ['|', '#'] }) });
    await wal.append('a');
    await expect(wal.append('b')).rejects.toBeInstanceOf(WalPoisonedError);
    const seen: number[] = [];
    await expect(lastValueFrom(wal.tail().pipe(tap(({ lsn }) => seen.push(lsn))))).rejects.toBeInstanceOf(
      WalPoisonedError,
    );
    expect(seen).toEqual([1]);
  });

  it('is not the end of its events: their error is that of acks$', async () => {
    const { wal } = memoryWal<string>();
    wal.acks$.subscribe({ error: () => undefined });
    const all = lastValueFrom(wal.tail().pipe(toArray()));
    throwError(() => new Error('the source failed')).subscribe(wal);
    await expect(all).resolves.toEqual([]);
  });

  it('is a WalClosedError where the log is closed already', async () => {
    const { wal } = logOf(1);
    await wal.close();
    await expect(firstValueFrom(wal.tail())).rejects.toBeInstanceOf(WalClosedError);
  });

  it('is the reason of its signal', () => {
    virtualTime(({ expectObservable }) => {
      const { wal } = logOf(1);
      const stop = new AbortController();
      timer(4).subscribe(() => stop.abort('enough'));
      expectObservable(wal.tail({ signal: stop.signal }).pipe(lsnOf)).toBe('1---#', marbles, 'enough');
    });
  });

  it('leaves nothing behind on a signal that lives longer', async () => {
    const { wal } = logOf(1);
    const { signal } = new AbortController();
    await firstValueFrom(wal.tail({ signal }));
    await firstValueFrom(wal.read({ signal }));
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('is an error that its callback throws', async () => {
    const { wal } = logOf(1);
    const tail$ = wal.tail({
      onCaughtUp: () => {
        throw new Error('not today');
      },
    });
    await expect(lastValueFrom(tail$)).rejects.toThrow('not today');
  });
});

describe('what a tail refuses', () => {
  it('is an LSN that this log has never had', async () => {
    const { wal } = logOf(2);
    await expect(firstValueFrom(wal.tail({ after: 3 }))).rejects.toThrow(RangeError);
  });

  it('is an LSN whose successor is gone: the error names the first that is there', async () => {
    const { wal } = logOf(9);
    await wal.checkpoint({ lsn: 6 });
    const { firstLsn } = wal;
    expect(firstLsn).toBeGreaterThan(2);
    const error: unknown = await firstValueFrom(wal.tail({ after: 1 })).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(WalTruncatedError);
    expect(error).toMatchObject({ code: 'WAL_TRUNCATED', firstLsn });
    await expect(firstValueFrom(wal.tail())).resolves.toMatchObject({ lsn: firstLsn });
  });

  it.each<[string, unknown, string]>([
    ['an after that is no LSN', { after: -1 }, 'after'],
    ['an after that is no number', { after: '1' }, 'after'],
    ['a callback that is none', { onCaughtUp: 1 }, 'onCaughtUp'],
    ['a signal that is none', { signal: {} }, 'signal'],
    ['an option that there is not', { until: 3 }, 'until'],
  ])('is %s, at once', (_name, options, named) => {
    const { wal } = memoryWal<string>();
    expect(() => wal.tail(options as TailOptions)).toThrow(named);
  });

  it('is a record of another codec', async () => {
    const { store } = logOf(1);
    const codec = {
      encode: () => new Uint8Array(0),
      decode: () => {
        throw new Error('not mine');
      },
    };
    const { wal } = memoryWal<string>({ files: store.snapshot(), codec });
    await expect(firstValueFrom(wal.tail())).rejects.toBeInstanceOf(WalRecordError);
  });

  it('is a disk that cannot be read', async () => {
    const { wal } = logOf(2, { plan: marblePlan({ read: '#' }, fault('EIO')) });
    await expect(firstValueFrom(wal.tail())).rejects.toBeInstanceOf(WalIoError);
  });
});

describe('many tails', () => {
  it('of a hundred, each shows every record once', async () => {
    const { wal } = logOf(5);
    const all = Array.from({ length: 100 }, () => lastValueFrom(wal.tail().pipe(lsnOf, toArray())));
    for (let record = 6; record <= 300; record += 1) {
      wal.next(`value ${record}`);
      if (record % 7 === 0) await wal.flush();
      if (record % 50 === 0) await wal.rotate();
    }
    await wal.close();
    const expected = Array.from({ length: 300 }, (_, index) => index + 1);
    for (const lsns of await Promise.all(all)) expect(lsns).toEqual(expected);
  });

  it('may come and go within their own entries', async () => {
    const { wal } = logOf(2);
    const seen: string[] = [];
    const inner = (): void => {
      wal
        .tail({ after: 1 })
        .pipe(take(2))
        .subscribe(({ lsn }) => seen.push(`inner ${lsn}`));
    };
    wal
      .tail()
      .pipe(take(3))
      .subscribe(({ lsn }) => {
        seen.push(`outer ${lsn}`);
        if (lsn === 2) inner();
      });
    await wal.append('value 3');
    expect(seen).toEqual(['outer 1', 'outer 2', 'inner 2', 'outer 3', 'inner 3']);
  });

  it('may append from within an entry', async () => {
    const { wal } = memoryWal<string>();
    const seen = lastValueFrom(
      wal.tail().pipe(
        tap(({ lsn }) => {
          if (lsn < 5) wal.next(`value ${lsn + 1}`);
        }),
        take(5),
        lsnOf,
        toArray(),
      ),
    );
    wal.next('value 1');
    await expect(seen).resolves.toEqual([1, 2, 3, 4, 5]);
  });

  it('that nobody subscribes do nothing', () => {
    const { wal, store } = logOf(2);
    const before = store.operations.length;
    void wal.tail();
    void wal.read();
    expect(store.operations).toHaveLength(before);
  });

  it('cost a log nothing when they have gone', async () => {
    const { wal, store } = logOf(3);
    await firstValueFrom(wal.tail());
    const before = store.operations.length;
    await wal.append('value 4');
    const kinds = store.operations.slice(before).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'read' || kind === 'open')).toEqual([]);
  });
});

describe('a reader that takes its time', () => {
  it('pulls: each entry when the one before has been dealt with', () => {
    virtualTime(({ expectObservable }) => {
      const { wal } = logOf(3);
      const slowly$ = wal.tail().each(({ lsn }) => timer(4).pipe(map(() => lsn)));
      expectObservable(slowly$).toBe('----1---2---3', marbles);
    });
  });

  it('reads no more of the disk than it takes', async () => {
    const { wal, store } = logOf(400);
    const reads = (): number => store.operations.filter(({ kind }) => kind === 'read').length;
    const before = reads();
    const entries = wal.read()[Symbol.asyncIterator]();
    expect(reads()).toBe(before);
    for (let lsn = 1; lsn <= 4; lsn += 1) await expect(entries.next()).resolves.toMatchObject({ value: { lsn } });
    // One for each segment that it has come to, of some hundred and thirty.
    expect(reads() - before).toBeLessThanOrEqual(2);
    await entries.return?.();
  });

  it.each(['read', 'tail'] as const)('keeps no file open while it waits: %s', async (call) => {
    const { wal, store } = logOf(400);
    const open = (): number => {
      const count = (...kinds: readonly string[]): number =>
        store.operations.filter(({ kind }) => kinds.includes(kind)).length;
      return count('open', 'create') - count('close');
    };
    const before = open();
    const entries = wal[call]()[Symbol.asyncIterator]();
    for (let lsn = 1; lsn <= 10; lsn += 1) {
      await expect(entries.next()).resolves.toMatchObject({ value: { lsn } });
      expect(open()).toBe(before);
    }
    await wal.checkpoint({ lsn: 9 });
    await expect(entries.next()).resolves.toMatchObject({ value: { lsn: 11 } });
    await entries.return?.();
  });

  it('falls behind what is in memory, reads from the disk again, and misses nothing', async () => {
    const { wal } = memoryWal<string>({ maxPendingBytes: 2 ** 30 });
    const value = 'x'.repeat(64 * 1024);
    const entries = wal.tail()[Symbol.asyncIterator]();
    const first = entries.next();
    for (let lsn = 1; lsn <= 200; lsn += 1) {
      wal.next(`${lsn} ${value}`);
      if (lsn % 10 === 0) await wal.flush();
    }
    await expect(first).resolves.toMatchObject({ value: { lsn: 1 } });
    for (let lsn = 2; lsn <= 200; lsn += 1) {
      const { value: entry } = await entries.next();
      expect(entry).toMatchObject({ lsn });
      expect((entry as Entry<string>).value.startsWith(`${lsn} `)).toBe(true);
    }
    await wal.close();
    await expect(entries.next()).resolves.toEqual({ done: true, value: undefined });
  });

  it('iterates until the log is closed', async () => {
    const { wal } = logOf(2);
    const seen: number[] = [];
    for await (const { lsn } of wal.tail()) {
      seen.push(lsn);
      if (lsn === 2) wal.next('value 3');
      if (lsn === 3) void wal.close();
    }
    expect(seen).toEqual([1, 2, 3]);
  });

  it('may stop while it waits for an entry', async () => {
    const { wal } = logOf(1);
    const entries = wal.tail()[Symbol.asyncIterator]();
    await entries.next();
    const waiting = entries.next();
    await expect(entries.return?.()).resolves.toEqual({ done: true, value: undefined });
    await expect(waiting).resolves.toEqual({ done: true, value: undefined });
  });

  it('is a Readable with the back pressure of one', async () => {
    const { wal } = logOf(50);
    await wal.close();
    const { wal: again } = logOf(50);
    const lsns: number[] = [];
    for await (const entry of Readable.from(again.read(), { highWaterMark: 2 }))
      lsns.push((entry as Entry<string>).lsn);
    expect(lsns).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });
});
