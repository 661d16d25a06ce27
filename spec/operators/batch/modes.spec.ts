import { Subject, VirtualTimeScheduler, asyncScheduler, map } from 'rxjs';
import fc from 'fast-check';
import { batch } from '../../../src/operators/batch';
import { virtualTime } from '../../../src/testing/virtualTime';
import type { Frame } from '../../../src/types';
import { countingScheduler } from '../helpers';
import { frameOf, frames, told, expectBatches, SYNC, NOSYNC, within, every } from './pictures';

describe('batch', () => {
  describe('in mode sync', () => {
    it('lets what gathers while a commit is on its way ride together', () => {
      expectBatches(SYNC, {
        source: '   abcd-----------|',
        settled: '  -----s----s',
        expected: ' a----x---------|',
        batches: { a: 'a by commit', x: 'bcd by commit' },
      });
    });

    it('is the default', () => {
      expectBatches(undefined, {
        source: '   -a-b-|',
        expected: ' -a-b-|',
        batches: { a: 'a by commit', b: 'b by commit' },
      });
    });

    it('lets a commit record go in the turn in which it comes', () => {
      expectBatches(SYNC, {
        source: '   --a--|',
        settled: '  ---s-',
        expected: ' --a--|',
        batches: { a: 'a by commit' },
      });
    });

    it('keeps a record that is no commit for the next one that is', () => {
      expectBatches(SYNC, {
        source: '   -A--B--c--|',
        expected: ' -------x--|',
        batches: { x: 'ABc by commit' },
      });
    });

    it('cuts a batch behind its last commit record', () => {
      expectBatches(SYNC, {
        source: '   aBcDeF----g----|',
        settled: '  -------s--s---s',
        expected: ' a------x--y----|',
        batches: { a: 'a by commit', x: 'BcDe by commit', y: 'Fg by commit' },
      });
    });

    it('keeps what stands behind the cut, however often a commit returns', () => {
      expectBatches(SYNC, {
        source: '   abC---------',
        settled: '  ---s-s-s-s--',
        expected: ' a--b--------',
        batches: { a: 'a by commit', b: 'b by commit' },
      });
    });

    it('counts the bytes on both sides of the cut', () => {
      const bytes: number[] = [];
      virtualTime(({ hot }) => {
        const settled$ = hot('----s--s');
        hot('                 aBcD--e', frames)
          .pipe(batch({ settled$ }))
          .subscribe((each) => bytes.push(each.bytes));
      });
      expect(bytes).toEqual([1, 2 + 3, 4 + 5]);
    });

    it('has no clock', () => {
      const scheduler = countingScheduler();
      expectBatches(SYNC, {
        source: '   -aB-c-----D--',
        settled: '  ------s--s---',
        scheduler,
        expected: ' -a----x------',
        batches: { a: 'a by commit', x: 'Bc by commit' },
      });
      expect(scheduler.delayed).toBe(0);
      expect(scheduler.pending).toBe(0);
    });
  });

  describe('in mode nosync', () => {
    it('lets every record go in the turn in which it comes, a commit or not', () => {
      expectBatches(NOSYNC, {
        source: '   -a-B-c-D|',
        expected: ' -a-b-c-d|',
        batches: { a: 'a by commit', b: 'B by commit', c: 'c by commit', d: 'D by commit' },
      });
    });

    it('lets what gathers while a write is on its way ride together', () => {
      expectBatches(NOSYNC, {
        source: '   -aBcD----|',
        settled: '  -----s-s',
        expected: ' -a---x---|',
        batches: { a: 'a by commit', x: 'BcD by commit' },
      });
    });

    it('has no clock', () => {
      const scheduler = countingScheduler();
      expectBatches(NOSYNC, {
        source: '   -ab--',
        settled: '  ---s-',
        scheduler,
        expected: ' -a-b-',
        batches: { a: 'a by commit', b: 'b by commit' },
      });
      expect(scheduler.delayed).toBe(0);
      expect(scheduler.pending).toBe(0);
    });
  });

  describe('in mode batch', () => {
    it('ends a batch by the clock, by its number, or by the end', () => {
      expectBatches(within(4, 3), {
        source: '   -a-------bcd--e-|',
        expected: ' -----a-----x----(e|)',
        batches: { a: 'a by delay', x: 'bcd by count', e: 'e by close' },
      });
    });

    it('lets the clock alone let a lone record go: no second one has to come', () => {
      expectBatches(within(5), {
        source: '   -a-------------',
        expected: ' ------a--------',
        batches: { a: 'a by delay' },
      });
    });

    it('starts the clock at the first record of a batch, not before and not again', () => {
      expectBatches(within(5), {
        source: '   ---a-b-c--------d-----',
        expected: ' --------x------------d',
        batches: { x: 'abc by delay', d: 'd by delay' },
      });
    });

    it('does not ask whether a record is a commit', () => {
      expectBatches(within(3, 2), {
        source: '   -A-----BC--',
        expected: ' ----a---x--',
        batches: { a: 'A by delay', x: 'BC by count' },
      });
    });

    it('lets a full batch go with its last record, and gives the next one a clock of its own', () => {
      expectBatches(within(4, 2), {
        source: '   -ab-c---d--e----',
        expected: ' --x-----y------e',
        batches: { x: 'ab by count', y: 'cd by count', e: 'e by delay' },
      });
    });

    it('lets every record go at once where one is a batch', () => {
      const scheduler = countingScheduler();
      expectBatches(within(4, 1), {
        source: '   -a-b-',
        scheduler,
        expected: ' -a-b-',
        batches: { a: 'a by count', b: 'b by count' },
      });
      expect(scheduler.scheduled).toBe(0);
    });

    it('takes together what comes at once where the delay is nothing', () => {
      expectBatches(within(0), {
        source: '   (abc)-d',
        expected: ' x-----d',
        batches: { x: 'abc by delay', d: 'd by delay' },
      });
    });

    it('schedules one action for each wait, and none while nothing waits', () => {
      const scheduler = countingScheduler();
      const pending: [number, number][] = [];
      virtualTime(({ hot, expectObservable }) => {
        const source = hot('  50ms a 99ms b--c 997ms d ', frames);
        const expected = '    60ms a 99ms x    997ms ---d';
        for (const at of [0, 49, 51, 61, 149, 151, 161, 1000]) {
          asyncScheduler.schedule(() => pending.push([at, scheduler.pending]), at);
        }
        expectObservable(source.pipe(batch({ durability: within(10), scheduler }), map(told))).toBe(expected, {
          a: 'a by delay',
          x: 'bc by delay',
          d: 'd by delay',
        });
      });
      expect(pending).toEqual([
        [0, 0],
        [49, 0],
        [51, 1],
        [61, 0],
        [149, 0],
        [151, 1],
        [161, 0],
        [1000, 0],
      ]);
      expect(scheduler.scheduled).toBe(3);
      expect(scheduler.pending).toBe(0);
    });

    it('lets a delay that comes due while a commit is on its way leave the moment that returns', () => {
      expectBatches(within(4), {
        source: '   -a-----b--------c------',
        settled: '  -------------s----s----',
        expected: ' -----a-------b------c--',
        batches: { a: 'a by delay', b: 'b by delay', c: 'c by delay' },
      });
    });

    it('lets all that has gathered leave with it', () => {
      expectBatches(within(3, 3), {
        source: '   -a---b--cdefg---',
        settled: '  --------------s-',
        expected: ' ----a---------x-',
        batches: { a: 'a by delay', x: 'bcdefg by delay' },
      });
    });

    it('lets a number that comes together while a commit is on its way leave the moment that returns', () => {
      expectBatches(within(9, 2), {
        source: '   (ab)cde---',
        settled: '  --------s-',
        expected: ' x-------y-',
        batches: { x: 'ab by count', y: 'cde by count' },
      });
    });

    it('goes on with the wait where a commit returns before the delay is over', () => {
      expectBatches(within(6), {
        source: '   a-------b-----------',
        settled: '  ----------s---------',
        expected: ' ------a-------b-----',
        batches: { a: 'a by delay', b: 'b by delay' },
      });
    });
  });

  describe('in mode adaptive', () => {
    it('keeps a steady cadence: the wait is the interval less what the last flush took', () => {
      expectBatches(every(10), {
        source: '   a---b---------c---------|',
        settled: '  ------------s---------s--',
        expected: ' ----------x---------c---(|)',
        batches: { x: 'ab by cadence', c: 'c by cadence' },
      });
    });

    it('starts 80 ms later where a flush took 20 of 100', () => {
      expectBatches(every(100), {
        source: '   50ms  a 59ms b        ',
        settled: '  120ms s 99ms  s       ',
        expected: ' 100ms x 99ms  y       ',
        batches: { x: 'a by cadence', y: 'b by cadence' },
      });
    });

    it('starts 80 ms later for a record that comes after the flush, too', () => {
      expectBatches(every(100), {
        source: '   50ms  a 79ms b        ',
        settled: '  120ms s 99ms  s       ',
        expected: ' 100ms x 99ms  y       ',
        batches: { x: 'a by cadence', y: 'b by cadence' },
      });
    });

    it('starts at once where a flush took 120 of 100', () => {
      expectBatches(every(100), {
        source: '   50ms  a 99ms  b 49ms c',
        settled: '  220ms s',
        expected: ' 100ms x 119ms y',
        batches: { x: 'a by cadence', y: 'bc by cadence' },
      });
    });

    it('starts at once where a flush took as long as the interval', () => {
      expectBatches(every(100), {
        source: '   50ms  a 99ms  b        ',
        settled: '  200ms s',
        expected: ' 100ms x 99ms  y ',
        batches: { x: 'a by cadence', y: 'b by cadence' },
      });
    });

    it('goes on from a flush that took too long: the next one is an interval behind it', () => {
      expectBatches(every(100), {
        source: '   50ms  a 99ms  b 149ms c',
        settled: '  220ms s 19ms  s       ',
        expected: ' 100ms x 119ms y 99ms  z',
        batches: { x: 'a by cadence', y: 'b by cadence', z: 'c by cadence' },
      });
    });

    it('lets the first record wait for the first tick', () => {
      expectBatches(every(10), {
        source: '   ---a--------',
        expected: ' ----------a-',
        batches: { a: 'a by cadence' },
      });
    });

    it('lets the first record after idling wait for the next tick of the grid', () => {
      expectBatches(every(100), {
        source: '   50ms  a 1183ms b',
        settled: '  120ms s',
        expected: ' 100ms a 1199ms b',
        batches: { a: 'a by cadence', b: 'b by cadence' },
      });
    });

    it('lets a record that comes on a tick go at once', () => {
      expectBatches(every(100), {
        source: '   50ms  a 1249ms b',
        settled: '  120ms s',
        expected: ' 100ms a 1199ms b',
        batches: { a: 'a by cadence', b: 'b by cadence' },
      });
    });

    it('keeps its grid, though a commit that nobody waits for returns', () => {
      expectBatches(every(10), {
        source: '   a---------------------------------b-------',
        settled: '  ------------s--------------------s--------',
        expected: ' ----------a-----------------------------b-',
        batches: { a: 'a by cadence', b: 'b by cadence' },
      });
    });

    it('has no clock while it is idle, however long', () => {
      const scheduler = countingScheduler();
      expectBatches(every(10), {
        source: '   5ms a 10s b 10s |',
        settled: '  12ms s 10s s',
        scheduler,
        expected: ' 10ms a 9999ms b 9996ms |',
        batches: { a: 'a by cadence', b: 'b by cadence' },
      });
      expect(scheduler.scheduled).toBe(2);
      expect(scheduler.pending).toBe(0);
    });

    it('has no clock while a commit is on its way: the cadence is known when it returns', () => {
      const scheduler = countingScheduler();
      expectBatches(every(10), {
        source: '   a----------bc-d----',
        settled: '  -------------------',
        scheduler,
        expected: ' ----------a--------',
        batches: { a: 'a by cadence' },
      });
      expect(scheduler.scheduled).toBe(1);
    });

    it('lets every record go at once where the interval is nothing', () => {
      expectBatches(every(0), {
        source: '   -a-(bc)-',
        expected: ' -a-(bc)-',
        batches: { a: 'a by cadence', b: 'b by cadence', c: 'c by cadence' },
      });
    });

    it('takes a barrier for a flush like any other: the cadence goes on from there', () => {
      expectBatches(every(10), {
        source: '   -a----b---------',
        barriers: ' ----s-----------',
        expected: ' ----a---------b-',
        batches: { a: 'a by barrier + sync', b: 'b by cadence' },
      });
    });

    describe('on a clock that jumps', () => {
      it('back: costs one interval at the most, and keeps the cadence from there', () => {
        expectBatches(every(100), {
          source: '   50ms  a 109ms b 109ms c',
          scheduler: countingScheduler((now) => (now >= 150 ? now - 1_000_000 : now)),
          expected: ' 100ms a 159ms b 99ms  c',
          batches: { a: 'a by cadence', b: 'b by cadence', c: 'c by cadence' },
        });
      });

      it('forward: costs one interval at the most, and keeps the cadence from there', () => {
        expectBatches(every(100), {
          source: '   50ms  a 109ms b 109ms c',
          scheduler: countingScheduler((now) => (now >= 150 ? now + 1_000_030 : now)),
          expected: ' 100ms a 69ms b 99ms  c',
          batches: { a: 'a by cadence', b: 'b by cadence', c: 'c by cadence' },
        });
      });

      it('back while a commit is on its way: costs one interval at the most', () => {
        expectBatches(every(100), {
          source: '   50ms  a 59ms b',
          settled: '  120ms s',
          scheduler: countingScheduler((now) => (now >= 110 ? now - 1_000_000 : now)),
          expected: ' 100ms a 119ms b',
          batches: { a: 'a by cadence', b: 'b by cadence' },
        });
      });

      it('forward while a commit is on its way: looks like a flush that took too long', () => {
        expectBatches(every(100), {
          source: '   50ms  a 59ms b',
          settled: '  120ms s',
          scheduler: countingScheduler((now) => (now >= 110 ? now + 1_000_000 : now)),
          expected: ' 100ms a 19ms b',
          batches: { a: 'a by cadence', b: 'b by cadence' },
        });
      });

      it('anywhere, by anything: no record waits longer than an interval', () => {
        fc.assert(
          fc.property(
            fc.array(fc.integer({ min: -1_000_000, max: 1_000_000 }), { minLength: 1, maxLength: 20 }),
            fc.array(fc.integer({ min: 1, max: 250 }), { minLength: 1, maxLength: 10 }),
            (jumps, gaps) => {
              const clock = new VirtualTimeScheduler();
              let asked = 0;
              const scheduler = {
                now: () => clock.now() + jumps[(asked += 1) % jumps.length]!,
                schedule: clock.schedule.bind(clock),
              };
              const source$ = new Subject<Frame>();
              const waits: number[] = [];
              let came: number[] = [];
              source$.pipe(batch({ durability: every(100), scheduler })).subscribe(() => {
                waits.push(...came.map((at) => clock.now() - at));
                came = [];
              });
              let at = 0;
              for (const gap of gaps) {
                at += gap;
                clock.schedule(() => {
                  came.push(clock.now());
                  source$.next(frameOf('a'));
                }, at);
              }
              clock.flush();
              expect(waits).toHaveLength(gaps.length);
              expect(Math.min(...waits)).toBeGreaterThanOrEqual(0);
              expect(Math.max(...waits)).toBeLessThanOrEqual(100);
            },
          ),
        );
      });
    });
  });

  describe('background$', () => {
    it('false stops the clock: records wait for their number, a barrier, or the end', () => {
      expectBatches(within(3, 2), {
        source: '    -a------b-c------d-|',
        background: '0-------------------',
        barriers: '  -------------s------',
        expected: '  --------x----y-----(d|)',
        batches: { x: 'ab by count', y: 'c by barrier + sync', d: 'd by close' },
      });
    });

    it('false stops a clock that runs', () => {
      const scheduler = countingScheduler();
      expectBatches(within(5), {
        source: '    -a----------',
        background: '---0--------',
        scheduler,
        expected: '  ------------',
      });
      expect(scheduler.pending).toBe(0);
    });

    it('true starts it again for what waits', () => {
      expectBatches(within(5), {
        source: '    -a-------b-------',
        background: '---0---1---------',
        expected: '  ------------x----',
        batches: { x: 'ab by delay' },
      });
    });

    it('true starts nothing where nothing waits', () => {
      const scheduler = countingScheduler();
      expectBatches(within(5), {
        source: '    -----------a-----',
        background: '---0---1---------',
        scheduler,
        expected: '  ----------------a',
        batches: { a: 'a by delay' },
      });
      expect(scheduler.scheduled).toBe(1);
    });

    it('true changes nothing where it runs', () => {
      const scheduler = countingScheduler();
      expectBatches(within(5), {
        source: '    -a------',
        background: '1--1----',
        scheduler,
        expected: '  ------a-',
        batches: { a: 'a by delay' },
      });
      expect(scheduler.scheduled).toBe(1);
    });

    it('stops and starts the cadence of mode adaptive; the grid stays', () => {
      expectBatches(every(10), {
        source: '    -a-----------------b-----------',
        background: '--0-----------1----------------',
        expected: '  --------------------x----------',
        batches: { x: 'ab by cadence' },
      });
    });

    it('is nothing to a mode that has no clock', () => {
      for (const durability of [SYNC, NOSYNC]) {
        expectBatches(durability, {
          source: '    -a-b-',
          background: '0--1-',
          expected: '  -a-b-',
          batches: { a: 'a by commit', b: 'b by commit' },
        });
      }
    });
  });
});
