import {
  EMPTY,
  NEVER,
  Observable,
  Subject,
  VirtualTimeScheduler,
  asyncScheduler,
  concat,
  defer,
  finalize,
  from,
  map,
  of,
  tap,
  throwError,
  type OperatorFunction,
} from 'rxjs';
import type { RunHelpers } from 'rxjs/testing';
import fc from 'fast-check';
import { encodeCheckpointFrame } from '../../src/format/checkpoint';
import {
  FRAME_OVERHEAD_BYTES,
  claimedPayloadBytes,
  crcStart,
  encodeFrame,
  frameKind,
  frameLsn,
  isSealed,
} from '../../src/format/frame';
import { batch } from '../../src/operators/batch';
import { checksum } from '../../src/operators/checksum';
import { commit, type CommitOptions } from '../../src/operators/commit';
import { frame } from '../../src/operators/frame';
import { virtualTime } from '../../src/testing/virtualTime';
import type { Barrier, Batch, BatchReason, Commit, Frame, SegmentSink, SegmentWindow } from '../../src/types';
import { CHECKPOINT, LOG_ID, bytesOf, payloadOf } from './helpers';

const crcFrom = crcStart(LOG_ID);
const failure = new Error('EIO');

// What goes in.

function frameOf(lsn: number): Frame {
  const buffer = encodeFrame('record', lsn, bytesOf('x'), crcFrom);
  return { kind: 'record', lsn, buffer, start: 0, end: buffer.length, commit: true };
}
const FRAME_BYTES = 17;
const MARK_BYTES = 16;

function batchOf(lsns: readonly number[], barriers: readonly Barrier[] = [], reason: BatchReason = 'commit'): Batch {
  return {
    runs: lsns.map(frameOf),
    records: lsns.length,
    firstLsn: lsns.at(0) ?? 0,
    lastLsn: lsns.at(-1) ?? 0,
    bytes: lsns.length * FRAME_BYTES,
    reason,
    barriers,
  };
}

const sync: Barrier = { kind: 'sync' };
const flush: Barrier = { kind: 'flush' };
const rotation: Barrier = { kind: 'rotate' };
const checkpoint: Barrier = { kind: 'checkpoint', checkpoint: CHECKPOINT };

/** `0`, `1`: windows. Letters: batches of one record each. `S`, `F`, `R`, `K`: batches of a barrier alone. */
const steps: Record<string, number | Batch> = {
  0: 0,
  1: 1,
  2: 2,
  a: batchOf([1]),
  b: batchOf([2]),
  c: batchOf([3]),
  d: batchOf([3, 4]),
  S: batchOf([], [sync], 'barrier'),
  F: batchOf([], [flush], 'barrier'),
  R: batchOf([], [rotation], 'barrier'),
  K: batchOf([], [checkpoint], 'barrier'),
};

/** Makes windows as `rotate` does, where it is told: a number opens one, a batch goes into the open one. */
function windowed(steps$: Observable<number | Batch>): Observable<SegmentWindow> {
  return new Observable((subscriber) => {
    let batches$ = new Subject<Batch>();
    let lastLsn = 0;
    return steps$.subscribe({
      next: (step) => {
        if (typeof step === 'number') {
          batches$.complete();
          batches$ = new Subject<Batch>();
          subscriber.next({ sequence: step, firstLsn: lastLsn + 1, batches$ });
        } else {
          if (step.records > 0) lastLsn = step.lastLsn;
          batches$.next(step);
        }
      },
      error: (error: unknown) => {
        batches$.error(error);
        subscriber.error(error);
      },
      complete: () => {
        batches$.complete();
        subscriber.complete();
      },
    });
  });
}

// Where it goes to.

type Operation = 'write' | 'writeDurable' | 'sync' | 'seal' | 'abandon' | 'create';
/** How long each operation takes and how it ends, in marbles; in a list the first, the second, and the last for all that follow. */
type Latencies = Partial<Record<Operation, string | readonly string[]>>;

interface Disk {
  sink(sequence: number): SegmentSink;
  readonly createSegment: CommitOptions['createSegment'];
  /** Every operation: when it began, what it was, to which segment. */
  readonly journal: string[];
}

/** Frames as text: `mark 0, 1, 2, checkpoint 2`. Fails for bytes that are no sealed frames. */
function contents(pieces: readonly Uint8Array[], claimed: number): string {
  const bytes = Buffer.concat(pieces);
  expect(bytes).toHaveLength(claimed);
  const found: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + claimedPayloadBytes(bytes, at) + FRAME_OVERHEAD_BYTES;
    const kind = frameKind(bytes, at);
    expect(isSealed(bytes, at, end, crcFrom)).toBe(true);
    found.push(kind === 'record' ? String(frameLsn(bytes, at)) : `${kind} ${frameLsn(bytes, at)}`);
    at = end;
  }
  return found.join(', ');
}

function diskOf({ cold }: Pick<RunHelpers, 'cold'>, latencies: Latencies): Disk {
  const journal: string[] = [];
  const seen = new Map<Operation, number>();
  let running: string | undefined;
  const act = (operation: Operation, what: string): Observable<never> =>
    defer(() => {
      journal.push(`${asyncScheduler.now()} ${what}`);
      if (running !== undefined) journal.push(`two at a time: ${running} and ${what}`);
      running = what;
      const nth = seen.get(operation) ?? 0;
      seen.set(operation, nth + 1);
      const marbles = latencies[operation] ?? '';
      const latency = typeof marbles === 'string' ? marbles : (marbles[Math.min(nth, marbles.length - 1)] ?? '');
      let ended = false;
      const end = (): void => {
        ended = true;
        running = undefined;
      };
      const lasting = latency === '' ? EMPTY : cold<never>(latency, undefined, failure);
      return lasting.pipe(
        tap({ complete: end, error: end }),
        finalize(() => {
          if (!ended) journal.push(`${asyncScheduler.now()} leaves ${what}`);
        }),
      );
    });
  const sink = (sequence: number): SegmentSink => ({
    sequence,
    write: (pieces, bytes) => act('write', `write ${sequence}: ${contents(pieces, bytes)}`),
    ...(latencies.writeDurable === undefined
      ? {}
      : {
          writeDurable: (pieces: readonly Uint8Array[], bytes: number) =>
            act('writeDurable', `writeDurable ${sequence}: ${contents(pieces, bytes)}`),
        }),
    sync: () => act('sync', `sync ${sequence}`),
    seal: () => act('seal', `seal ${sequence}`),
    abandon: () => act('abandon', `abandon ${sequence}`),
  });
  return {
    journal,
    sink,
    createSegment: ({ sequence, firstLsn }) =>
      concat(
        act('create', `create ${sequence} from LSN ${firstLsn}`),
        defer(() => from([sink(sequence)])),
      ),
  };
}

/** The operator on a new log, unless the options say otherwise. */
function committing(disk: Disk, options: Partial<CommitOptions> = {}): OperatorFunction<SegmentWindow, Commit> {
  const { sink, createSegment } = disk;
  return commit({ logId: LOG_ID, segment: sink(0), createSegment, lastLsn: 0, markedLsn: 0, ...options });
}

// What comes out.

/** A commit in a word: `1-2 durable`, and the barriers that it answers. */
function told({ firstLsn, lastLsn, durable, barriers }: Commit): string {
  const answers = barriers.map(({ kind }) => ` + ${kind}`).join('');
  return `${firstLsn}-${lastLsn} ${durable ? 'durable' : 'written'}${answers}`;
}

interface Picture {
  readonly source: string;
  readonly values?: Readonly<Record<string, number | Batch>>;
  readonly disk?: Latencies;
  readonly options?: Partial<CommitOptions>;
  readonly subs?: string;
  readonly unsub?: string;
  readonly expected: string;
  readonly commits?: Readonly<Record<string, string>>;
  /** What is done to the disk, and when. */
  readonly journal: readonly string[];
}

/** A write that takes 2 frames of time, an fsync that takes 3, and so does the fsync of a segment that is sealed. */
const SLOW: Latencies = { write: '--|', sync: '---|', seal: '---|' };

function expectCommits(picture: Picture): void {
  const { source, values = steps, disk: latencies = SLOW, options, subs, unsub, expected, commits, journal } = picture;
  const done = virtualTime((helpers) => {
    const { hot, expectObservable, expectSubscriptions } = helpers;
    const disk = diskOf(helpers, latencies);
    const source$ = hot<number | Batch>(source, { ...values });
    const commits$ = windowed(source$).pipe(committing(disk, options), map(told));
    expectObservable(commits$, unsub).toBe(expected, commits, source.includes('#') ? 'error' : failure);
    if (subs !== undefined) expectSubscriptions(source$.subscriptions).toBe(subs);
    return disk.journal;
  });
  expect(done).toEqual(journal);
}

describe('commit', () => {
  it('writes each batch behind the last and makes it durable', () => {
    expectCommits({
      source: '  0-a------b1-----|',
      subs: '    ^---------------!',
      expected: '-------A------B-------|',
      commits: { A: '1-1 durable', B: '2-2 durable' },
      journal: [
        '2 write 0: 1',
        '4 sync 0',
        '9 write 0: mark 1, 2',
        '11 sync 0',
        '14 seal 0',
        '17 create 1 from LSN 3',
        '17 write 1: mark 2',
        '19 seal 1',
      ],
    });
  });

  it('says what it did: LSNs, records, bytes, why, and how long each half took', () => {
    virtualTime((helpers) => {
      const { hot, expectObservable } = helpers;
      const disk = diskOf(helpers, SLOW);
      const source = hot<number | Batch>('-0-d-', { 0: 0, d: batchOf([1, 2], [flush], 'delay') });
      const expected = '                   --------D-';
      expectObservable(windowed(source).pipe(committing(disk, { markedLsn: -1 }))).toBe(expected, {
        D: {
          firstLsn: 1,
          lastLsn: 2,
          records: 2,
          bytes: MARK_BYTES + 2 * FRAME_BYTES,
          reason: 'delay',
          durable: true,
          writeMs: 2,
          syncMs: 3,
          barriers: [flush],
          segment: 0,
        },
      });
    });
  });

  it.each([
    ['one write', 2, true],
    ['a write', 2, false],
    ['the fsync behind it', 3, false],
  ])('fails where the scheduler has no time to give behind %s', (_what, call, durable) => {
    let calls = 0;
    const scheduler = Object.assign(new VirtualTimeScheduler(), {
      now: () => {
        calls += 1;
        if (calls === call) throw new Error('no time');
        return 0;
      },
    });
    const done = of(undefined);
    const segment: SegmentSink = {
      sequence: 0,
      write: () => done,
      ...(durable && { writeDurable: () => done }),
      sync: () => done,
      seal: () => done,
      abandon: () => done,
    };
    const options = { logId: LOG_ID, segment, createSegment: () => NEVER, lastLsn: 0, markedLsn: 0, scheduler };
    const told: unknown[] = [];
    windowed(from([0, batchOf([1])]))
      .pipe(commit(options))
      .subscribe({ next: (each) => told.push(each), error: (error: unknown) => told.push(error) });
    expect(told).toEqual([new Error('no time')]);
  });

  describe('one writer', () => {
    it('never has two writes on their way: a batch waits for the fsync of the one before', () => {
      expectCommits({
        source: '  0abc-----------',
        expected: '------A----B----C---',
        commits: { A: '1-1 durable', B: '2-2 durable', C: '3-3 durable' },
        journal: ['1 write 0: 1', '3 sync 0', '6 write 0: mark 1, 2', '8 sync 0', '11 write 0: mark 2, 3', '13 sync 0'],
      });
    });

    it('keeps order and never does two things at a time, whatever each of them takes', () => {
      const latency = fc.integer({ min: 0, max: 4 }).map((frames) => `${'-'.repeat(frames)}|`);
      const latencyList = fc.array(latency, { minLength: 1, maxLength: 6 });
      const marbles = fc.array(fc.constantFrom('-', 'x', 'n'), { maxLength: 25 });
      fc.assert(
        fc.property(latencyList, latencyList, latencyList, marbles, (write, syncs, seal, letters) => {
          let lsn = 0;
          let sequence = 0;
          const inputs: (number | Batch)[] = [0];
          let source = '0';
          const values: Record<string, number | Batch> = { 0: 0 };
          for (const letter of letters) {
            if (letter === '-') {
              source += '-';
              continue;
            }
            const name = String.fromCodePoint(0x4e00 + inputs.length);
            const step = letter === 'x' ? batchOf([(lsn += 1)]) : (sequence += 1);
            values[name] = step;
            inputs.push(step);
            source += name;
          }
          const seen: string[] = [];
          const journal = virtualTime((helpers) => {
            const disk = diskOf(helpers, { write, sync: syncs, seal });
            windowed(helpers.hot<number | Batch>(`${source}|`, values))
              .pipe(committing(disk))
              .subscribe({ next: (each) => seen.push(told(each)), complete: () => seen.push('end') });
            return disk.journal;
          });
          const lsns = Array.from({ length: lsn }, (_, index) => index + 1);
          expect(seen).toEqual([...lsns.map((each) => `${each}-${each} durable`), 'end']);
          // What a reader finds, without marks: every record once, in order, in its segment.
          const order = journal.map((line) => line.replace(/^\d+ /, '').replace(/mark \d+(, )?/, ''));
          const expected: string[] = [];
          let segment = 0;
          let last = 0;
          for (const step of inputs.slice(1)) {
            if (typeof step === 'number') {
              expected.push(`seal ${segment}`, `create ${step} from LSN ${last + 1}`);
              segment = step;
            } else {
              last += 1;
              expected.push(`write ${segment}: ${last}`, `sync ${segment}`);
            }
          }
          expect(order).toEqual([...expected, `write ${segment}: `, `seal ${segment}`]);
        }),
        { numRuns: 60 },
      );
    });

    it('listens to a window at once, however busy it is: nothing that comes meanwhile is lost', () => {
      virtualTime((helpers) => {
        const { hot, expectObservable, expectSubscriptions } = helpers;
        const disk = diskOf(helpers, { ...SLOW, seal: '----------|' });
        const first = hot<Batch>('   -a--|', { a: batchOf([1]) });
        const second = hot<Batch>('  -----bc---|', { b: batchOf([2]), c: batchOf([3]) });
        const source = hot<SegmentWindow>('0---1-----|', {
          0: { sequence: 0, firstLsn: 1, batches$: first },
          1: { sequence: 1, firstLsn: 2, batches$: second },
        });
        const firstSubs = '        ^---!';
        const secondSubs = '       ----^-----!';
        const expected = '         ------A--------------B----C-----------|';
        expectObservable(source.pipe(committing(disk), map(told))).toBe(expected, {
          A: '1-1 durable',
          B: '2-2 durable',
          C: '3-3 durable',
        });
        expectSubscriptions(first.subscriptions).toBe(firstSubs);
        expectSubscriptions(second.subscriptions).toBe(secondSubs);
      });
    });

    it('takes a batch that is pushed in while a commit is on its way out behind it', () => {
      const disk = diskOf({ cold: () => NEVER as never }, {});
      const steps$ = new Subject<number | Batch>();
      const seen: string[] = [];
      windowed(steps$)
        .pipe(committing(disk))
        .subscribe((each) => {
          seen.push(told(each));
          if (each.lastLsn === 1) steps$.next(batchOf([2]));
        });
      steps$.next(0);
      steps$.next(batchOf([1]));
      expect(seen).toEqual(['1-1 durable', '2-2 durable']);
      expect(disk.journal.map((line) => line.replace(/^\d+ /, ''))).toEqual([
        'write 0: 1',
        'sync 0',
        'write 0: mark 1, 2',
        'sync 0',
      ]);
    });

    describe('on a disk that takes no time', () => {
      const one = batchOf([1]);
      /** The line on a sink whose first write takes as long as it is told, and all the rest no time. */
      function instant(first$: Observable<void>, onCommit: (push: (step: number | Batch) => void) => void) {
        let writes = 0;
        const segment: SegmentSink = {
          sequence: 0,
          write: () => ((writes += 1) === 1 ? first$ : EMPTY),
          sync: () => EMPTY,
          seal: () => EMPTY,
          abandon: () => EMPTY,
        };
        const steps$ = new Subject<number | Batch>();
        const push = (step: number | Batch): void => {
          steps$.next(step);
        };
        windowed(steps$)
          .pipe(commit({ logId: LOG_ID, segment, createSegment: () => NEVER, lastLsn: 0, markedLsn: 0 }))
          .subscribe(() => {
            onCommit(push);
          });
        push(0);
        return push;
      }

      it('goes through 10,000 batches that wait behind a slow one, without growing the stack', () => {
        const first$ = new Subject<void>();
        let commits = 0;
        const push = instant(first$, () => (commits += 1));
        for (let count = 0; count < 10_000; count += 1) push(one);
        expect(commits).toBe(0);
        first$.complete();
        expect(commits).toBe(10_000);
      });

      it('goes through 10,000 batches that each bring the next, without growing the stack', () => {
        let commits = 0;
        const push = instant(EMPTY, (next) => {
          commits += 1;
          if (commits < 10_000) next(one);
        });
        push(one);
        expect(commits).toBe(10_000);
      });
    });
  });

  describe('a mark', () => {
    it('stands before the frames of a batch when the durable LSN has moved since the last one', () => {
      expectCommits({
        source: '  0a------b------d------',
        disk: {},
        expected: '-A------B------D------',
        commits: { A: '1-1 durable', B: '2-2 durable', D: '3-4 durable' },
        journal: [
          '1 write 0: 1',
          '1 sync 0',
          '8 write 0: mark 1, 2',
          '8 sync 0',
          '15 write 0: mark 2, 3, 4',
          '15 sync 0',
        ],
      });
    });

    it('names what recovery made durable, where the log has none that does', () => {
      expectCommits({
        source: '  0a-',
        values: { 0: 0, a: batchOf([8]) },
        disk: {},
        options: { lastLsn: 7, markedLsn: -1 },
        expected: '-A-',
        commits: { A: '8-8 durable' },
        journal: ['1 write 0: mark 7, 8', '1 sync 0'],
      });
    });

    it('is not repeated, where the log ends with one that names its last record', () => {
      expectCommits({
        source: '  0a-',
        values: { 0: 0, a: batchOf([8]) },
        disk: {},
        options: { lastLsn: 7, markedLsn: 7 },
        expected: '-A-',
        commits: { A: '8-8 durable' },
        journal: ['1 write 0: 8', '1 sync 0'],
      });
    });

    it('is not written for a barrier alone: there is nothing for it to stand before', () => {
      expectCommits({
        source: '  0-S-',
        options: { lastLsn: 7, markedLsn: -1 },
        expected: '--S-',
        commits: { S: '8-7 durable + sync' },
        journal: [],
      });
    });

    it('counts for the bytes of its batch', () => {
      const bytes: number[] = [];
      virtualTime((helpers) => {
        const disk = diskOf(helpers, {});
        windowed(helpers.hot<number | Batch>('0-a-b', { ...steps }))
          .pipe(committing(disk))
          .subscribe((each) => bytes.push(each.bytes));
      });
      expect(bytes).toEqual([FRAME_BYTES, MARK_BYTES + FRAME_BYTES]);
    });
  });

  describe('the pieces of a batch', () => {
    /** One batch of these frames, as `batch` gathers them. */
    function gathered(frames: readonly Frame[], barriers: readonly Barrier[]): Batch {
      let all = batchOf([]);
      from(frames)
        .pipe(batch())
        .subscribe((each) => {
          all = each;
        });
      return { ...all, barriers };
    }
    /** The pieces that it is handed over in. */
    function piecesOf(frames: readonly Frame[], barriers: readonly Barrier[] = []): readonly Uint8Array[] {
      let handed: readonly Uint8Array[] = [];
      const sink: SegmentSink = {
        sequence: 0,
        write: (pieces) => {
          handed = pieces;
          return EMPTY;
        },
        sync: () => EMPTY,
        seal: () => EMPTY,
        abandon: () => EMPTY,
      };
      const steps$ = new Subject<number | Batch>();
      windowed(steps$)
        .pipe(commit({ logId: LOG_ID, segment: sink, createSegment: () => NEVER, lastLsn: 0, markedLsn: 0 }))
        .subscribe();
      steps$.next(0);
      steps$.next(gathered(frames, barriers));
      return handed;
    }
    function framesOf(...texts: readonly string[]): Frame[] {
      const frames: Frame[] = [];
      from(texts)
        .pipe(
          map((text) => payloadOf(bytesOf(text))),
          frame({ bufferBytes: 60 }),
          checksum(LOG_ID),
        )
        .subscribe((each) => frames.push(each));
      return frames;
    }

    it('are one, not copied, where the frames stand side by side', () => {
      const frames = framesOf('a', 'b', 'c');
      const pieces = piecesOf(frames);
      expect(pieces).toHaveLength(1);
      expect(pieces[0]!.buffer).toBe(frames[0]!.buffer.buffer);
      expect(contents(pieces, 51)).toBe('1, 2, 3');
    });

    it('are one for each buffer', () => {
      const pieces = piecesOf(framesOf('a', 'b', 'c', 'd', 'e'));
      expect(pieces.map(({ length }) => length)).toEqual([51, 34]);
      expect(contents(pieces, 85)).toBe('1, 2, 3, 4, 5');
    });

    it('are two where a frame between two others is missing', () => {
      const [one, , three] = framesOf('a', 'b', 'c');
      expect(piecesOf([one!, three!]).map(({ length }) => length)).toEqual([17, 17]);
    });

    it('are two where one buffer goes on at the offset at which another ends', () => {
      const [one] = framesOf('a');
      const buffer = new Uint8Array(34);
      buffer.set(encodeFrame('record', 2, bytesOf('b'), crcFrom), 17);
      const two: Frame = { kind: 'record', lsn: 2, buffer, start: 17, end: 34, commit: true };
      expect(contents(piecesOf([one!, two]), 34)).toBe('1, 2');
    });

    it('are one for each run, as it stands in its buffer', () => {
      const buffer = Buffer.alloc(60, 0xff);
      buffer.set(encodeFrame('record', 1, bytesOf('a'), crcFrom), 3);
      buffer.set(encodeFrame('record', 2, bytesOf('b'), crcFrom), 20);
      buffer.set(encodeFrame('record', 3, bytesOf('c'), crcFrom), 40);
      const frames = [3, 20, 40].map((start, index): Frame => ({
        kind: 'record',
        lsn: index + 1,
        buffer,
        start,
        end: start + 17,
        commit: true,
      }));
      const pieces = piecesOf(frames);
      expect(pieces.map((piece) => [piece.byteOffset - buffer.byteOffset, piece.length])).toEqual([
        [3, 34],
        [40, 17],
      ]);
      expect(contents(pieces, 51)).toBe('1, 2, 3');
    });

    it('are none of an empty batch', () => {
      expect(piecesOf([])).toEqual([]);
    });

    it('end with its checkpoints', () => {
      const frames = framesOf('a', 'b');
      const second: Barrier = { kind: 'checkpoint', checkpoint: { lsn: 1, epoch: 2 } };
      const pieces = piecesOf(frames, [flush, checkpoint, second]);
      expect(pieces).toHaveLength(3);
      expect(contents(pieces, Buffer.concat(pieces).length)).toBe('1, 2, checkpoint 2, checkpoint 1');
    });
  });

  describe('a file that can write and sync in one call', () => {
    it('is not asked to sync', () => {
      expectCommits({
        source: '  0-a---b-|',
        disk: { writeDurable: '----|', write: '-|', seal: '--|' },
        expected: '------A---B--|',
        commits: { A: '1-1 durable', B: '2-2 durable' },
        journal: ['2 writeDurable 0: 1', '6 writeDurable 0: mark 1, 2', '10 write 0: mark 2', '11 seal 0'],
      });
    });

    it('takes no time to sync', () => {
      virtualTime((helpers) => {
        const { hot, expectObservable } = helpers;
        const disk = diskOf(helpers, { writeDurable: '----|' });
        const commits$ = windowed(hot<number | Batch>('0a', { ...steps })).pipe(
          committing(disk),
          map(({ writeMs, syncMs }) => ({ writeMs, syncMs })),
        );
        expectObservable(commits$).toBe('-----A', { A: { writeMs: 4, syncMs: 0 } });
      });
    });

    it('is not asked for anything by a sync of what is durable already', () => {
      expectCommits({
        source: '  0-S-',
        disk: { writeDurable: '----|' },
        expected: '--S-',
        commits: { S: '1-0 durable + sync' },
        journal: [],
      });
    });

    it('is not used in nosync: what was written before would stay unsynced', () => {
      expectCommits({
        source: '  0-a---x----',
        values: { ...steps, x: batchOf([2], [sync]) },
        disk: { writeDurable: '-|', write: '-|', sync: '--|' },
        options: { mode: 'nosync' },
        expected: '---A-----X--',
        commits: { A: '1-1 written', X: '1-2 durable + sync' },
        journal: ['2 write 0: 1', '6 write 0: 2', '7 sync 0'],
      });
    });
  });

  describe('nosync', () => {
    const options = { mode: 'nosync' } as const;

    it('writes and does not sync; its commits say so', () => {
      expectCommits({
        source: '  0-ab----',
        options,
        expected: '----A-B--',
        commits: { A: '1-1 written', B: '2-2 written' },
        journal: ['2 write 0: 1', '4 write 0: 2'],
      });
    });

    it('syncs for a sync barrier: everything up to there is durable then', () => {
      expectCommits({
        source: '  0-ab--S----',
        options,
        expected: '----A-B--S--',
        commits: { A: '1-1 written', B: '2-2 written', S: '1-2 durable + sync' },
        journal: ['2 write 0: 1', '4 write 0: 2', '6 sync 0'],
      });
    });

    it.each([
      { name: 'sync', barrier: sync },
      { name: 'rotate', barrier: rotation },
    ])('syncs for a $name barrier behind the frames of its batch', ({ name, barrier }) => {
      expectCommits({
        source: '  0-a-x-----',
        values: { ...steps, x: batchOf([2], [barrier]) },
        options,
        expected: '----A----X',
        commits: { A: '1-1 written', X: `1-2 durable + ${name}` },
        journal: ['2 write 0: 1', '4 write 0: 2', '6 sync 0'],
      });
    });

    it('writes and syncs for a checkpoint', () => {
      expectCommits({
        source: '  0-b-K-----',
        options: { ...options, lastLsn: 1, markedLsn: 1 },
        expected: '----B----K',
        commits: { B: '2-2 written', K: '2-2 durable + checkpoint' },
        journal: ['2 write 0: 2', '4 write 0: checkpoint 2', '6 sync 0'],
      });
    });

    it('does not sync for a flush barrier', () => {
      expectCommits({
        source: '  0-a-F-x---',
        values: { ...steps, x: batchOf([2], [flush]) },
        options,
        expected: '----(AF)X',
        commits: { A: '1-1 written', F: '2-1 written + flush', X: '2-2 written + flush' },
        journal: ['2 write 0: 1', '6 write 0: 2'],
      });
    });

    it('does not sync again for a sync barrier behind which nothing was written', () => {
      expectCommits({
        source: '  0-a-S----S---',
        options,
        expected: '----A--S-T---',
        commits: { A: '1-1 written', S: '1-1 durable + sync', T: '2-1 durable + sync' },
        journal: ['2 write 0: 1', '4 sync 0'],
      });
    });

    it('marks what is durable, not what is written', () => {
      expectCommits({
        source: '  0abScd',
        values: { ...steps, d: batchOf([4]) },
        disk: {},
        options,
        expected: '-ABSCD',
        commits: {
          A: '1-1 written',
          B: '2-2 written',
          S: '1-2 durable + sync',
          C: '3-3 written',
          D: '4-4 written',
        },
        journal: ['1 write 0: 1', '2 write 0: 2', '3 sync 0', '4 write 0: mark 2, 3', '5 write 0: 4'],
      });
    });

    it('makes a segment durable before the next one: a commit of its own says so', () => {
      expectCommits({
        source: '  0-a---1-b---',
        options,
        expected: '----A----C-B--',
        commits: { A: '1-1 written', C: '1-1 durable', B: '2-2 written' },
        journal: ['2 write 0: 1', '6 seal 0', '9 create 1 from LSN 2', '9 write 1: mark 1, 2'],
      });
    });

    it('makes everything durable before the last mark: a commit of its own says so', () => {
      expectCommits({
        source: '  0-a---|',
        options,
        expected: '----A----C----|',
        commits: { A: '1-1 written', C: '1-1 durable' },
        journal: ['2 write 0: 1', '6 sync 0', '9 write 0: mark 1', '11 seal 0'],
      });
    });
  });

  describe('a barrier alone', () => {
    it.each(['S', 'F', 'R'])('is answered in its turn, and touches nothing: %s', (letter) => {
      const { kind } = (steps[letter] as Batch).barriers[0]!;
      expectCommits({
        source: `  0-a-${letter}---`,
        expected: '-------(AX)',
        commits: { A: '1-1 durable', X: `2-1 durable + ${kind}` },
        journal: ['2 write 0: 1', '4 sync 0'],
      });
    });

    it('that is a checkpoint is written, marked and made durable', () => {
      expectCommits({
        source: '  0-d----K----',
        values: { ...steps, d: batchOf([1, 2]) },
        expected: '-------D----K',
        commits: { D: '1-2 durable', K: '3-2 durable + checkpoint' },
        journal: ['2 write 0: 1, 2', '4 sync 0', '7 write 0: mark 2, checkpoint 2', '9 sync 0'],
      });
    });

    it('that is a checkpoint counts its frame for the bytes, not for the records', () => {
      virtualTime((helpers) => {
        const { hot, expectObservable } = helpers;
        const disk = diskOf(helpers, {});
        const commits$ = windowed(hot<number | Batch>('0-K', { ...steps })).pipe(
          committing(disk, { lastLsn: 2, markedLsn: 2 }),
          map(({ records, bytes }) => ({ records, bytes })),
        );
        expectObservable(commits$).toBe('--K', {
          K: { records: 0, bytes: encodeCheckpointFrame(CHECKPOINT, crcFrom).length },
        });
      });
    });
  });

  describe('a new window', () => {
    it('seals the old segment, then makes the new one, then takes the first write', () => {
      expectCommits({
        source: '  0a-------1b------------',
        disk: { ...SLOW, create: '----|' },
        expected: '------A--------------B---',
        commits: { A: '1-1 durable', B: '2-2 durable' },
        journal: [
          '1 write 0: 1',
          '3 sync 0',
          '9 seal 0',
          '12 create 1 from LSN 2',
          '16 write 1: mark 1, 2',
          '18 sync 1',
        ],
      });
    });

    it('makes its segment at once, not with its first batch', () => {
      expectCommits({
        source: '  0a------1----',
        expected: '------A------',
        commits: { A: '1-1 durable' },
        journal: ['1 write 0: 1', '3 sync 0', '8 seal 0', '11 create 1 from LSN 2'],
      });
    });

    it('is nothing new where it goes on with the segment of recovery', () => {
      expectCommits({ source: '--0---', expected: '------', journal: [] });
    });

    it('may be the first: then the segment of recovery is sealed', () => {
      expectCommits({
        source: '  1-----',
        expected: '------',
        journal: ['0 seal 0', '3 create 1 from LSN 1'],
      });
    });

    it('says nothing of itself, where all had been durable', () => {
      expectCommits({
        source: '  0-1-2-|',
        disk: {},
        expected: '------|',
        journal: [
          '2 seal 0',
          '2 create 1 from LSN 1',
          '4 seal 1',
          '4 create 2 from LSN 1',
          '6 write 2: mark 0',
          '6 seal 2',
        ],
      });
    });
  });

  describe('the end', () => {
    it('is a mark for the last record, then the seal', () => {
      expectCommits({
        source: '  0-a-----|',
        subs: '    ^-------!',
        expected: '-------A-----|',
        commits: { A: '1-1 durable' },
        journal: ['2 write 0: 1', '4 sync 0', '8 write 0: mark 1', '10 seal 0'],
      });
    });

    it('waits for the batches that came before it', () => {
      expectCommits({
        source: '  0ab|',
        subs: '    ^--!',
        expected: '------A----B----|',
        commits: { A: '1-1 durable', B: '2-2 durable' },
        journal: ['1 write 0: 1', '3 sync 0', '6 write 0: mark 1, 2', '8 sync 0', '11 write 0: mark 2', '13 seal 0'],
      });
    });

    it('closes the log for an empty source too', () => {
      expectCommits({
        source: '  |',
        subs: '    (^!)',
        options: { lastLsn: 7, markedLsn: -1 },
        expected: '-----|',
        journal: ['0 write 0: mark 7', '2 seal 0'],
      });
    });

    it('never comes for a source that never ends', () => {
      expectCommits({ source: '-', subs: '^', expected: '-', journal: [] });
    });
  });

  describe('the first failure', () => {
    it('of a write ends the stream, leaves the file as it is, and tries nothing again', () => {
      expectCommits({
        source: '  0-a-----b--c--',
        disk: { ...SLOW, write: ['--|', '--#'] },
        subs: '    ^---------!',
        expected: '-------A--#',
        commits: { A: '1-1 durable' },
        journal: ['2 write 0: 1', '4 sync 0', '8 write 0: mark 1, 2', '10 abandon 0'],
      });
    });

    it('of an fsync ends the stream: no second fsync', () => {
      expectCommits({
        source: '  0-a-----b--c---',
        disk: { ...SLOW, sync: ['---|', '--#'] },
        subs: '    ^-----------!',
        expected: '-------A----#',
        commits: { A: '1-1 durable' },
        journal: ['2 write 0: 1', '4 sync 0', '8 write 0: mark 1, 2', '10 sync 0', '12 abandon 0'],
      });
    });

    it('of a durable write ends the stream', () => {
      expectCommits({
        source: '  0-a-b',
        disk: { writeDurable: '---#' },
        expected: '-----#',
        journal: ['2 writeDurable 0: 1', '5 abandon 0'],
      });
    });

    it('drops the batches that wait', () => {
      expectCommits({
        source: '  0abc---',
        disk: { ...SLOW, sync: '---#' },
        subs: '    ^-----!',
        expected: '------#',
        journal: ['1 write 0: 1', '3 sync 0', '6 abandon 0'],
      });
    });

    it('to seal a segment ends the stream before the next one is made', () => {
      expectCommits({
        source: '  0-1a---',
        disk: { ...SLOW, seal: '--#' },
        expected: '----#',
        journal: ['2 seal 0', '4 abandon 0'],
      });
    });

    it('to make a segment ends the stream', () => {
      expectCommits({
        source: '  0-1a-----',
        disk: { ...SLOW, create: '-#' },
        expected: '------#',
        journal: ['2 seal 0', '5 create 1 from LSN 1', '6 abandon 0'],
      });
    });

    it('in the new segment leaves the new one as it is', () => {
      expectCommits({
        source: '  0-1a-----',
        disk: { ...SLOW, write: '--#' },
        expected: '-------#',
        journal: ['2 seal 0', '5 create 1 from LSN 1', '5 write 1: 1', '7 abandon 1'],
      });
    });

    it('of the last mark ends the stream, and the log is not sealed', () => {
      expectCommits({
        source: '  0-|',
        disk: { ...SLOW, write: '--#' },
        expected: '----#',
        journal: ['2 write 0: mark 0', '4 abandon 0'],
      });
    });

    it('of the last seal ends the stream', () => {
      expectCommits({
        source: '  0-|',
        disk: { ...SLOW, seal: '---#' },
        expected: '-------#',
        journal: ['2 write 0: mark 0', '4 seal 0', '7 abandon 0'],
      });
    });

    it('is told at once: it does not wait for the file to be closed', () => {
      expectCommits({
        source: '  0-a--------',
        disk: { write: '--#', abandon: '----|' },
        expected: '----#',
        journal: ['2 write 0: 1', '4 abandon 0'],
      });
    });

    it.each([
      { how: 'comes', abandon: () => throwError(() => new Error('EBADF')) },
      {
        how: 'is thrown',
        abandon: () => {
          throw new Error('EBADF');
        },
      },
    ])('is told, not the failure to close the file that $how behind it', ({ abandon }) => {
      virtualTime((helpers) => {
        const { hot, expectObservable } = helpers;
        const disk = diskOf(helpers, { write: '--#' });
        const sink = { ...disk.sink(0), abandon };
        const commits$ = windowed(hot<number | Batch>('0-a---', { ...steps })).pipe(
          committing(disk, { segment: sink }),
        );
        expectObservable(commits$).toBe('----#', undefined, failure);
      });
    });

    it.each(['write', 'writeDurable', 'sync', 'seal', 'createSegment'] as const)('may be thrown by %s', (call) => {
      virtualTime((helpers) => {
        const { hot, expectObservable } = helpers;
        const disk = diskOf(helpers, call === 'writeDurable' ? { writeDurable: '|' } : {});
        const throwing = {
          [call]: () => {
            throw failure;
          },
        };
        const commits$ = windowed(hot<number | Batch>('0-a-1-|', { ...steps })).pipe(
          committing(disk, { segment: { ...disk.sink(0), ...throwing }, ...throwing }),
          map(told),
        );
        const early = call === 'seal' || call === 'createSegment' ? '--A-#' : '--#';
        expectObservable(commits$).toBe(early, { A: '1-1 durable' }, failure);
      });
    });
  });

  describe("its source's error", () => {
    it('ends the stream, and the file is left as it is: without the mark of a clean close', () => {
      expectCommits({
        source: '  0a-------#',
        subs: '    ^--------!',
        expected: '------A--#',
        commits: { A: '1-1 durable' },
        journal: ['1 write 0: 1', '3 sync 0', '9 abandon 0'],
      });
    });

    it('takes its turn behind the batches that came before it: what batch let out is not dropped', () => {
      expectCommits({
        source: '  0ab#',
        subs: '    ^--!',
        expected: '------A----(B#)',
        commits: { A: '1-1 durable', B: '2-2 durable' },
        journal: ['1 write 0: 1', '3 sync 0', '6 write 0: mark 1, 2', '8 sync 0', '11 abandon 0'],
      });
    });
  });

  it('leaves its source and the open window when it is left', () => {
    virtualTime((helpers) => {
      const { hot, expectObservable, expectSubscriptions } = helpers;
      const disk = diskOf(helpers, SLOW);
      const window = hot<Batch>('       -ab--', { ...steps } as Record<string, Batch>);
      const source = hot<SegmentWindow>('0----', { 0: { sequence: 0, firstLsn: 1, batches$: window } });
      const windowSubs = '             ^---!';
      const sourceSubs = '             ^---!';
      const unsub = '                  ----!';
      const expected = '               -----';
      const commits$ = source.pipe(committing(disk));
      expectObservable(commits$, unsub).toBe(expected);
      expectSubscriptions(window.subscriptions).toBe(windowSubs);
      expectSubscriptions(source.subscriptions).toBe(sourceSubs);
    });
  });

  it('leaves what is on its way when it is left, and touches the file no more', () => {
    expectCommits({
      source: '  0ab--',
      unsub: '   ----!',
      subs: '    ^---!',
      expected: '-----',
      journal: ['1 write 0: 1', '3 sync 0', '4 leaves sync 0'],
    });
  });
});
