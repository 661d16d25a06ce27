import { NEVER, Subject, asyncScheduler } from 'rxjs';
import { batch } from '../../../src/operators/batch';
import { virtualTime } from '../../../src/testing/virtualTime';
import { countingScheduler } from '../helpers';
import { frames, barriers, expectBatches, SYNC, NOSYNC, within, MODES, CLOCKED } from './pictures';

describe('batch', () => {
  describe('a barrier', () => {
    it.each(MODES)('ends the wait: what has gathered leaves with it ($mode)', (durability) => {
      expectBatches(durability, {
        source: '   -A-B-------',
        settled: '  ---s--s----',
        barriers: ' ----s------',
        expected: durability.mode === 'nosync' ? ' -a-b--(s)' : ' ----x------',
        batches: { a: 'A by commit', b: 'B by commit', s: 'nothing by barrier + sync', x: 'AB by barrier + sync' },
      });
    });

    it.each(['sync', 'flush', 'rotate', 'checkpoint'])('leaves alone, at once, where nothing waits: %s', (kind) => {
      const letter = kind === 'checkpoint' ? 'k' : kind.charAt(0);
      expectBatches(SYNC, {
        source: '   ----',
        barriers: ` --${letter}-`,
        expected: ' --x-',
        batches: { x: `nothing by barrier + ${kind}` },
      });
    });

    it('stops the clock of the batch that it ends', () => {
      const scheduler = countingScheduler();
      expectBatches(within(5), {
        source: '   -a--------b-----',
        barriers: ' ---s------------',
        scheduler,
        expected: ' ---a-----------b',
        batches: { a: 'a by barrier + sync', b: 'b by delay' },
      });
      expect(scheduler.scheduled).toBe(2);
      expect(scheduler.pending).toBe(0);
    });

    it('waits its turn behind the commit that is on its way', () => {
      expectBatches(SYNC, {
        source: '   -a-------',
        settled: '  -----s---',
        barriers: ' --s------',
        expected: ' -a---s---',
        batches: { a: 'a by commit', s: 'nothing by barrier + sync' },
      });
    });

    it.each([
      { letter: 's', kind: 'sync' },
      { letter: 'f', kind: 'flush' },
    ])('$kind takes everything, and later frames may ride', ({ letter, kind }) => {
      expectBatches(SYNC, {
        source: '   aB-cD-------',
        settled: '  -----s------',
        barriers: ` --${letter}---------`,
        expected: ' a----x------',
        batches: { a: 'a by commit', x: `BcD by barrier + ${kind}` },
      });
    });

    it('takes the records that are no commit with it, though a commit record waits before them', () => {
      expectBatches(SYNC, {
        source: '   abC---------',
        settled: '  -----s------',
        barriers: ' ---s--------',
        expected: ' a----x------',
        batches: { a: 'a by commit', x: 'bC by barrier + sync' },
      });
    });

    it.each([
      { letter: 'r', kind: 'rotate' },
      { letter: 'k', kind: 'checkpoint' },
    ])('$kind closes the batch: later frames go into the next one', ({ letter, kind }) => {
      expectBatches(SYNC, {
        source: '   aB-cD-------',
        settled: '  -----s--s---',
        barriers: ` --${letter}---------`,
        expected: ' a----x--y---',
        batches: { a: 'a by commit', x: `B by barrier + ${kind}`, y: 'c by commit' },
      });
    });

    it('rotate closes the batch of a clock, too', () => {
      expectBatches(within(50, 2), {
        source: '   (ab)-c-d-e-------',
        settled: '  ---------s-s-----',
        barriers: ' ------r----------',
        expected: ' x--------y-z-----',
        batches: { x: 'ab by count', y: 'c by barrier + rotate', z: 'de by count' },
      });
    });

    it('shares a batch with others that wait, in their order', () => {
      expectBatches(SYNC, {
        source: '   aB-------',
        settled: '  -----s---',
        barriers: ' --fsr----',
        expected: ' a----x---',
        batches: { a: 'a by commit', x: 'B by barrier + flush + sync + rotate' },
      });
    });

    it('behind a rotate goes into the next batch, with or without a frame', () => {
      expectBatches(SYNC, {
        source: '   ab---------',
        settled: '  -----s-s-s-',
        barriers: ' --rsk------',
        expected: ' a----x-y---',
        batches: { a: 'a by commit', x: 'b by barrier + rotate', y: 'nothing by barrier + sync + checkpoint' },
      });
    });

    it('keeps the order of all that wait', () => {
      expectBatches(NOSYNC, {
        source: '   abc--d--e------------',
        settled: '  ----------s-s-s-s-s--',
        barriers: ' ---r--k--r-----------',
        expected: ' a---------x-y-z------',
        batches: {
          a: 'a by commit',
          x: 'bc by barrier + rotate',
          y: 'd by barrier + checkpoint',
          z: 'e by barrier + rotate',
        },
      });
    });

    describe('that closes a batch while a commit is on its way', () => {
      it('takes its clock with it: the next batch has a clock of its own', () => {
        expectBatches(within(10), {
          source: '   -a-b-----c-------------',
          settled: '  --------------s-s------',
          barriers: ' --s---r----------------',
          expected: ' --a-----------b----c---',
          batches: { a: 'a by barrier + sync', b: 'b by barrier + rotate', c: 'c by delay' },
        });
      });

      it('leaves no batch of nothing behind', () => {
        expectBatches(within(5), {
          source: '   -a-b-------------------',
          settled: '  ----------s-s-s--------',
          barriers: ' --s-r------------------',
          expected: ' --a-------b------------',
          batches: { a: 'a by barrier + sync', b: 'b by barrier + rotate' },
        });
      });

      it('leaves no clock behind', () => {
        const scheduler = countingScheduler();
        const pending: number[] = [];
        virtualTime(({ hot }) => {
          const settled$ = new Subject<void>();
          const barriers$ = hot('--s-r', barriers);
          hot('                  -a-b-', frames)
            .pipe(batch({ durability: within(500), settled$, barriers$, scheduler }))
            .subscribe();
          asyncScheduler.schedule(() => pending.push(scheduler.pending), 10);
        });
        expect(pending).toEqual([0]);
        expect(scheduler.scheduled).toBe(2);
      });

      it('does not set back the clock of the batch behind it when it leaves', () => {
        expectBatches(within(10), {
          source: '   -a-b--c---------------',
          settled: '  -------s-s------------',
          barriers: ' --s-r-----------------',
          expected: ' --a----b--------c-----',
          batches: { a: 'a by barrier + sync', b: 'b by barrier + rotate', c: 'c by delay' },
        });
      });
    });
  });

  describe('the end', () => {
    it.each(MODES)('lets out everything that waits ($mode)', (durability) => {
      expectBatches(durability, {
        source: '   -aB-(C|)',
        settled: '  ----------s-s',
        barriers: ' s',
        expected: ' s---------x-|',
        batches: { s: 'nothing by barrier + sync', x: 'aBC by close' },
        subs: { source: '  ^---!', settled: ' ^-----------!', barriers: '^-----------!' },
      });
    });

    it('takes the barriers with it that wait', () => {
      expectBatches(within(50), {
        source: '   -a-b-|',
        settled: '  -------s-s',
        barriers: ' --s-f',
        expected: ' --a----x-|',
        batches: { a: 'a by barrier + sync', x: 'b by close + flush' },
      });
    });

    it('lets closed batches out first', () => {
      expectBatches(SYNC, {
        source: '   abC-D|',
        settled: '  --------s-s-s',
        barriers: ' ---r',
        expected: ' a-------x-y-|',
        batches: { a: 'a by commit', x: 'bC by barrier + rotate', y: 'D by close' },
      });
    });

    it('waits for a barrier alone', () => {
      expectBatches(SYNC, {
        source: '   a---|',
        settled: '  ------s--s',
        barriers: ' --s',
        expected: ' a-----s--|',
        batches: { a: 'a by commit', s: 'nothing by barrier + sync' },
      });
    });

    it('waits for the last commit to return', () => {
      expectBatches(SYNC, {
        source: '   -a-|',
        settled: '  -------s',
        expected: ' -a-----|',
        batches: { a: 'a by commit' },
        subs: { source: '  ^--!', settled: ' ^------!' },
      });
    });

    it('makes no batch of nothing', () => {
      for (const durability of MODES) {
        expectBatches(durability, {
          source: '   ----|',
          expected: ' ----|',
        });
      }
    });

    it('stops the clock', () => {
      for (const durability of CLOCKED) {
        const scheduler = countingScheduler();
        expectBatches(durability, {
          source: '   -a|',
          scheduler,
          expected: ' --(a|)',
          batches: { a: 'a by close' },
        });
        expect(scheduler.scheduled).toBe(1);
        expect(scheduler.pending).toBe(0);
      }
    });

    it('stops the clock of what waits for a commit', () => {
      const scheduler = countingScheduler();
      const pending: number[] = [];
      virtualTime(({ hot }) => {
        const barriers$ = hot('--s---', barriers);
        hot('                  -a-b-|', frames)
          .pipe(batch({ durability: within(500), settled$: NEVER, barriers$, scheduler }))
          .subscribe();
        for (const at of [4, 6]) asyncScheduler.schedule(() => pending.push(scheduler.pending), at);
      });
      expect(pending).toEqual([1, 0]);
    });

    it('does not start the clock again for what waits for a commit', () => {
      for (const durability of CLOCKED) {
        const scheduler = countingScheduler();
        expectBatches(durability, {
          source: '     -a|',
          settled: '    ----s---s',
          barriers: '   s',
          background: ' ---1',
          scheduler,
          expected: '   s---a---|',
          batches: { s: 'nothing by barrier + sync', a: 'a by close' },
        });
        expect(scheduler.pending).toBe(0);
      }
    });
  });

  describe("the source's error", () => {
    it.each(MODES)('lets everything out first ($mode)', (durability) => {
      expectBatches(durability, {
        source: '   -aB-(C#)',
        settled: '  ----------s-s',
        barriers: ' s',
        expected: ' s---------x-#',
        batches: { s: 'nothing by barrier + sync', x: 'aBC by close' },
        subs: { source: '  ^---!', settled: ' ^-----------!', barriers: '^-----------!' },
      });
    });

    it('comes at once behind what it lets out where no commit is waited for', () => {
      expectBatches(within(50), {
        source: '   -ab-#',
        expected: ' ----(x#)',
        batches: { x: 'ab by close' },
        subs: { source: '  ^---!' },
      });
    });

    it('comes at once where nothing waits', () => {
      for (const durability of MODES) expectBatches(durability, { source: '--#', expected: '--#' });
    });
  });
});
