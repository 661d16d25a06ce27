import { Subject, map, mergeMap, take } from 'rxjs';
import fc from 'fast-check';
import { rotate, type RotateOptions } from '../../src/operators/rotate';
import { virtualTime } from '../../src/testing/virtualTime';
import type { Barrier, Batch, SegmentWindow } from '../../src/types';
import { synchronousSource } from './helpers';

const HEADER = 32;
/** What every batch with frames takes beyond them: room for the mark that commit may put there. */
const MARK = 16;

/** A batch of one record that fills `bytes` of a segment, its mark included; without bytes, one of no record. */
function batchOf(lsn: number, bytes: number, ...barriers: readonly Barrier['kind'][]): Batch {
  const size = Math.max(bytes - MARK, 0);
  const buffer = new Uint8Array(size);
  return {
    ...(bytes > 0
      ? { runs: [{ buffer, start: 0, end: size }], records: 1, firstLsn: lsn, lastLsn: lsn }
      : { runs: [], records: 0, firstLsn: 0, lastLsn: 0 }),
    bytes: size,
    reason: 'commit',
    barriers: barriers.map((kind) => (kind === 'checkpoint' ? { kind, checkpoint: { lsn: lsn, epoch: 1 } } : { kind })),
  };
}

/** Segments of two batches of 50. */
const TWO_EACH: RotateOptions = { maxSegmentBytes: HEADER + 100 };
const half = { a: batchOf(1, 50), b: batchOf(2, 50), c: batchOf(3, 50), d: batchOf(4, 50), e: batchOf(5, 50) };

interface Picture {
  readonly source: string;
  readonly batches?: Readonly<Record<string, Batch>>;
  readonly subs?: string;
  readonly unsub?: string;
  /** The windows, by sequence. */
  readonly expected: string;
  /** What is in each; its time begins when it opens. */
  readonly windows: Readonly<Record<string, string>>;
}

function expectWindows(options: RotateOptions, { source, batches = half, subs, unsub, expected, windows }: Picture) {
  virtualTime(({ hot, cold, expectObservable, expectSubscriptions }) => {
    const source$ = hot(source, { ...batches });
    const windows$ = source$.pipe(
      rotate(options),
      map(({ batches$ }) => batches$),
    );
    const contents = Object.fromEntries(
      Object.entries(windows).map(([name, content]) => [name, cold(content, { ...batches })]),
    );
    expectObservable(windows$, unsub).toBe(expected, contents);
    if (subs !== undefined) expectSubscriptions(source$.subscriptions).toBe(subs);
  });
}

/** Everything that comes out, as it comes: windows that open and end, and their batches by the LSN of their first record. */
function told(source$: Subject<Batch>, options: RotateOptions, react: (event: string) => void = () => undefined) {
  const events: string[] = [];
  const tell = (event: string): void => {
    events.push(event);
    react(event);
  };
  source$.pipe(rotate(options)).subscribe({
    next: ({ sequence, firstLsn, batches$ }) => {
      // eslint-disable-next-line rxjs-x/no-nested-subscribe -- a window is hot
      batches$.subscribe({
        next: ({ records, firstLsn: lsn }) => tell(`${sequence}: ${records > 0 ? lsn : 'nothing'}`),
        complete: () => tell(`${sequence} ends`),
        error: (error: unknown) => tell(`${sequence} fails: ${String(error)}`),
      });
      tell(`${sequence} from LSN ${firstLsn}`);
    },
    complete: () => tell('end'),
    error: (error: unknown) => tell(`failure: ${String(error)}`),
  });
  return events;
}

function toldOf(batches: readonly Batch[], options: RotateOptions): string[] {
  const source$ = new Subject<Batch>();
  const events = told(source$, options);
  for (const each of batches) source$.next(each);
  return events;
}

describe('rotate', () => {
  it('cuts the batches into segments: one window, one file', () => {
    expectWindows(TWO_EACH, {
      source: '       --a--b----c--|',
      subs: '         ^------------!',
      expected: '     0----1-------|',
      windows: { 0: ' --a--(b|)', 1: '     -----c--|' },
    });
  });

  it('opens the next window the moment one closes, before there is a batch for it', () => {
    expectWindows(TWO_EACH, {
      source: '       (ab)---',
      expected: '     (01)---',
      windows: { 0: ' (ab|)', 1: '     ------' },
    });
  });

  it('begins with segment 0 and LSN 1', () => {
    expect(toldOf([], {})).toEqual(['0 from LSN 1']);
  });

  it('goes on where recovery left off', () => {
    const from = { sequence: 7, firstLsn: 101, lastLsn: 110, bytes: HEADER + 50 };
    expect(toldOf([batchOf(111, 50), batchOf(112, 50)], { ...TWO_EACH, from })).toEqual([
      '7 from LSN 101',
      '7: 111',
      '7 ends',
      '8 from LSN 112',
      '8: 112',
    ]);
  });

  it('names the LSN that the first record of a segment has, or will have', () => {
    const three: Batch = { ...batchOf(1, 100), records: 3, lastLsn: 3 };
    expect(toldOf([three, batchOf(4, 100)], TWO_EACH)).toEqual([
      '0 from LSN 1',
      '0: 1',
      '0 ends',
      '1 from LSN 4',
      '1: 4',
      '1 ends',
      '2 from LSN 5',
    ]);
  });

  it('ends a segment with the batch that takes it to maxSegmentBytes, not with one that leaves a byte', () => {
    expect(toldOf([batchOf(1, 99), batchOf(2, 17)], TWO_EACH)).toEqual([
      '0 from LSN 1',
      '0: 1',
      '0: 2',
      '0 ends',
      '1 from LSN 3',
    ]);
    expect(toldOf([batchOf(1, 100), batchOf(2, 17)], TWO_EACH)).toEqual([
      '0 from LSN 1',
      '0: 1',
      '0 ends',
      '1 from LSN 2',
      '1: 2',
    ]);
  });

  it('never splits a batch: one larger than a segment is a segment of its own', () => {
    expect(toldOf([batchOf(1, 5000), batchOf(2, 50)], TWO_EACH)).toEqual([
      '0 from LSN 1',
      '0: 1',
      '0 ends',
      '1 from LSN 2',
      '1: 2',
    ]);
  });

  it('takes the header and the bytes that recovery found for part of the size', () => {
    const from = { sequence: 0, firstLsn: 1, lastLsn: 1, bytes: HEADER + 83 };
    expect(toldOf([batchOf(2, 17)], { ...TWO_EACH, from })).toContain('0 ends');
    expect(toldOf([batchOf(2, 17)], { ...TWO_EACH, from: { ...from, bytes: HEADER + 82 } })).not.toContain('0 ends');
  });

  it('takes a batch without frames for nothing: there is nothing to be written', () => {
    const nothing = batchOf(0, 0, 'sync');
    const many = Array.from({ length: 100 }, () => nothing);
    expect(toldOf([batchOf(1, 50), ...many], TWO_EACH)).not.toContain('0 ends');
  });

  describe('a rotate barrier', () => {
    it('ends the segment with its batch', () => {
      expectWindows(TWO_EACH, {
        source: '       --r--b--|',
        batches: { r: batchOf(1, 20, 'rotate'), b: batchOf(2, 20) },
        expected: '     0-1-----|',
        windows: { 0: ' --(r|)', 1: '  ---b--|' },
      });
    });

    it('ends the segment behind a batch without frames', () => {
      expectWindows(TWO_EACH, {
        source: '       -a-r-b-|',
        batches: { a: batchOf(1, 20), r: batchOf(0, 0, 'rotate'), b: batchOf(2, 20) },
        expected: '     0--1---|',
        windows: { 0: ' -a-(r|)', 1: '  --b-|' },
      });
    });

    it('goes through and does nothing to a segment without records', () => {
      expectWindows(TWO_EACH, {
        source: '       -r-a-|',
        batches: { r: batchOf(0, 0, 'rotate'), a: batchOf(1, 20) },
        expected: '     0----|',
        windows: { 0: ' -r-a-|' },
      });
    });

    it('does nothing to a recovered segment without records', () => {
      const from = { sequence: 7, firstLsn: 101, lastLsn: 100, bytes: HEADER };
      expect(toldOf([batchOf(0, 0, 'rotate')], { from })).toEqual(['7 from LSN 101', '7: nothing']);
    });

    it('ends a recovered segment that has records', () => {
      const from = { sequence: 7, firstLsn: 101, lastLsn: 101, bytes: HEADER + 50 };
      expect(toldOf([batchOf(0, 0, 'rotate')], { from })).toEqual([
        '7 from LSN 101',
        '7: nothing',
        '7 ends',
        '8 from LSN 102',
      ]);
    });

    it('of the batch that fills the segment ends it once', () => {
      expect(toldOf([batchOf(1, 100, 'rotate', 'rotate')], TWO_EACH)).toEqual([
        '0 from LSN 1',
        '0: 1',
        '0 ends',
        '1 from LSN 2',
      ]);
    });
  });

  it.each(['sync', 'flush', 'checkpoint'] as const)('is not moved by a %s barrier', (kind) => {
    expect(toldOf([batchOf(1, 20, kind)], TWO_EACH)).toEqual(['0 from LSN 1', '0: 1']);
  });

  it('loses nothing where windows are flattened as they come, and cuts where the sum says', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ bytes: fc.integer({ min: 17, max: 120 }), asked: fc.boolean() }), { maxLength: 40 }),
        (inputs) => {
          const batches = inputs.map(({ bytes, asked }, index) =>
            asked ? batchOf(index + 1, bytes, 'rotate') : batchOf(index + 1, bytes),
          );
          const expected: string[] = ['0 from LSN 1'];
          let sequence = 0;
          let size = 0;
          for (const [index, { bytes, asked }] of inputs.entries()) {
            expected.push(`${sequence}: ${index + 1}`);
            size += bytes;
            if (!asked && size < 100) continue;
            expected.push(`${sequence} ends`, `${sequence + 1} from LSN ${index + 2}`);
            sequence += 1;
            size = 0;
          }
          expect(toldOf(batches, TWO_EACH)).toEqual(expected);
        },
      ),
    );
  });

  it('begins anew for each subscriber', () => {
    const operator = rotate(TWO_EACH);
    for (let time = 0; time < 2; time += 1) {
      const source$ = new Subject<Batch>();
      const windows: SegmentWindow[] = [];
      source$.pipe(operator).subscribe((window) => windows.push(window));
      source$.next(batchOf(1, 100));
      expect(windows.map(({ sequence, firstLsn }) => [sequence, firstLsn])).toEqual([
        [0, 1],
        [1, 2],
      ]);
    }
  });

  describe('a batch that is pushed in', () => {
    it('while one is on its way out comes behind it, in the same window', () => {
      const source$ = new Subject<Batch>();
      const events = told(source$, TWO_EACH, (event) => {
        if (event === '0: 1') source$.next(half.b);
      });
      source$.next(half.a);
      expect(events).toEqual(['0 from LSN 1', '0: 1', '0: 2', '0 ends', '1 from LSN 3']);
    });

    it('while the last of a segment is on its way out goes to the next one', () => {
      const source$ = new Subject<Batch>();
      const events = told(source$, TWO_EACH, (event) => {
        if (event === '0: 1') source$.next(batchOf(2, 20));
      });
      source$.next(batchOf(1, 100));
      expect(events).toEqual(['0 from LSN 1', '0: 1', '0 ends', '1 from LSN 2', '1: 2']);
    });

    it('while a window ends goes to the next one', () => {
      const source$ = new Subject<Batch>();
      const events = told(source$, TWO_EACH, (event) => {
        if (event === '0 ends') source$.next(batchOf(2, 20));
      });
      source$.next(batchOf(1, 100));
      expect(events).toEqual(['0 from LSN 1', '0: 1', '0 ends', '1 from LSN 2', '1: 2']);
    });

    it('while a window opens goes to that one', () => {
      const source$ = new Subject<Batch>();
      const events = told(source$, TWO_EACH, (event) => {
        if (event === '1 from LSN 2') source$.next(batchOf(2, 20));
      });
      source$.next(batchOf(1, 100));
      expect(events).toEqual(['0 from LSN 1', '0: 1', '0 ends', '1 from LSN 2', '1: 2']);
    });
  });

  it('opens and ends one window for an empty source', () => {
    expectWindows(TWO_EACH, {
      source: '       |',
      subs: '         (^!)',
      expected: '     (0|)',
      windows: { 0: ' |' },
    });
  });

  it('opens one window and no other for a source that never does anything', () => {
    expectWindows(TWO_EACH, {
      source: '       -',
      subs: '         ^',
      expected: '     0',
      windows: { 0: ' -' },
    });
  });

  it('puts one batch into one window', () => {
    expectWindows(TWO_EACH, {
      source: '       -a-|',
      expected: '     0--|',
      windows: { 0: ' -a-|' },
    });
  });

  it("fails with its source's error, and so does the open window alone", () => {
    expectWindows(TWO_EACH, {
      source: '       -a-b-c-#',
      subs: '         ^------!',
      expected: '     0--1---#',
      windows: { 0: ' -a-(b|)', 1: '  --c-#' },
    });
  });

  it('leaves its source when it is left', () => {
    expectWindows(TWO_EACH, {
      source: '       -a-b-c-',
      subs: '         ^---!',
      unsub: '        ----!',
      expected: '     0--1-',
      windows: { 0: ' -a-(b|)', 1: '  -' },
    });
  });

  it('asks a source that hands out everything at once for no more than is wanted', () => {
    const { source$, asked } = synchronousSource(Object.values(half));
    const seen: Batch[] = [];
    const subscription = source$
      .pipe(
        rotate(TWO_EACH),
        mergeMap(({ batches$ }) => batches$),
        take(2),
      )
      .subscribe((each) => seen.push(each));
    subscription.unsubscribe();
    expect(seen).toEqual([half.a, half.b]);
    expect(asked).toHaveLength(2);
  });
});
