import {
  EMPTY,
  NEVER,
  Subject,
  VirtualTimeScheduler,
  asyncScheduler,
  from,
  map,
  merge,
  mergeMap,
  of,
  take,
  tap,
  throwError,
} from 'rxjs';
import fc from 'fast-check';
import { batch, type BatchOptions } from '../../src/operators/batch';
import { virtualTime } from '../../src/testing/virtualTime';
import type { Barrier, Batch, Durability, Frame } from '../../src/types';
import { CHECKPOINT, countingScheduler, synchronousSource, type CountingScheduler } from './helpers';

// What goes in: every letter is a frame, and its LSN is its place in the alphabet.

const lsnOf = (letter: string): number => letter.toLowerCase().charCodeAt(0) - 96;
const letterOf = ({ lsn, commit }: Frame): string => {
  const letter = String.fromCharCode(lsn + 96);
  return commit ? letter : letter.toUpperCase();
};
/** Which frame a buffer was made for. */
const frameIn = new WeakMap<Uint8Array, Frame>();
/** A frame in a buffer of its own, so that what stands in a batch can be told from its runs. Its bytes are only claimed. */
const frameWith = (lsn: number, commit = true, bytes = 1): Frame => {
  const frame: Frame = { kind: 'record', lsn, buffer: new Uint8Array(0), start: 0, end: bytes, commit };
  frameIn.set(frame.buffer, frame);
  return frame;
};
/** As many bytes as its place in the alphabet. */
const frameOf = (letter: string, commit = true): Frame => frameWith(lsnOf(letter), commit, lsnOf(letter));

const LETTERS = Array.from({ length: 26 }, (_, index) => String.fromCharCode(97 + index));
/** `a` to `z` are commit records, `A` to `Z` records that are none. */
const frames: Record<string, Frame> = Object.fromEntries([
  ...LETTERS.map((letter) => [letter, frameOf(letter)] as const),
  ...LETTERS.map((letter) => [letter.toUpperCase(), frameOf(letter, false)] as const),
]);

const barriers: Record<string, Barrier> = {
  s: { kind: 'sync' },
  f: { kind: 'flush' },
  r: { kind: 'rotate' },
  k: { kind: 'checkpoint', checkpoint: CHECKPOINT },
};

/** What fills a part. */
const PART_RECORDS = 4096;
const PART_BYTES = 4 * 1024 * 1024;
/** What one commit has at the most, where several parts wait. */
const MAX_COMMIT_BYTES = 4 * PART_BYTES;

// What comes out.

/** The frames of a batch; what it says about them is true. */
function framesOf({ runs, records, firstLsn, lastLsn, bytes }: Batch): readonly Frame[] {
  const gathered = runs.map(({ buffer }) => frameIn.get(buffer)!);
  expect({ records, firstLsn, lastLsn, bytes }).toEqual({
    records: gathered.length,
    firstLsn: gathered.at(0)?.lsn ?? 0,
    lastLsn: gathered.at(-1)?.lsn ?? 0,
    bytes: gathered.reduce((sum, { start, end }) => sum + end - start, 0),
  });
  return gathered;
}

/** A batch in a word: its frames, why it ended, its barriers. */
function told(each: Batch): string {
  const letters = framesOf(each).map(letterOf).join('');
  const waiting = each.barriers.map(({ kind }) => ` + ${kind}`).join('');
  return `${letters === '' ? 'nothing' : letters} by ${each.reason}${waiting}`;
}

interface Picture {
  readonly source: string;
  /** When a commit returns. */
  readonly settled?: string;
  /** `s` sync, `f` flush, `r` rotate, `k` checkpoint. */
  readonly barriers?: string;
  /** `0` stops the clock, `1` starts it. */
  readonly background?: string;
  readonly scheduler?: CountingScheduler;
  readonly unsub?: string;
  readonly expected: string;
  /** What the letters of the result are: `abc by commit`. */
  readonly batches?: Readonly<Record<string, string>>;
  /** How long each of them is subscribed. */
  readonly subs?: {
    readonly source: string;
    readonly settled?: string;
    readonly barriers?: string;
    readonly background?: string;
  };
}

function expectBatches(durability: Durability | undefined, picture: Picture): void {
  const { source, settled, background, scheduler, unsub, expected, batches, subs } = picture;
  virtualTime(({ hot, expectObservable, expectSubscriptions }) => {
    const source$ = hot(source, frames);
    const settled$ = settled === undefined ? undefined : hot(settled);
    const barriers$ = picture.barriers === undefined ? undefined : hot(picture.barriers, barriers);
    const background$ = background === undefined ? undefined : hot(background, { 0: false, 1: true });
    const options: BatchOptions = {
      ...(durability && { durability }),
      ...(settled$ && { settled$ }),
      ...(barriers$ && { barriers$ }),
      ...(background$ && { background$ }),
      ...(scheduler && { scheduler }),
    };
    expectObservable(source$.pipe(batch(options), map(told)), unsub).toBe(expected, batches);
    if (!subs) return;
    expectSubscriptions(source$.subscriptions).toBe(subs.source);
    if (settled$ && subs.settled !== undefined) expectSubscriptions(settled$.subscriptions).toBe(subs.settled);
    if (barriers$ && subs.barriers !== undefined) expectSubscriptions(barriers$.subscriptions).toBe(subs.barriers);
    if (background$ && subs.background !== undefined) {
      expectSubscriptions(background$.subscriptions).toBe(subs.background);
    }
  });
}

const SYNC: Durability = { mode: 'sync' };
const NOSYNC: Durability = { mode: 'nosync' };
const within = (maxDelayMs: number, maxRecords = 1000): Durability => ({ mode: 'batch', maxDelayMs, maxRecords });
const every = (targetIntervalMs: number): Durability => ({ mode: 'adaptive', targetIntervalMs });
/** One of each mode. */
const MODES: readonly Durability[] = [SYNC, NOSYNC, within(5), every(5)];
const CLOCKED: readonly Durability[] = [within(5), every(5)];

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
