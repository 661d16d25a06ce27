import { EMPTY, Observable, Subject, map, of, throwError } from 'rxjs';
import { checkpoint, wholeBelow, type CheckpointOptions, type CheckpointOutcome } from '../../src/operators/checkpoint';
import { virtualTime } from '../../src/testing/virtualTime';
import type { Barrier, Checkpoint, Commit, SegmentInfo } from '../../src/types';

const mark = (lsn: number, epoch = lsn): Checkpoint => ({ lsn, epoch });
const asks = (...checkpoints: readonly Checkpoint[]): Barrier[] =>
  checkpoints.map((each) => ({ kind: 'checkpoint', checkpoint: each }));

function commitOf(barriers: readonly Barrier[], segment = 3): Commit {
  return {
    firstLsn: 1,
    lastLsn: 1,
    records: 1,
    bytes: 17,
    reason: 'barrier',
    durable: true,
    writeMs: 0,
    syncMs: 0,
    barriers,
    segment,
  };
}

/** Four segments of ten records each; the fourth is the one that is being written. */
const fourSegments = (): SegmentInfo[] => [0, 1, 2, 3].map((sequence) => ({ sequence, firstLsn: sequence * 10 + 1 }));

/** A checkpointer whose every step is done at once, and the steps it takes, one after the other. */
function stepping(overrides: Partial<CheckpointOptions> = {}): { options: CheckpointOptions; steps: string[] } {
  const steps: string[] = [];
  const step = (text: string): Observable<void> =>
    new Observable((subscriber) => {
      steps.push(text);
      subscriber.next();
      subscriber.complete();
    });
  const options: CheckpointOptions = {
    save: ({ lsn, epoch }) => step(`save LSN ${lsn} epoch ${epoch}`),
    remove: ({ sequence }) => step(`remove ${sequence}`),
    syncDir: () => step('syncDir'),
    segments: fourSegments(),
    ...overrides,
  };
  return { options, steps };
}

/** What becomes of commits that come one after the other: outcomes, and `failed` where the stream itself ends with an error. */
function outcomesOf(commits: readonly Commit[], options: CheckpointOptions): unknown[] {
  const outcomes: unknown[] = [];
  const source$ = new Subject<Commit>();
  source$.pipe(checkpoint(options)).subscribe({
    next: (outcome) => outcomes.push(outcome),
    error: (failed: unknown) => outcomes.push({ failed }),
  });
  for (const commit of commits) source$.next(commit);
  return outcomes;
}

/** The outcome of a checkpoint that is saved, with so many segments removed. */
const done = (checkpoint: Checkpoint, removed: number): CheckpointOutcome => ({
  checkpoint,
  saved: true,
  removed,
  error: undefined,
});

const failure = new Error('EIO');
const fails = (): Observable<never> => throwError(() => failure);

describe('checkpoint', () => {
  it('carries out the checkpoints whose frames a commit has made durable', () => {
    virtualTime(({ hot, cold, expectObservable, expectSubscriptions }) => {
      const none = commitOf([]);
      const first = commitOf(asks(mark(1)));
      const second = commitOf(asks(mark(2)));
      const saved = cold('           ---|');
      const source = hot('   --a--x--b--y-----|', { a: none, x: first, b: none, y: second });
      const subs = '         ^----------------!';
      const firstSave = '    -----^--!';
      const secondSave = '   -----------^--!';
      const expected = '     --------x-----y--|';

      const { options } = stepping({ save: () => saved });
      expectObservable(source.pipe(checkpoint(options))).toBe(expected, {
        x: done(mark(1), 0),
        y: done(mark(2), 0),
      });
      expectSubscriptions(source.subscriptions).toBe(subs);
      expectSubscriptions(saved.subscriptions).toBe([firstSave, secondSave]);
    });
  });

  it('has nothing to do for commits without a checkpoint', () => {
    const { options, steps } = stepping();
    expect(outcomesOf([commitOf([{ kind: 'sync' }, { kind: 'flush' }, { kind: 'rotate' }])], options)).toEqual([]);
    expect(steps).toEqual([]);
  });

  it('saves first, then removes, oldest first, what lies wholly below, and makes that durable', () => {
    const { options, steps } = stepping();
    expect(outcomesOf([commitOf(asks(mark(25)))], options)).toEqual([done(mark(25), 2)]);
    expect(steps).toEqual(['save LSN 25 epoch 25', 'remove 0', 'remove 1', 'syncDir']);
  });

  it('takes what it has removed out of the list of segments', () => {
    const { options } = stepping();
    outcomesOf([commitOf(asks(mark(25)))], options);
    expect(options.segments).toEqual(fourSegments().slice(2));
  });

  it('does not touch the directory where nothing is to be removed', () => {
    const { options, steps } = stepping();
    outcomesOf([commitOf(asks(mark(9)))], options);
    expect(steps).toEqual(['save LSN 9 epoch 9']);
  });

  it('takes one step when the one before is done', () => {
    virtualTime(({ hot, cold, expectObservable, expectSubscriptions }) => {
      const saved = cold('     --|');
      const removed = cold('     ---|');
      const synced = cold('            -|');
      const source = hot('    -x----------', { x: commitOf(asks(mark(20))) });
      const save = '          -^-!';
      const removeFirst = '   ---^--!';
      const removeSecond = '  ------^--!';
      const syncDir = '       ---------^!';
      const expected = '      ----------o-';

      const { options } = stepping({ save: () => saved, remove: () => removed, syncDir: () => synced });
      expectObservable(source.pipe(checkpoint(options))).toBe(expected, {
        o: done(mark(20), 2),
      });
      expectSubscriptions(saved.subscriptions).toBe(save);
      expectSubscriptions(removed.subscriptions).toBe([removeFirst, removeSecond]);
      expectSubscriptions(synced.subscriptions).toBe(syncDir);
    });
  });

  it('carries out one checkpoint after the other, and does not hold up the commits', () => {
    virtualTime(({ hot, cold, expectObservable, expectSubscriptions }) => {
      const saved = cold('     -----|');
      const source = hot('   --xyz|', {
        x: commitOf(asks(mark(1))),
        y: commitOf(asks(mark(2))),
        z: commitOf(asks(mark(3))),
      });
      const subs = '         ^----!';
      const expected = '     -------x----y----(z|)';

      const { options } = stepping({ save: () => saved });
      expectObservable(source.pipe(checkpoint(options))).toBe(expected, {
        x: done(mark(1), 0),
        y: done(mark(2), 0),
        z: done(mark(3), 0),
      });
      expectSubscriptions(source.subscriptions).toBe(subs);
    });
  });

  it('carries out all the checkpoints of one commit, in order', () => {
    const { options, steps } = stepping();
    const commit = commitOf([...asks(mark(9, 1)), { kind: 'sync' }, ...asks(mark(12, 2))]);
    expect(outcomesOf([commit], options)).toEqual([done(mark(9, 1), 0), done(mark(12, 2), 1)]);
    expect(steps).toEqual(['save LSN 9 epoch 1', 'save LSN 12 epoch 2', 'remove 0', 'syncDir']);
  });

  it('sees the segments that a rotation has added in the meantime', () => {
    const { options, steps } = stepping({ segments: fourSegments().slice(0, 1) });
    const source$ = new Subject<Commit>();
    source$.pipe(checkpoint(options)).subscribe();
    source$.next(commitOf(asks(mark(10)), 0));
    options.segments.push({ sequence: 1, firstLsn: 11 });
    source$.next(commitOf(asks(mark(11)), 1));
    expect(steps).toEqual(['save LSN 10 epoch 10', 'save LSN 11 epoch 11', 'remove 0', 'syncDir']);
  });

  describe('a segment', () => {
    it.each([
      { lsn: 0, below: [] },
      { lsn: 9, below: [] },
      { lsn: 10, below: [0] },
      { lsn: 11, below: [0] },
      { lsn: 19, below: [0] },
      { lsn: 20, below: [0, 1] },
      { lsn: 30, below: [0, 1, 2] },
      { lsn: 40, below: [0, 1, 2] },
      { lsn: 1000, below: [0, 1, 2] },
    ])('lies wholly below LSN $lsn: $below of four of ten records', ({ lsn, below }) => {
      expect(wholeBelow(lsn, 3, fourSegments()).map(({ sequence }) => sequence)).toEqual(below);
    });

    it('is kept where the checkpoint itself stands in it', () => {
      expect(wholeBelow(1000, 1, fourSegments()).map(({ sequence }) => sequence)).toEqual([0]);
      expect(wholeBelow(1000, 0, fourSegments())).toEqual([]);
    });

    it('is kept where it is the only one', () => {
      expect(wholeBelow(1000, 9, fourSegments().slice(0, 1))).toEqual([]);
    });

    it('is none where there is none', () => {
      expect(wholeBelow(1000, 9, [])).toEqual([]);
    });

    it('may have the numbers that earlier checkpoints have left', () => {
      expect(wholeBelow(20, 3, fourSegments().slice(1)).map(({ sequence }) => sequence)).toEqual([1]);
    });
  });

  describe('a failure', () => {
    it('to save is the outcome of that checkpoint alone, and nothing is removed', () => {
      let saves = 0;
      const { options, steps } = stepping({ save: () => ((saves += 1) === 1 ? fails() : EMPTY) });
      expect(outcomesOf([commitOf(asks(mark(20))), commitOf(asks(mark(21)))], options)).toEqual([
        { checkpoint: mark(20), saved: false, removed: 0, error: failure },
        done(mark(21), 2),
      ]);
      expect(steps).toEqual(['remove 0', 'remove 1', 'syncDir']);
    });

    it('to remove ends the removals; the next checkpoint does the rest', () => {
      let broken = true;
      const removed: number[] = [];
      const { options } = stepping({
        remove: ({ sequence }) => {
          if (broken && sequence === 1) return fails();
          removed.push(sequence);
          return of(undefined);
        },
      });
      expect(outcomesOf([commitOf(asks(mark(30)))], options)).toEqual([
        { checkpoint: mark(30), saved: true, removed: 1, error: failure },
      ]);
      expect(options.segments).toEqual(fourSegments().slice(1));

      broken = false;
      expect(outcomesOf([commitOf(asks(mark(31)))], options)).toEqual([done(mark(31), 2)]);
      expect(options.segments).toEqual(fourSegments().slice(3));
      expect(removed.filter((sequence) => sequence === 0)).toHaveLength(1);
    });

    it('to make the removals durable says how many there were', () => {
      const { options } = stepping({ syncDir: fails });
      expect(outcomesOf([commitOf(asks(mark(20)))], options)).toEqual([
        { checkpoint: mark(20), saved: true, removed: 2, error: failure },
      ]);
    });

    it.each([
      { step: 'save', saved: false },
      { step: 'remove', saved: true },
      { step: 'syncDir', saved: true },
    ])('may be thrown by $step: it is still only an outcome', ({ step, saved }) => {
      const { options } = stepping({
        [step]: () => {
          throw failure;
        },
      });
      expect(outcomesOf([commitOf(asks(mark(20)))], options)).toMatchObject([
        { checkpoint: mark(20), saved, error: failure },
      ]);
    });
  });

  it('carries out a checkpoint that is asked for while an outcome is on its way out', () => {
    const { options, steps } = stepping();
    const source$ = new Subject<Commit>();
    const seen: number[] = [];
    source$.pipe(checkpoint(options)).subscribe((outcome) => {
      seen.push(outcome.checkpoint.lsn);
      if (outcome.checkpoint.lsn === 10) source$.next(commitOf(asks(mark(20))));
    });
    source$.next(commitOf(asks(mark(10))));
    expect(seen).toEqual([10, 20]);
    expect(steps).toEqual([
      'save LSN 10 epoch 10',
      'remove 0',
      'syncDir',
      'save LSN 20 epoch 20',
      'remove 1',
      'syncDir',
    ]);
  });

  it('waits at the end for the checkpoints that are on their way', () => {
    virtualTime(({ hot, cold, expectObservable }) => {
      const source = hot('  -x|', { x: commitOf(asks(mark(1))) });
      const expected = '    ------(o|)';
      const { options } = stepping({ save: () => cold('-----|') });
      expectObservable(
        source.pipe(
          checkpoint(options),
          map(() => 'o'),
        ),
      ).toBe(expected);
    });
  });

  it('is empty where its source is', () => {
    virtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold<Commit>('|');
      expectObservable(source.pipe(checkpoint(stepping().options))).toBe('|');
      expectSubscriptions(source.subscriptions).toBe('(^!)');
    });
  });

  it('never ends where its source never does', () => {
    virtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold<Commit>('-');
      expectObservable(source.pipe(checkpoint(stepping().options))).toBe('-');
      expectSubscriptions(source.subscriptions).toBe('^');
    });
  });

  it("passes its source's error on, and leaves what is on its way", () => {
    virtualTime(({ hot, cold, expectObservable, expectSubscriptions }) => {
      const saved = cold('   ---|');
      const source = hot('  -x-#', { x: commitOf(asks(mark(1))) });
      const subs = '        ^--!';
      const save = '        -^-!';
      const expected = '    ---#';
      expectObservable(source.pipe(checkpoint(stepping({ save: () => saved }).options))).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subs);
      expectSubscriptions(saved.subscriptions).toBe(save);
    });
  });

  it('leaves its source, and what is on its way, when it is left', () => {
    virtualTime(({ hot, cold, expectObservable, expectSubscriptions }) => {
      const saved = cold('   -----|');
      const source = hot('  -x---x--', { x: commitOf(asks(mark(1))) });
      const subs = '        ^--!';
      const save = '        -^-!';
      const expected = '    ----';
      const unsub = '       ---!';
      expectObservable(source.pipe(checkpoint(stepping({ save: () => saved }).options)), unsub).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subs);
      expectSubscriptions(saved.subscriptions).toBe(save);
    });
  });
});
