import { NEVER, Subject, VirtualTimeScheduler, from, map, mergeMap, of } from 'rxjs';
import { batch, type BatchOptions } from '../../../src/operators/batch';
import { virtualTime } from '../../../src/testing/virtualTime';
import type { Barrier, Batch, Durability, Frame } from '../../../src/types';
import {
  frameWith,
  frames,
  barriers,
  PART_RECORDS,
  PART_BYTES,
  framesOf,
  SYNC,
  NOSYNC,
  within,
  every,
  MODES,
} from './pictures';

describe('batch', () => {
  describe('the runs of a batch', () => {
    /** The frames with these places, in one buffer, one behind the other where they meet. */
    const inOneBuffer = (...places: readonly (readonly [start: number, end: number])[]): Frame[] => {
      const buffer = new Uint8Array(100);
      return places.map(([start, end], index) => ({
        kind: 'record',
        lsn: index + 1,
        buffer,
        start,
        end,
        commit: index !== 1,
      }));
    };
    const batchOf = (all: readonly Frame[], durability: Durability = SYNC): Batch[] => {
      const batches: Batch[] = [];
      from(all)
        .pipe(batch({ durability }))
        .subscribe((each) => batches.push(each));
      return batches;
    };
    const placesOf = ({ runs }: Batch): number[][] => runs.map(({ start, end }) => [start, end]);

    it('are one where all stand side by side', () => {
      for (const durability of MODES) {
        const [each] = batchOf(inOneBuffer([3, 20], [20, 36], [36, 90]), durability);
        expect(each).toMatchObject({ records: 3, firstLsn: 1, lastLsn: 3, bytes: 87 });
        expect(placesOf(each!)).toEqual([[3, 90]]);
      }
    });

    it('end where the bytes do not go on', () => {
      const [each] = batchOf(inOneBuffer([0, 20], [24, 40], [40, 60], [0, 20]));
      expect(placesOf(each!)).toEqual([
        [0, 20],
        [24, 60],
        [0, 20],
      ]);
      expect(each!.bytes).toBe(76);
    });

    it('end where another buffer begins', () => {
      const [one] = inOneBuffer([0, 20]);
      const [, two] = inOneBuffer([0, 20], [20, 40]);
      const [each] = batchOf([one!, two!]);
      expect(each!.runs).toEqual([
        { buffer: one!.buffer, start: 0, end: 20 },
        { buffer: two!.buffer, start: 20, end: 40 },
      ]);
      expect(each!.runs[0]!.buffer).toBe(one!.buffer);
    });

    it('are none where there is only a barrier', () => {
      const batches: Batch[] = [];
      NEVER.pipe(batch({ barriers$: of(barriers['s']!) })).subscribe((each) => batches.push(each));
      expect(batches).toEqual([
        { runs: [], records: 0, firstLsn: 0, lastLsn: 0, bytes: 0, reason: 'barrier', barriers: [{ kind: 'sync' }] },
      ]);
    });

    it('of a batch that has left do not grow', () => {
      const clock = new VirtualTimeScheduler();
      const source$ = new Subject<Frame>();
      const batches: Batch[] = [];
      source$.pipe(batch({ scheduler: clock })).subscribe((each) => batches.push(each));
      for (const frame of inOneBuffer([0, 20], [20, 40], [40, 60])) {
        source$.next(frame);
        clock.flush();
      }
      expect(batches.map(placesOf)).toEqual([[[0, 20]], [[20, 60]]]);
    });
  });

  describe('what one commit has at the most', () => {
    /** What leaves, in numbers: `4096 by commit`. */
    const counted = (each: Batch): string => {
      const waiting = each.barriers.map(({ kind }) => ` + ${kind}`).join('');
      return `${each.records} by ${each.reason}${waiting}`;
    };
    interface Flood {
      readonly push: (count: number, commit?: boolean, bytes?: number) => void;
      readonly bar: (letter: string) => void;
      readonly settle: () => void;
      readonly end: () => void;
      readonly words: string[];
      readonly lsns: number[];
      readonly clock: VirtualTimeScheduler;
    }
    /** Commits return when they are told to; `words` are the batches that have left. */
    const flood = ({ settles = true, ...options }: BatchOptions & { readonly settles?: boolean } = {}): Flood => {
      const clock = new VirtualTimeScheduler();
      const source$ = new Subject<Frame>();
      const settled$ = new Subject<void>();
      const barriers$ = new Subject<Barrier>();
      const words: string[] = [];
      const lsns: number[] = [];
      let lsn = 0;
      source$.pipe(batch({ ...options, ...(settles && { settled$ }), barriers$, scheduler: clock })).subscribe({
        next: (each) => {
          words.push(counted(each));
          lsns.push(...framesOf(each).map((frame) => frame.lsn));
        },
        complete: () => words.push('end'),
      });
      return {
        push: (count, commit = true, bytes = 1) => {
          for (let index = 0; index < count; index += 1) source$.next(frameWith((lsn += 1), commit, bytes));
        },
        bar: (letter) => {
          barriers$.next(barriers[letter]!);
        },
        settle: () => {
          settled$.next();
        },
        end: () => {
          source$.complete();
        },
        words,
        lsns,
        clock,
      };
    };
    const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);
    const CAP = PART_RECORDS;

    it.each([SYNC, NOSYNC])(
      'is 4,096 records: a full part leaves at once, without the end of the turn ($mode)',
      (mode) => {
        const { push, words, lsns, settle, clock } = flood({ durability: mode });
        push(CAP - 1);
        expect(words).toEqual([]);
        push(1);
        expect(words).toEqual([`${CAP} by commit`]);
        push(1);
        settle();
        expect(words).toHaveLength(1);
        clock.flush();
        expect(words).toEqual([`${CAP} by commit`, '1 by commit']);
        expect(lsns).toEqual(upTo(CAP + 1));
      },
    );

    it('is left in parts, half of those that wait for each commit', () => {
      const { push, words, lsns, settle, clock } = flood();
      push(1);
      clock.flush();
      push(3 * CAP + 5);
      clock.flush();
      expect(words).toEqual(['1 by commit']);
      for (let commits = 2; commits <= 3; commits += 1) {
        settle();
        expect(words).toHaveLength(commits);
        clock.flush();
        expect(words).toHaveLength(commits);
      }
      settle();
      clock.flush();
      settle();
      clock.flush();
      expect(words).toEqual(['1 by commit', `${2 * CAP} by commit`, `${CAP} by commit`, '5 by commit']);
      expect(lsns).toEqual(upTo(3 * CAP + 6));
    });

    it('is 65,536 records at the most, however many parts wait', () => {
      const { push, words, lsns, settle, clock } = flood();
      push(1);
      clock.flush();
      push(64 * CAP);
      for (let commits = 0; commits < 30; commits += 1) {
        settle();
        clock.flush();
      }
      expect(words.slice(0, 4)).toEqual(['1 by commit', ...Array<string>(3).fill('65536 by commit')]);
      expect(lsns).toEqual(upTo(64 * CAP + 1));
    });

    it('does not fall behind who gives three parts a turn', () => {
      const { push, words, settle, clock } = flood();
      const given = 60 * 3 * CAP;
      for (let turn = 0; turn < 60; turn += 1) {
        push(3 * CAP);
        clock.flush();
        settle();
      }
      const left = words.reduce((sum, word) => sum + parseInt(word, 10), 0);
      expect(given - left).toBeLessThanOrEqual(4 * 3 * CAP);
    });

    it('is left in parts at once where no commit is waited for', () => {
      const { push, words, lsns, clock } = flood({ settles: false });
      push(2 * CAP + 5);
      expect(words).toEqual([`${CAP} by commit`, `${CAP} by commit`]);
      clock.flush();
      expect(words).toEqual([`${CAP} by commit`, `${CAP} by commit`, '5 by commit']);
      expect(lsns).toEqual(upTo(2 * CAP + 5));
    });

    it('is 4 MiB: the record that takes it there is its last', () => {
      const { push, words, settle, clock } = flood();
      push(4, true, 1024 * 1024 - 1);
      push(2, true, 4);
      expect(words).toEqual(['5 by commit']);
      push(1, true, 100 * 1024 * 1024);
      settle();
      expect(words).toEqual(['5 by commit', '2 by commit']);
      push(1);
      settle();
      clock.flush();
      expect(words).toEqual(['5 by commit', '2 by commit', '1 by commit']);
    });

    it('ends behind a commit record: those that are none ride with the one that comes', () => {
      const { push, words, lsns, settle, clock } = flood();
      push(CAP + 10, false);
      clock.flush();
      expect(words).toEqual([]);
      push(1);
      expect(words).toEqual([`${CAP + 11} by commit`]);
      push(7, false);
      settle();
      clock.flush();
      expect(words).toHaveLength(1);
      push(1);
      clock.flush();
      expect(words).toEqual([`${CAP + 11} by commit`, '8 by commit']);
      expect(lsns).toEqual(upTo(CAP + 19));
    });

    it('leaves no batch of nothing behind, nor a word about records that are no commit', () => {
      const { push, words, settle, clock } = flood();
      push(1);
      clock.flush();
      push(CAP);
      push(3, false);
      for (let commits = 0; commits < 4; commits += 1) {
        settle();
        clock.flush();
      }
      expect(words).toEqual(['1 by commit', `${CAP} by commit`]);
    });

    it.each<[mode: Durability, reason: string]>([
      [SYNC, 'commit'],
      [NOSYNC, 'commit'],
      [within(5, CAP), 'count'],
      [within(5, CAP + 1000), 'delay'],
      [every(5), 'cadence'],
    ])('leaves no batch of nothing behind a part that was all there was (%j)', (durability, reason) => {
      const { push, words, settle, clock } = flood({ durability });
      push(CAP, true, PART_BYTES / CAP);
      clock.flush();
      for (let commits = 0; commits < 3; commits += 1) {
        settle();
        clock.flush();
      }
      expect(words).toEqual([`${CAP} by ${reason}`]);
    });

    it('leaves no batch of nothing behind at the end', () => {
      const { push, words, settle, end, clock } = flood({ durability: every(5) });
      push(2 * CAP);
      end();
      settle();
      clock.flush();
      settle();
      expect(words).toEqual([`${CAP} by close`, `${CAP} by close`, 'end']);
    });

    it('is what leaves at the end, too', () => {
      const { push, words, lsns, settle, end, clock } = flood();
      push(1);
      clock.flush();
      push(CAP + 1);
      push(1, false);
      end();
      for (let commits = 0; commits < 3; commits += 1) settle();
      expect(words).toEqual(['1 by commit', `${CAP} by close`, '2 by close', 'end']);
      expect(lsns).toEqual(upTo(CAP + 3));
    });

    it.each([
      { letter: 's', kind: 'sync' },
      { letter: 'f', kind: 'flush' },
      { letter: 'r', kind: 'rotate' },
      { letter: 'k', kind: 'checkpoint' },
    ])('$kind behind 10,000 records leaves with the last of them', ({ letter, kind }) => {
      const { push, bar, words, lsns, settle, clock } = flood();
      push(1);
      clock.flush();
      push(10_000);
      bar(letter);
      for (let commits = 0; commits < 3; commits += 1) {
        settle();
        clock.flush();
      }
      expect(words).toEqual([
        '1 by commit',
        `${CAP} by barrier`,
        `${CAP} by barrier`,
        `${10_000 - 2 * CAP} by barrier + ${kind}`,
      ]);
      expect(lsns).toEqual(upTo(10_001));
    });

    it.each([
      { letter: 's', kind: 'sync' },
      { letter: 'r', kind: 'rotate' },
    ])('$kind behind parts that are all full leaves with the last of them, and not alone', ({ letter, kind }) => {
      const { push, bar, words, settle, clock } = flood();
      push(1);
      clock.flush();
      push(2 * CAP);
      bar(letter);
      for (let commits = 0; commits < 4; commits += 1) {
        settle();
        clock.flush();
      }
      expect(words).toEqual(['1 by commit', `${CAP} by barrier`, `${CAP} by barrier + ${kind}`]);
    });

    it('does not let a barrier wait for ever, though more comes than commits take', () => {
      for (const letter of ['s', 'f']) {
        const { push, bar, words, settle, clock } = flood();
        push(1);
        clock.flush();
        push(CAP + 10);
        bar(letter);
        for (let commits = 0; commits < 3; commits += 1) {
          push(2 * CAP);
          settle();
          clock.flush();
        }
        expect(words.findIndex((word) => word.includes('+'))).toBe(1);
      }
    });

    it('what comes behind a rotate is not in its part', () => {
      const { push, bar, words, lsns, settle, clock } = flood();
      push(1);
      clock.flush();
      push(CAP + 10);
      bar('r');
      push(5);
      for (let commits = 0; commits < 3; commits += 1) {
        settle();
        clock.flush();
      }
      expect(words).toEqual(['1 by commit', `${CAP} by barrier`, '10 by barrier + rotate', '5 by commit']);
      expect(lsns).toEqual(upTo(CAP + 16));
    });

    it('is at least what a batch has by its number, in mode batch', () => {
      const { push, words, settle, clock } = flood({ durability: within(50, 10_000) });
      push(9_999);
      expect(words).toEqual([]);
      push(1);
      expect(words).toEqual(['10000 by count']);
      push(3);
      settle();
      clock.flush();
      expect(words).toEqual(['10000 by count', '3 by delay']);
    });

    it('is 4,096 records where mode batch counts to less', () => {
      const { push, words, settle } = flood({ durability: within(50, 10) });
      push(10);
      push(CAP + 10);
      for (let commits = 0; commits < 4; commits += 1) settle();
      expect(words).toEqual(['10 by count', `${CAP} by count`, '10 by count']);
    });

    it('does not unsettle the cadence of mode adaptive: a batch in many parts is one flush', () => {
      const many = Array.from({ length: 2 * CAP + 1 }, (_, index) => frameWith(index + 1));
      virtualTime(({ hot, expectObservable }) => {
        const source$ = hot('  -m---------------b---------c----', { m: many, b: [frames['b']!], c: [frames['c']!] });
        const settled$ = hot(' ------------s-s-s----s----------');
        const expected = '     ----------w-w-y-----y---------y-';
        const batches$ = source$.pipe(
          mergeMap((some) => some),
          batch({ durability: every(10), settled$ }),
          map(counted),
        );
        expectObservable(batches$).toBe(expected, { w: `${CAP} by cadence`, y: '1 by cadence' });
      });
    });
  });
});
