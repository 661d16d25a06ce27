import { setImmediate as turn } from 'node:timers/promises';
import {
  Subject,
  Subscriber,
  concat,
  concatMap,
  defer,
  from,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  range,
  take,
  tap,
} from 'rxjs';
import type { Ack, Durability } from 'rxwal';
import { marblePlan, memoryWal, virtualTime } from 'rxwal/testing';

/** A store whose write takes 2 frames of time and whose fsync takes 3. */
const timed = () => marblePlan({ write: '--|', sync: '---|' });

const modes: Durability[] = [
  { mode: 'sync' },
  { mode: 'batch', maxDelayMs: 5, maxRecords: 4 },
  { mode: 'adaptive', targetIntervalMs: 5 },
  { mode: 'nosync' },
];

describe('append', () => {
  it('happens on the call, without a subscription', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      void wal.append('a');
      expect(wal.lastLsn).toBe(1);
      flush();
      expect(wal.durableLsn).toBe(1);
    });
  });

  it('happens once, however many subscribe', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      const ack$ = wal.append('a');
      merge(ack$, ack$, ack$).subscribe();
      flush();
      expect(wal.lastLsn).toBe(1);
    });
  });

  it('emits its ack once and completes', () => {
    virtualTime(({ expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      expectObservable(wal.append('a')).toBe('-----(a|)', { a: { lsn: 1, durable: true } });
    });
  });

  it('emits its ack to each of several subscribers, whenever they come', () => {
    virtualTime(({ expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      const ack$ = wal.append('a');
      const values = { a: { lsn: 1, durable: true } };
      expectObservable(ack$, '^').toBe('       -----(a|)', values);
      expectObservable(ack$, '--^').toBe('     -----(a|)', values);
      expectObservable(ack$, '-----^').toBe('  -----(a|)', values);
      expectObservable(ack$, '---------^').toBe('---------(a|)', values);
    });
  });

  it('leaves the record in the log when its subscriber goes', () => {
    virtualTime(({ expectObservable, flush }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      expectObservable(wal.append('a'), '^--!').toBe('----');
      expectObservable(wal.acks$).toBe('-----a', { a: { lsn: 1, durable: true } });
      flush();
      expect(wal.durableLsn).toBe(1);
    });
  });

  it('gives each its own ack when several ride on one fsync', () => {
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      const values = Object.fromEntries([1, 2, 3, 4].map((lsn) => [lsn, { lsn, durable: true }]));
      const appended = (when: string) =>
        cold(`${when}x`).pipe(
          mergeMap((value) => wal.append(value)),
          take(1),
        );
      expectObservable(wal.append('a')).toBe('     -----(1|)', values);
      expectObservable(wal.append('b')).toBe('     -----(2|)', values);
      // These two gather behind the first commit.
      expectObservable(appended('--')).toBe('      ----------(3|)', values);
      expectObservable(appended('---')).toBe('     ----------(4|)', values);
    });
  });

  it.each(modes)('$mode: acknowledges a thousand, each once and in order', (durability) => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<number>({ plan: timed(), durability });
      const lsns: number[] = [];
      for (let i = 1; i <= 1000; i += 1) wal.append(i).subscribe(({ lsn }) => lsns.push(lsn));
      flush();
      expect(lsns).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
    });
  });
});

describe('an ack', () => {
  it.each(modes.filter(({ mode }) => mode !== 'nosync'))(
    '$mode: never comes before the disk has its record',
    (durability) => {
      virtualTime(({ cold, flush }) => {
        const { wal, store } = memoryWal<string>({ plan: timed(), durability });
        let acks = 0;
        wal.acks$.subscribe(({ lsn }) => {
          acks += 1;
          const afterPowerCut = memoryWal<string>({ files: store.durableSnapshot() });
          expect(afterPowerCut.wal.lastLsn).toBeGreaterThanOrEqual(lsn);
        });
        cold('a-b-(cde)-f---(gh)-----i').subscribe(wal);
        flush();
        expect(acks).toBe(9);
      });
    },
  );

  it('nosync: never comes before the operating system has its record', () => {
    virtualTime(({ cold, flush }) => {
      const { wal, store } = memoryWal<string>({ plan: timed(), durability: { mode: 'nosync' } });
      let acks = 0;
      wal.acks$.subscribe(({ lsn }) => {
        acks += 1;
        const afterKill = memoryWal<string>({ files: store.snapshot() });
        expect(afterKill.wal.lastLsn).toBeGreaterThanOrEqual(lsn);
      });
      cold('a-b-(cde)-f---(gh)-----i').subscribe(wal);
      flush();
      expect(acks).toBe(9);
    });
  });
});

describe('acks$', () => {
  it('has every ack in LSN order', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      hot('                                                a-b-c------').subscribe(wal);
      expectObservable(wal.acks$.pipe(map(({ lsn }) => lsn))).toBe('-----1----(23)', { 1: 1, 2: 2, 3: 3 });
    });
  });

  it('is hot: a late subscriber hears what comes from then on', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      hot('                                                     a-b-------').subscribe(wal);
      expectObservable(wal.acks$.pipe(map(({ lsn }) => lsn)), ' ------^').toBe('----------b', { b: 2 });
    });
  });

  it('ends with the log', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '---|' }) });
      hot('                                                a-----|').subscribe(wal);
      expectObservable(wal.acks$.pipe(map(({ lsn }) => lsn))).toBe('---1-----|', { 1: 1 });
    });
  });
});

describe('durable$', () => {
  it('begins with the current durable LSN, and moves once for each fsync', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      hot('                                a-b-c------').subscribe(wal);
      expectObservable(wal.durable$).toBe('0----1----3', [0, 1, 2, 3]);
      expectObservable(wal.durable$, '     -------^').toBe('-------1--3', [0, 1, 2, 3]);
    });
  });

  it('begins with what recovery found', () => {
    virtualTime(({ expectObservable, flush }) => {
      const before = memoryWal<string>();
      before.wal.next('a');
      before.wal.next('b');
      flush();
      const { wal } = memoryWal<string>({ files: before.store.snapshot() });
      expectObservable(wal.durable$).toBe('2', [0, 1, 2]);
    });
  });

  it('agrees with durableLsn, and has moved when the acks come', () => {
    virtualTime(({ cold, flush }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      let heard = -1;
      wal.durable$.subscribe((lsn) => {
        heard = lsn;
        expect(wal.durableLsn).toBe(lsn);
      });
      wal.acks$.subscribe(({ lsn }) => {
        expect(lsn).toBeLessThanOrEqual(heard);
        expect(lsn).toBeLessThanOrEqual(wal.durableLsn);
      });
      cold('a-b-c-d-e-----f').subscribe(wal);
      flush();
      expect(heard).toBe(6);
    });
  });
});

describe('many who wait', () => {
  it('are released in order, 50,000 of them, and each ack costs the same as with 500', () => {
    /** Deliveries to any subscriber, from the first commit to the last, per ack. */
    const deliveriesPerAck = (waiting: number): number =>
      virtualTime(({ flush }) => {
        const { wal } = memoryWal<number>({ plan: timed(), isCommit: () => false });
        const lsns: number[] = [];
        for (let i = 1; i <= waiting; i += 1) {
          wal.append(i).subscribe(({ lsn }) => lsns.push(lsn));
          // Every fiftieth closes a batch, so the watermark moves in many steps while nearly all still wait.
          if (i % 50 === 0) void wal.checkpoint({ lsn: 0 });
        }
        const next = jest.spyOn(Subscriber.prototype, 'next');
        flush();
        const deliveries = next.mock.calls.length;
        next.mockRestore();
        expect(lsns).toHaveLength(waiting);
        expect(lsns.every((lsn, index) => lsn === index + 1)).toBe(true);
        return deliveries / waiting;
      });

    const few = deliveriesPerAck(500);
    expect(deliveriesPerAck(50_000)).toBeLessThan(few * 1.1);
  });

  describe.each([
    ['takes no time', '|'],
    ['takes time for its first fsync only', ['---|', '|']],
  ])('on a store that %s', (_, sync) => {
    const count = 20_000;

    it('may chain 20,000 appends, each from the ack of the one before', () => {
      virtualTime(({ flush }) => {
        const { wal } = memoryWal<number>({ plan: marblePlan({ sync }) });
        const lsns: number[] = [];
        const errors: unknown[] = [];
        const appendNext = (): void => {
          wal.append(lsns.length).subscribe({
            next: ({ lsn }) => {
              lsns.push(lsn);
              if (lsns.length < count) appendNext();
            },
            error: (error: unknown) => errors.push(error),
          });
        };
        appendNext();
        flush();
        expect(errors).toEqual([]);
        expect(lsns).toHaveLength(count);
        expect(lsns.every((lsn, index) => lsn === index + 1)).toBe(true);
        expect(wal.durableLsn).toBe(count);
      });
    });

    it('may chain 20,000 appends through acks$', () => {
      virtualTime(({ flush }) => {
        const { wal } = memoryWal<number>({ plan: marblePlan({ sync }) });
        const lsns: number[] = [];
        const errors: unknown[] = [];
        wal.acks$.subscribe({
          next: ({ lsn }) => {
            lsns.push(lsn);
            if (lsn < count) wal.next(lsn);
          },
          error: (error: unknown) => errors.push(error),
        });
        wal.next(0);
        flush();
        expect(errors).toEqual([]);
        expect(lsns).toHaveLength(count);
        expect(lsns.every((lsn, index) => lsn === index + 1)).toBe(true);
        expect(wal.durableLsn).toBe(count);
      });
    });
  });

  describe.each([{ mode: 'sync' }, { mode: 'nosync' }] as const)(
    'and append again with each ack ($mode)',
    (durability) => {
      /** How many records each commit has, where so many producers await each ack and some of them begin behind the first batch. */
      async function ride(producers: number, late: number, rounds: number): Promise<number[]> {
        const firstWrite$ = new Subject<void>();
        const { wal } = memoryWal<number>({
          durability,
          // A write takes a turn of the event loop.
          plan: ({ kind }) => {
            if (kind !== 'write') return undefined;
            firstWrite$.complete();
            return from(turn());
          },
        });
        const sizes: number[] = [];
        wal.commits$.subscribe(({ records }) => sizes.push(records));
        const produce = async (producer: number): Promise<void> => {
          if (producer < late) await lastValueFrom(firstWrite$, { defaultValue: undefined });
          for (let round = 0; round < rounds; round += 1) {
            await wal.append(producer);
            // Each has more to do behind its ack than the one before.
            for (let link = 0; link < producer; link += 1) await Promise.resolve();
          }
        };
        await Promise.all(Array.from({ length: producers }, (_, producer) => produce(producer)));
        expect(wal.lastLsn).toBe(producers * rounds);
        return sizes;
      }

      it('ride on one commit, all of them', async () => {
        await expect(ride(64, 0, 10)).resolves.toEqual(Array<number>(10).fill(64));
      });

      it('come to ride on one commit where some began while another was on its way', async () => {
        const sizes = await ride(64, 32, 10);
        expect(sizes).toEqual([32, ...Array<number>(9).fill(64), 32]);
      });

      it('are acknowledged for each alone where there is one', async () => {
        await expect(ride(1, 0, 10)).resolves.toEqual(Array<number>(10).fill(1));
      });
    },
  );

  it('may chain appends with concatMap', () => {
    virtualTime(({ expectObservable }) => {
      const { wal } = memoryWal<number>({ plan: timed() });
      const chained$ = range(1, 3).pipe(
        concatMap((value) => wal.append(value)),
        map(({ lsn }) => lsn),
      );
      expectObservable(chained$).toBe('-----1----2----(3|)', { 1: 1, 2: 2, 3: 3 });
    });
  });

  it('may append side by side with mergeMap', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<number>({ plan: timed() });
      const acks: Ack[] = [];
      range(1, 100)
        .pipe(
          mergeMap((value) => wal.append(value), 10),
          tap((ack) => acks.push(ack)),
        )
        .subscribe();
      flush();
      expect(acks.map(({ lsn }) => lsn)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    });
  });

  it('appends again for each subscription only where the call is deferred', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      const deferred$ = defer(() => wal.append('a'));
      const acks: Ack[] = [];
      concat(deferred$, deferred$).subscribe((ack) => acks.push(ack));
      flush();
      expect(acks.map(({ lsn }) => lsn)).toEqual([1, 2]);
    });
  });
});
