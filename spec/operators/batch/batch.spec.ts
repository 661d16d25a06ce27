import { EMPTY, NEVER, Subject, VirtualTimeScheduler, map, take, tap, throwError } from 'rxjs';
import fc from 'fast-check';
import { batch, type BatchOptions } from '../../../src/operators/batch';
import { virtualTime } from '../../../src/testing/virtualTime';
import type { Barrier, Batch, Durability, Frame } from '../../../src/types';
import { countingScheduler, synchronousSource } from '../helpers';
import {
  frameWith,
  frames,
  barriers,
  PART_BYTES,
  MAX_COMMIT_BYTES,
  framesOf,
  told,
  expectBatches,
  SYNC,
  NOSYNC,
  within,
  every,
  MODES,
  CLOCKED,
} from './pictures';

describe('batch', () => {
  describe('from within its own output', () => {
    /** What comes out where `react` may push something in, and how deep inside another batch it does. */
    function reactingTo(
      options: BatchOptions,
      react: (word: string, push: (letters: string) => void) => void,
      begin: (push: (letters: string) => void) => void,
    ): string[] {
      const clock = new VirtualTimeScheduler();
      const source$ = new Subject<Frame>();
      const words: string[] = [];
      let depth = 0;
      const push = (letters: string): void => {
        for (const letter of letters) {
          if (letter === '|') source$.complete();
          else source$.next(frames[letter]!);
        }
      };
      source$.pipe(batch({ ...options, scheduler: clock })).subscribe({
        next: (each) => {
          depth += 1;
          const word = told(each);
          words.push(depth > 1 ? `${word} inside another` : word);
          react(word, push);
          depth -= 1;
        },
        complete: () => words.push('end'),
      });
      begin(push);
      clock.flush();
      return words;
    }

    it('a frame that is pushed in leaves behind the batch that is on its way out, not inside it', () => {
      const words = reactingTo(
        {},
        (word, push) => {
          if (word === 'a by commit') push('bc');
        },
        (push) => {
          push('a');
        },
      );
      expect(words).toEqual(['a by commit', 'bc by commit']);
    });

    it('a frame that is pushed in belongs to the next batch, and to no other', () => {
      const words = reactingTo(
        { durability: within(1000, 2) },
        (word, push) => {
          if (word === 'ab by count') push('c');
          if (word === 'cd by count') push('ef');
        },
        (push) => {
          push('abd|');
        },
      );
      expect(words).toEqual(['ab by count', 'cd by count', 'ef by count', 'end']);
    });

    it('a frame that is pushed in starts the clock of the next batch', () => {
      virtualTime(({ hot, expectObservable }) => {
        const source$ = new Subject<Frame>();
        hot('              -a---------', frames).subscribe(source$);
        const expected = ' ----a--b---';
        expectObservable(
          source$.pipe(
            batch({ durability: within(3) }),
            map(told),
            tap((word) => {
              if (word === 'a by delay') source$.next(frames['b']!);
            }),
          ),
        ).toBe(expected, { a: 'a by delay', b: 'b by delay' });
      });
    });

    it('a barrier takes its turn', () => {
      const barriers$ = new Subject<Barrier>();
      const words = reactingTo(
        { barriers$ },
        (word, push) => {
          if (word !== 'a by commit') return;
          push('B');
          barriers$.next(barriers['r']!);
          push('c');
        },
        (push) => {
          push('a');
        },
      );
      expect(words).toEqual(['a by commit', 'B by barrier + rotate', 'c by commit']);
    });

    it('the end lets out what waits, behind the batch that is on its way out', () => {
      const words = reactingTo(
        {},
        (word, push) => {
          if (word === 'a by commit') push('B|');
        },
        (push) => {
          push('a');
        },
      );
      expect(words).toEqual(['a by commit', 'B by close', 'end']);
    });

    it('a commit that returns lets the next batch go, behind the one that is on its way out', () => {
      const settled$ = new Subject<void>();
      const barriers$ = new Subject<Barrier>();
      const words = reactingTo(
        { settled$, barriers$ },
        (word, push) => {
          if (word === 'a by commit') push('b');
          if (word === 'b by commit') {
            push('C');
            barriers$.next(barriers['s']!);
          }
          settled$.next();
          if (word === 'C by barrier + sync') push('d|');
        },
        (push) => {
          push('a');
        },
      );
      expect(words).toEqual(['a by commit', 'b by commit', 'C by barrier + sync', 'd by close', 'end']);
    });

    it('leaving stops everything: no batch follows, and no clock is left', () => {
      for (const durability of [SYNC, NOSYNC, ...CLOCKED]) {
        virtualTime(() => {
          const scheduler = countingScheduler();
          const source$ = new Subject<Frame>();
          const barriers$ = new Subject<Barrier>();
          const words: string[] = [];
          source$.pipe(batch({ durability, barriers$, scheduler }), take(1)).subscribe((each) => {
            words.push(told(each));
            source$.next(frames['b']!);
          });
          barriers$.next(barriers['s']!);
          source$.next(frames['c']!);
          expect(words).toEqual(['nothing by barrier + sync']);
          expect(scheduler.pending).toBe(0);
        });
      }
    });
  });

  describe('its subscriptions', () => {
    const four = {
      source: '    -a----',
      settled: '   ---s--',
      barriers: '  ----s-',
      background: '1-----',
    };

    it('begin with its own, and end when it is left', () => {
      expectBatches(SYNC, {
        ...four,
        unsub: '     -----!',
        expected: '  -a--s-',
        batches: { a: 'a by commit', s: 'nothing by barrier + sync' },
        subs: { source: '^----!', settled: '^----!', barriers: '^----!', background: '^----!' },
      });
    });

    it('end when it ends', () => {
      expectBatches(SYNC, {
        ...four,
        source: '    -a|',
        expected: '  -a-|',
        batches: { a: 'a by commit' },
        subs: { source: '^-!', settled: '^--!', barriers: '^--!', background: '^--!' },
      });
    });

    it.each(['settled', 'barriers', 'background'] as const)('end, and so does it, with an error of %s$', (which) => {
      expectBatches(within(50), {
        ...four,
        barriers: '  ------',
        [which]: '   --#',
        expected: '  --#',
        subs: { source: '^-!', settled: '^-!', barriers: '^-!', background: '^-!' },
      });
    });

    it('do not end with barriers$ or background$', () => {
      expectBatches(within(2), {
        source: '    -a--b--',
        barriers: '  s-|',
        background: '1-|',
        expected: '  s--a--b',
        batches: { s: 'nothing by barrier + sync', a: 'a by delay', b: 'b by delay' },
      });
    });

    it('leave no clock when it is left', () => {
      for (const durability of CLOCKED) {
        const scheduler = countingScheduler();
        expectBatches(durability, {
          source: '   -a---',
          scheduler,
          unsub: '    --!',
          expected: ' ---',
          subs: { source: '  ^-!' },
        });
        expect(scheduler.scheduled).toBe(1);
        expect(scheduler.pending).toBe(0);
      }
    });

    it('have nothing to do with those of another subscriber', () => {
      virtualTime(({ cold, expectObservable }) => {
        const source = cold('      -aB-c|', frames);
        const expected = '         -a--x|';
        const later = '     ---^------';
        const expectedLater = ' ----a--x|';
        const batches$ = source.pipe(batch(), map(told));
        const batches = { a: 'a by commit', x: 'Bc by commit' };
        expectObservable(batches$).toBe(expected, batches);
        expectObservable(batches$, later).toBe(expectedLater, batches);
      });
    });
  });

  it('asks a source that hands out everything at once for no more than is wanted', () => {
    const { source$, asked } = synchronousSource([frames['a']!, frames['b']!, frames['c']!]);
    const words: string[] = [];
    source$.pipe(batch({ durability: within(5, 1) }), take(1)).subscribe((each) => words.push(told(each)));
    expect(words).toEqual(['a by count']);
    expect(asked).toHaveLength(1);
  });

  it('does not ask a source at all where a notifier has failed already', () => {
    const { source$, asked } = synchronousSource([frames['a']!]);
    let error: unknown;
    source$.pipe(batch({ barriers$: throwError(() => new Error('gone')) })).subscribe({
      error: (failure: unknown) => {
        error = failure;
      },
    });
    expect(error).toEqual(new Error('gone'));
    expect(asked).toEqual([]);
  });

  it('is empty where its source is', () => {
    for (const durability of MODES) {
      expectBatches(durability, { source: '|', expected: '|', subs: { source: '(^!)' } });
    }
  });

  it('never ends where its source never does', () => {
    for (const durability of MODES) {
      const scheduler = countingScheduler();
      expectBatches(durability, { source: '-', scheduler, expected: '-', subs: { source: '^' } });
      expect(scheduler.scheduled).toBe(0);
    }
  });

  it('takes notifiers that are empty, or never do anything, for none', () => {
    for (const notifier$ of [EMPTY, NEVER]) {
      const words: string[] = [];
      const source$ = new Subject<Frame>();
      source$
        .pipe(batch({ durability: within(5, 2), barriers$: notifier$, background$: notifier$ }))
        .subscribe((each) => words.push(told(each)));
      for (const letter of 'ab') source$.next(frames[letter]!);
      expect(words).toEqual(['ab by count']);
    }
  });

  describe('whatever happens', () => {
    interface Event {
      /** Milliseconds since the event before. */
      readonly gap: number;
      readonly what: 'frame' | 'commit' | 's' | 'f' | 'r' | 'k' | 'off' | 'on';
    }
    interface Departure {
      readonly batch: Batch;
      readonly at: number;
      /** When the commit before it had returned. */
      readonly freeAt: number;
    }
    interface Run {
      /** Frames, by LSN, and barriers, as they came. */
      readonly came: readonly (number | Barrier)[];
      /** When each frame came, by LSN. */
      readonly cameAt: ReadonlyMap<number, number>;
      readonly barriersCameAt: ReadonlyMap<Barrier, number>;
      readonly left: readonly Departure[];
      /** Batches that left while another was on its way, or behind the end. */
      readonly wrong: readonly string[];
      readonly ended: string;
    }

    const modes = fc.constantFrom<Durability>(SYNC, NOSYNC, within(7, 3), within(4), within(0, 2), every(9), every(0));
    const what = fc.constantFrom<Event['what']>('frame', 'frame', 'commit', 'commit', 's', 'f', 'r', 'k', 'off', 'on');
    const events = fc.array(fc.record<Event>({ gap: fc.integer({ min: 0, max: 12 }), what }), { maxLength: 40 });
    const latencies = fc.array(fc.integer({ min: 0, max: 25 }), { minLength: 1, maxLength: 8 });
    /** How many frames fill what one commit may have: more than there are, all but none, or each by itself. */
    const sizes = fc.constantFrom(1, PART_BYTES / 3, PART_BYTES / 2, PART_BYTES);

    /** Lets events come, and each commit take its latency; then the source ends. */
    function run(
      mode: Durability,
      all: readonly Event[],
      delays: readonly number[],
      end: 'end' | 'error' = 'end',
      frameBytes = 1,
    ): Run {
      const clock = new VirtualTimeScheduler();
      const source$ = new Subject<Frame>();
      const settled$ = new Subject<void>();
      const barriers$ = new Subject<Barrier>();
      const background$ = new Subject<boolean>();
      const came: (number | Barrier)[] = [];
      const cameAt = new Map<number, number>();
      const barriersCameAt = new Map<Barrier, number>();
      const left: Departure[] = [];
      const wrong: string[] = [];
      let onItsWay = 0;
      let freeAt = 0;
      let ended = '';
      source$.pipe(batch({ durability: mode, settled$, barriers$, background$, scheduler: clock })).subscribe({
        next: (each) => {
          if (onItsWay > 0 || ended !== '') wrong.push(told(each));
          onItsWay += 1;
          left.push({ batch: each, at: clock.now(), freeAt });
          const returns = (): void => {
            onItsWay -= 1;
            freeAt = clock.now();
            settled$.next();
          };
          const latency = delays[left.length % delays.length]!;
          if (latency === 0) returns();
          else clock.schedule(returns, latency);
        },
        error: () => (ended = 'error'),
        complete: () => (ended = 'end'),
      });
      const happen = (event: Event['what']): void => {
        if (event === 'off' || event === 'on') {
          background$.next(event === 'on');
        } else if (event === 'frame' || event === 'commit') {
          const lsn = cameAt.size + 1;
          came.push(lsn);
          cameAt.set(lsn, clock.now());
          source$.next(frameWith(lsn, event === 'commit', frameBytes));
        } else {
          const barrier = { ...barriers[event]! };
          came.push(barrier);
          barriersCameAt.set(barrier, clock.now());
          barriers$.next(barrier);
        }
      };
      let at = 0;
      for (const event of all) {
        at += event.gap;
        clock.schedule(() => happen(event.what), at);
      }
      clock.schedule(() => (end === 'end' ? source$.complete() : source$.error(new Error('gone'))), at);
      clock.flush();
      return { came, cameAt, barriersCameAt, left, wrong, ended };
    }

    it('nothing is dropped or repeated, and frames and barriers keep their order', () => {
      fc.assert(
        fc.property(
          modes,
          events,
          latencies,
          fc.constantFrom('end', 'error'),
          sizes,
          (mode, all, delays, end, size) => {
            const { came, left, wrong, ended } = run(mode, all, delays, end, size);
            expect(ended).toBe(end);
            expect(wrong).toEqual([]);
            const lsns = left.flatMap(({ batch: each }) => framesOf(each).map(({ lsn }) => lsn));
            expect(lsns).toEqual(came.filter((each) => typeof each === 'number'));
            const answered = left.flatMap((each) => each.batch.barriers);
            expect(answered).toEqual(came.filter((each) => typeof each !== 'number'));
          },
        ),
        { numRuns: 300 },
      );
    });

    it('a barrier waits for nothing but the commits before it', () => {
      fc.assert(
        fc.property(modes, events, latencies, sizes, (mode, all, delays, size) => {
          const { left, barriersCameAt } = run(mode, all, delays, 'end', size);
          for (const { batch: each, at, freeAt } of left) {
            const bound = each.barriers.map((barrier) => Math.max(barriersCameAt.get(barrier)!, freeAt));
            expect(at).toBeLessThanOrEqual(Math.min(Infinity, ...bound));
          }
        }),
        { numRuns: 300 },
      );
    });

    it('a barrier leaves behind everything before it, and a hard one before everything behind it', () => {
      fc.assert(
        fc.property(modes, events, latencies, sizes, (mode, all, delays, size) => {
          const { came, left } = run(mode, all, delays, 'end', size);
          for (const [index, barrier] of came.entries()) {
            if (typeof barrier === 'number') continue;
            const carrier = left.findIndex((each) => each.batch.barriers.includes(barrier));
            const out = left.slice(0, carrier + 1).reduce((sum, each) => sum + each.batch.records, 0);
            const before = came.slice(0, index).filter((each) => typeof each === 'number').length;
            const hard = barrier.kind === 'rotate' || barrier.kind === 'checkpoint';
            expect(out).toBeGreaterThanOrEqual(before);
            expect(out).toBeLessThanOrEqual(hard ? before : came.length);
          }
        }),
        { numRuns: 300 },
      );
    });

    it('a barrier is not overtaken by a batch of what came behind it', () => {
      fc.assert(
        fc.property(modes, events, latencies, sizes, (mode, all, delays, size) => {
          const { came, left } = run(mode, all, delays, 'end', size);
          for (const [index, barrier] of came.entries()) {
            if (typeof barrier === 'number') continue;
            const before = came.slice(0, index).filter((each) => typeof each === 'number').length;
            const carrier = left.findIndex((each) => each.batch.barriers.includes(barrier));
            const overtook = left.slice(0, carrier).filter(({ batch: each }) => each.firstLsn > before);
            expect(overtook.map(({ batch: each }) => told(each))).toEqual([]);
          }
        }),
        { numRuns: 300 },
      );
    });

    it('no batch is of nothing', () => {
      fc.assert(
        fc.property(modes, events, latencies, sizes, (mode, all, delays, size) => {
          for (const { batch: each } of run(mode, all, delays, 'end', size).left) {
            expect(each.records + each.barriers.length).toBeGreaterThan(0);
            expect(each.bytes).toBe(each.records * size);
          }
        }),
        { numRuns: 300 },
      );
    });

    it('only a barrier or the end cuts behind a record that is no commit, in mode sync', () => {
      fc.assert(
        fc.property(events, latencies, sizes, (all, delays, size) => {
          const { left } = run(SYNC, all, delays, 'end', size);
          const cuts = left.filter((each) => framesOf(each.batch).at(-1)?.commit === false);
          expect(cuts.map((each) => each.batch.reason).filter((why) => why !== 'barrier' && why !== 'close')).toEqual(
            [],
          );
        }),
        { numRuns: 300 },
      );
    });

    it('a batch has no more than one commit may have, and what rides up to the commit record that ends it', () => {
      fc.assert(
        fc.property(modes, events, latencies, sizes, (mode, all, delays, size) => {
          for (const { batch: each } of run(mode, all, delays, 'end', size).left) {
            const some = framesOf(each);
            const ends = some.findIndex((_, at) => (at + 1) * size >= MAX_COMMIT_BYTES);
            const counts = mode.mode === 'sync' ? some.slice(0, -1).map(({ commit }) => commit) : some.slice(0, -1);
            // Nothing that could end a batch stands between the place where it was full and its end.
            expect(ends < 0 ? [] : counts.slice(ends).filter(Boolean)).toEqual([]);
          }
        }),
        { numRuns: 300 },
      );
    });

    it('no record waits longer than its mode says, or than for the commits before it', () => {
      const alwaysOn = events.map((all) => all.filter(({ what: each }) => each !== 'off'));
      /** When a record that came then, when the line was free since then, has to leave. */
      const latest = (mode: Durability, came: number, freeAt: number): number => {
        if (mode.mode === 'batch') return Math.max(came + mode.maxDelayMs, freeAt);
        if (mode.mode === 'adaptive') return Math.max(came, freeAt) + mode.targetIntervalMs;
        return Math.max(came, freeAt);
      };
      fc.assert(
        fc.property(modes, alwaysOn, latencies, sizes, (mode, all, delays, size) => {
          const { left, cameAt } = run(mode, all, delays, 'end', size);
          for (const { batch: each, at, freeAt } of left) {
            const bound = framesOf(each)
              .filter(({ commit }) => commit || mode.mode !== 'sync')
              .map(({ lsn }) => latest(mode, cameAt.get(lsn)!, freeAt));
            expect(at).toBeLessThanOrEqual(Math.min(Infinity, ...bound));
          }
        }),
        { numRuns: 300 },
      );
    });

    it('a clock lets a batch go no sooner than it is due', () => {
      fc.assert(
        fc.property(events, latencies, (all, delays) => {
          const { left, cameAt } = run(within(7, 3), all, delays);
          const byClock = left.filter((each) => each.batch.reason === 'delay');
          const waits = byClock.map((each) => each.at - cameAt.get(each.batch.firstLsn)!);
          expect(waits.filter((wait) => !(wait >= 7))).toEqual([]);
        }),
        { numRuns: 300 },
      );
    });
  });
});
