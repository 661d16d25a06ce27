import { Subject, VirtualTimeScheduler, map, merge, mergeMap, take } from 'rxjs';
import { batch } from '../../../src/operators/batch';
import { virtualTime } from '../../../src/testing/virtualTime';
import type { Barrier, Durability, Frame } from '../../../src/types';
import { countingScheduler } from '../helpers';
import { frameWith, frameOf, frames, barriers, told, expectBatches, SYNC, NOSYNC, within, every } from './pictures';

describe('batch', () => {
  describe('group commit', () => {
    it('has one batch on its way at a time', () => {
      expectBatches(NOSYNC, {
        source: '   abcdefgh------',
        settled: '  ---s---s--s---',
        expected: ' a--x---y------',
        batches: { a: 'a by commit', x: 'bcd by commit', y: 'efgh by commit' },
      });
    });

    it('takes a commit that nobody waits for, and a second word about one, for nothing', () => {
      expectBatches(SYNC, {
        source: '   --a--b-c---',
        settled: '  s--ss---s--',
        expected: ' --a--b--c--',
        batches: { a: 'a by commit', b: 'b by commit', c: 'c by commit' },
      });
    });

    it('holds a batch for committed the moment it leaves where it is told nothing', () => {
      expectBatches(SYNC, {
        source: '   abc',
        expected: ' abc',
        batches: { a: 'a by commit', b: 'b by commit', c: 'c by commit' },
      });
    });

    it('goes through 10,000 commits that return before next does, without growing the stack', () => {
      for (const durability of [SYNC, NOSYNC, within(5, 1), every(0)]) {
        const clock = new VirtualTimeScheduler();
        const source$ = new Subject<Frame>();
        const settled$ = new Subject<void>();
        let batches = 0;
        source$.pipe(batch({ durability, settled$, scheduler: clock })).subscribe(() => {
          batches += 1;
          if (batches < 10_000) source$.next(frameOf('a'));
          settled$.next();
        });
        source$.next(frameOf('a'));
        clock.flush();
        expect(batches).toBe(10_000);
      }
    });

    it('goes through 10,000 batches that each bring the next, without growing the stack', () => {
      for (const durability of [SYNC, NOSYNC, within(5, 1), every(0)]) {
        const clock = new VirtualTimeScheduler();
        const source$ = new Subject<Frame>();
        let batches = 0;
        source$.pipe(batch({ durability, scheduler: clock })).subscribe(() => {
          batches += 1;
          if (batches < 10_000) source$.next(frameOf('a'));
        });
        source$.next(frameOf('a'));
        clock.flush();
        expect(batches).toBe(10_000);
      }
    });

    it('goes through 10,000 closed batches whose commits return before next does', () => {
      const source$ = new Subject<Frame>();
      const settled$ = new Subject<void>();
      const barriers$ = new Subject<Barrier>();
      let batches = 0;
      source$.pipe(batch({ settled$, barriers$ })).subscribe(() => {
        batches += 1;
        if (batches > 1) settled$.next();
      });
      source$.next(frameOf('a'));
      for (let rotations = 0; rotations < 10_000; rotations += 1) barriers$.next(barriers['r']!);
      expect(batches).toBe(1);
      settled$.next();
      expect(batches).toBe(10_000);
    });
  });

  describe('departure', () => {
    const DEPARTING: readonly Durability[] = [SYNC, NOSYNC];

    it.each(DEPARTING)('takes together what comes in one turn ($mode)', (durability) => {
      expectBatches(durability, {
        source: '   -(abc)---d',
        settled: '  --------s-',
        expected: ' -x-------d',
        batches: { x: 'abc by commit', d: 'd by commit' },
      });
    });

    it.each(DEPARTING)('takes together what comes in one turn where no commit is waited for ($mode)', (durability) => {
      expectBatches(durability, {
        source: '   -(abc)---d',
        expected: ' -x-------d',
        batches: { x: 'abc by commit', d: 'd by commit' },
      });
    });

    it('lets nothing out within the call', () => {
      for (const durability of DEPARTING) {
        const clock = new VirtualTimeScheduler();
        const source$ = new Subject<Frame>();
        const words: string[] = [];
        source$.pipe(batch({ durability, scheduler: clock })).subscribe((each) => words.push(told(each)));
        source$.next(frames['a']!);
        source$.next(frames['b']!);
        expect(words).toEqual([]);
        clock.flush();
        expect(words).toEqual(['ab by commit']);
        expect(clock.now()).toBe(0);
      }
    });

    it('takes the records that are no commit up to the last commit record of the turn', () => {
      expectBatches(SYNC, {
        source: '   -(AbCdE)--f',
        expected: ' -x--------y',
        batches: { x: 'AbCd by commit', y: 'Ef by commit' },
      });
    });

    it('takes what those append whom a commit has released, with what had gathered', () => {
      virtualTime(({ hot, expectObservable }) => {
        const settled$ = hot('     ----s---s-');
        const source$ = hot('      a-b-------', frames);
        const appended$ = settled$.pipe(
          take(1),
          mergeMap(() => ['c', 'd', 'e'].map((letter) => frames[letter]!)),
        );
        // Who hears of the commit first appends behind `batch`, which hears of it before him.
        const batches$ = merge(source$, appended$).pipe(batch({ settled$ }), map(told));
        expectObservable(batches$).toBe('a---x-----', { a: 'a by commit', x: 'bcde by commit' });
      });
    });

    it('is one action for a turn, however much comes in it', () => {
      const scheduler = countingScheduler();
      expectBatches(SYNC, {
        source: '   -(abc)-----',
        scheduler,
        expected: ' -x---------',
        batches: { x: 'abc by commit' },
      });
      expect(scheduler.scheduled).toBe(1);
      expect(scheduler.pending).toBe(0);
    });

    it('is none for a record that is no commit, and none while a commit is on its way', () => {
      const scheduler = countingScheduler();
      expectBatches(SYNC, {
        source: '   A-b-c-d-',
        scheduler,
        settled: '  --------',
        expected: ' --x-----',
        batches: { x: 'Ab by commit' },
      });
      expect(scheduler.scheduled).toBe(1);
    });

    it('does not wait where a barrier comes first; what it would have taken is gone, and it takes nothing', () => {
      const scheduler = countingScheduler();
      expectBatches(SYNC, {
        source: '   -a-----',
        barriers: ' -s-----',
        scheduler,
        expected: ' -x-----',
        batches: { x: 'a by barrier + sync' },
      });
      expect(scheduler.pending).toBe(0);
    });

    it('takes what comes behind that barrier in the same turn', () => {
      const clock = new VirtualTimeScheduler();
      const source$ = new Subject<Frame>();
      const barriers$ = new Subject<Barrier>();
      const words: string[] = [];
      source$.pipe(batch({ barriers$, scheduler: clock })).subscribe((each) => words.push(told(each)));
      source$.next(frames['a']!);
      barriers$.next(barriers['s']!);
      source$.next(frames['b']!);
      source$.next(frames['c']!);
      expect(words).toEqual(['a by barrier + sync']);
      clock.flush();
      expect(words).toEqual(['a by barrier + sync', 'bc by commit']);
    });

    it.each(['|', '#'])('does not wait where the end comes first: %s', (end) => {
      const scheduler = countingScheduler();
      expectBatches(SYNC, {
        source: `  -(ab${end})`,
        scheduler,
        expected: `-(x${end})`,
        batches: { x: 'ab by close' },
        subs: { source: ' ^!' },
      });
      expect(scheduler.pending).toBe(0);
    });

    it('lets nothing out, and leaves no action, where it is left before', () => {
      for (const durability of DEPARTING) {
        const clock = new VirtualTimeScheduler();
        const scheduler = countingScheduler(undefined, clock);
        const source$ = new Subject<Frame>();
        const words: string[] = [];
        const subscription = source$.pipe(batch({ durability, scheduler })).subscribe((each) => words.push(told(each)));
        source$.next(frames['a']!);
        expect(scheduler.pending).toBe(1);
        subscription.unsubscribe();
        expect(scheduler.pending).toBe(0);
        clock.flush();
        expect(words).toEqual([]);
      }
    });

    it.each(['settled$', 'barriers$', 'background$'])('leaves no action where %s fails before', (which) => {
      const clock = new VirtualTimeScheduler();
      const scheduler = countingScheduler(undefined, clock);
      const source$ = new Subject<Frame>();
      const notifier$ = new Subject<never>();
      const words: string[] = [];
      source$.pipe(batch({ [which]: notifier$, scheduler })).subscribe({
        next: (each) => words.push(told(each)),
        error: (error: unknown) => words.push(String(error)),
      });
      source$.next(frames['a']!);
      notifier$.error(new Error('gone'));
      expect(scheduler.pending).toBe(0);
      clock.flush();
      expect(words).toEqual(['Error: gone']);
    });

    describe('on the real event loop', () => {
      /** Appends one record for each producer, again when a commit has returned and so many promises behind it have. */
      async function ride(
        chains: readonly number[],
        rounds: number,
        durability: Durability,
        late: readonly number[] = [],
      ): Promise<number[]> {
        const source$ = new Subject<Frame>();
        const settled$ = new Subject<void>();
        const sizes: number[] = [];
        let gathered: (() => void)[] = [];
        let lsn = 0;
        source$.pipe(batch({ durability, settled$ })).subscribe(({ records }) => {
          sizes.push(records);
          const released = gathered;
          gathered = [];
          setImmediate(() => {
            settled$.next();
            for (const release of released) release();
          });
        });
        const produce = async (chain: number, begins?: Promise<unknown>): Promise<void> => {
          await begins;
          for (let round = 0; round < rounds; round += 1) {
            const acked = new Promise<void>((resolve) => gathered.push(resolve));
            source$.next(frameWith((lsn += 1)));
            await acked;
            for (let link = 0; link < chain; link += 1) await Promise.resolve();
          }
        };
        const begins = new Promise<void>((resolve) => source$.pipe(take(1)).subscribe(() => process.nextTick(resolve)));
        const later = begins.then(() => new Promise((resolve) => process.nextTick(resolve)));
        await Promise.all([...chains.map((chain) => produce(chain)), ...late.map((chain) => produce(chain, later))]);
        return sizes;
      }

      it.each(DEPARTING)(
        'producers that one commit released ride in one batch, however long their chains of promises ($mode)',
        async (durability) => {
          await expect(ride([0, 1, 2, 3, 10, 100], 20, durability)).resolves.toEqual(Array(20).fill(6));
        },
      );

      it.each(DEPARTING)(
        'producers out of step with them come into step: they do not ride in two halves for ever ($mode)',
        async (durability) => {
          const sizes = await ride([0, 1, 5], 20, durability, [0, 2, 10]);
          // Those who came first are through first.
          expect(sizes).toEqual([3, ...Array<number>(19).fill(6), 3]);
        },
      );

      it('a lone producer waits for nobody', async () => {
        await expect(ride([0], 20, SYNC)).resolves.toEqual(Array(20).fill(1));
      });

      it('a lone record leaves before the turn is over', async () => {
        const heard: string[] = [];
        const source$ = new Subject<Frame>();
        source$.pipe(batch()).subscribe((each) => heard.push(told(each)));
        setImmediate(() => heard.push('the next turn'));
        source$.next(frames['a']!);
        heard.push('the call has returned');
        await new Promise(setImmediate);
        expect(heard).toEqual(['the call has returned', 'a by commit', 'the next turn']);
      });

      it('a batch that is left before it departs does not depart', async () => {
        const words: string[] = [];
        const source$ = new Subject<Frame>();
        const subscription = source$.pipe(batch()).subscribe((each) => words.push(told(each)));
        source$.next(frames['a']!);
        subscription.unsubscribe();
        await new Promise(setImmediate);
        expect(words).toEqual([]);
      });
    });
  });
});
