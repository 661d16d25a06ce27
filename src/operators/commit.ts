import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  defer,
  endWith,
  ignoreElements,
  map,
  mergeMap,
  of,
  tap,
  throwError,
  Observable,
  type OperatorFunction,
  type SchedulerLike,
} from 'rxjs';
import { monotonicScheduler } from '../clock';
import { encodeCheckpointFrame } from '../format/checkpoint';
import { crcStart, encodeFrame } from '../format/frame';
import { handOnInTurn, inTurn } from '../inTurn';
import type { Batch, Commit, DurabilityMode, SegmentInfo, SegmentSink, SegmentWindow } from '../types';

export interface CommitOptions {
  /** The same 8 bytes that `checksum` was given. */
  readonly logId: Uint8Array;
  /** The segment to go on with, as `recover` left it. */
  readonly segment: SegmentSink;
  /** Makes the next segment: its header and its name are durable when it emits. */
  readonly createSegment: (segment: SegmentInfo) => Observable<SegmentSink>;
  /** The last LSN in the log. It is durable: recovery made it so. */
  readonly lastLsn: number;
  /** The mark in the log that names it; -1 where there is none. */
  readonly markedLsn: number;
  /** `nosync` writes and does not fsync, unless a barrier asks. Default `sync`. */
  readonly mode?: DurabilityMode;
  /** Whose clock times the writes. Default: one that does not jump. */
  readonly scheduler?: SchedulerLike;
}

/** What the one queue does, one after the other. */
type Step = { readonly batch: Batch } | { readonly window: SegmentWindow } | { readonly error: unknown } | 'close';

const NO_PAYLOAD = new Uint8Array(0);

/**
 * Writes each batch behind the last and makes it durable: the fsync sink. One `concatMap`, one queue, one writer; at most one
 * batch is unsynced at any time, and everything the log promises follows from that.
 *
 * A write takes 2 frames of time here, an fsync 3, and so does sealing a segment; making one takes none. `0` and `1` are windows of
 * `rotate`:
 *
 * ```
 * source:     0-a------b1-----|
 * commit():   -------A------B-------|     each commit after its fsync; B's before segment 1 is made
 * ```
 *
 * Before the frames of a batch stands a mark with the durable LSN, when that has moved since the last mark. Because no second
 * batch is on its way then, a mark proves to a later reader that what stands before it had been durable.
 *
 * A new window: fsync the old segment, create the new one, write and fsync its header, fsync the directory. When the source
 * ends, the log is closed with a mark for its last record, trimmed, and fsync'd.
 *
 * The first failure ends the stream with the store's error; nothing is retried (after a failed fsync the kernel may call lost
 * pages clean: Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020), and the file is closed. Unsubscribing stops
 * the queue and closes nothing: end the source instead.
 */
export function commit(options: CommitOptions): OperatorFunction<SegmentWindow, Commit> {
  return (source) =>
    defer(() => {
      const line = new CommitLine(options);
      const turn = inTurn();
      return source.pipe(
        // Synchronously, before the queue: see `rotate`.
        mergeMap((window) => concat(of({ window }), window.batches$.pipe(map((batch) => ({ batch }))))),
        endWith('close' as const),
        // A source that fails takes its turn too: what it let out before is not dropped.
        catchError((error: unknown) => of({ error })),
        // A step that takes no time would start the one behind it from within its own end, and that one the next: a stack as deep
        // as the queue is long (ReactiveX/rxjs#7334). In turn, it is a loop.
        concatMap((step: Step) => line.run(step).pipe(handOnInTurn(turn))),
        catchError((error: unknown) => {
          line.abandon();
          return throwError(() => error);
        }),
      );
    });
}

class CommitLine {
  readonly #options: CommitOptions;
  readonly #scheduler: SchedulerLike;
  readonly #crcFrom: number;
  readonly #syncs: boolean;
  #segment: SegmentSink;
  #writtenLsn: number;
  #durableLsn: number;
  #markedLsn: number;

  constructor(options: CommitOptions) {
    this.#options = options;
    this.#scheduler = options.scheduler ?? monotonicScheduler;
    this.#crcFrom = crcStart(options.logId);
    this.#syncs = options.mode !== 'nosync';
    this.#segment = options.segment;
    this.#writtenLsn = options.lastLsn;
    this.#durableLsn = options.lastLsn;
    this.#markedLsn = options.markedLsn;
  }

  run(step: Step): Observable<Commit> {
    if (step === 'close') return this.#close();
    if ('window' in step) return this.#turn(step.window);
    if ('error' in step) return throwError(() => step.error);
    return this.#write(step.batch);
  }

  /** After a failure: the file is closed as it is. The failure does not wait for it, and is what counts. */
  abandon(): void {
    defer(() => this.#segment.abandon()).subscribe({ error: () => undefined });
  }

  /** Written out: every batch comes by here, and as nested `concat`s it makes ten times the objects. */
  #write(batch: Batch): Observable<Commit> {
    return new Observable<Commit>((subscriber) => {
      const pieces = this.#lay(batch);
      let bytes = 0;
      for (const piece of pieces) bytes += piece.length;
      const sync = this.#syncs || batch.barriers.some(({ kind }) => kind !== 'flush');
      const lastLsn = batch.records > 0 ? batch.lastLsn : this.#writtenLsn;
      const before = this.#durableLsn;
      const started = this.#scheduler.now();
      let written = started;
      const fail = (error: unknown): void => {
        subscriber.error(error);
      };
      /** What is thrown in an observer's `complete`, as by the clock of somebody's scheduler, would reach nobody who waits. */
      const guarded = (step: () => void) => (): void => {
        try {
          step();
        } catch (error) {
          fail(error);
        }
      };

      const done = (synced: number): void => {
        if (sync) this.#durableLsn = lastLsn;
        subscriber.next({
          firstLsn: sync ? before + 1 : batch.records > 0 ? batch.firstLsn : lastLsn + 1,
          lastLsn,
          records: batch.records,
          bytes,
          reason: batch.reason,
          durable: this.#durableLsn === lastLsn,
          writeMs: written - started,
          syncMs: synced - written,
          barriers: batch.barriers,
          segment: this.#segment.sequence,
        });
        subscriber.complete();
      };
      const onWritten = (): void => {
        this.#writtenLsn = lastLsn;
        written = this.#scheduler.now();
        if (!sync || !this.#isUnsynced(bytes)) {
          done(written);
          return;
        }
        const onSynced = guarded(() => {
          done(this.#scheduler.now());
        });
        subscriber.add(defer(() => this.#segment.sync()).subscribe({ error: fail, complete: onSynced }));
      };

      if (bytes === 0) onWritten();
      else subscriber.add(this.#put(pieces, bytes).subscribe({ error: fail, complete: guarded(onWritten) }));
    });
  }

  /** The bytes of a batch: a mark where one is due, the frames, its checkpoints. */
  #lay({ runs, barriers }: Batch): Uint8Array[] {
    const pieces = runs.map(({ buffer, start, end }) => buffer.subarray(start, end));
    for (const barrier of barriers) {
      if (barrier.kind === 'checkpoint') pieces.push(encodeCheckpointFrame(barrier.checkpoint, this.#crcFrom));
    }
    if (pieces.length > 0 && this.#markedLsn !== this.#durableLsn) {
      pieces.unshift(this.#mark());
      this.#markedLsn = this.#durableLsn;
    }
    return pieces;
  }

  #mark(): Uint8Array {
    return encodeFrame('mark', this.#durableLsn, NO_PAYLOAD, this.#crcFrom);
  }

  /** Writes; where every batch is synced and one call can do both, it does. */
  #put(pieces: readonly Uint8Array[], bytes: number): Observable<void> {
    const segment = this.#segment;
    return this.#syncs && segment.writeDurable ? segment.writeDurable(pieces, bytes) : segment.write(pieces, bytes);
  }

  /** Whether an fsync is still owed after a write of `bytes`. */
  #isUnsynced(bytes: number): boolean {
    return bytes > 0 ? !this.#writesDurably : this.#writtenLsn > this.#durableLsn;
  }

  /** One `O_DSYNC` write is enough only where nothing before it is unsynced, which `nosync` cannot say. */
  get #writesDurably(): boolean {
    return this.#syncs && this.#segment.writeDurable !== undefined;
  }

  #turn({ sequence, firstLsn }: SegmentWindow): Observable<Commit> {
    if (sequence === this.#segment.sequence) return EMPTY;
    return concat(
      this.#finish(this.#segment.seal()),
      defer(() => this.#options.createSegment({ sequence, firstLsn })).pipe(
        tap((segment) => {
          this.#segment = segment;
        }),
        ignoreElements(),
      ),
    );
  }

  #close(): Observable<Commit> {
    return concat(
      this.#writtenLsn > this.#durableLsn ? this.#finish(this.#segment.sync()) : EMPTY,
      defer(() => {
        const mark = this.#mark();
        return concat(this.#segment.write([mark], mark.length, true), this.#segment.seal()).pipe(ignoreElements());
      }),
    );
  }

  /** Everything written is durable when `sync` completes. A commit of its own where that is news. */
  #finish(sync: Observable<void>): Observable<Commit> {
    return defer(() => {
      const before = this.#durableLsn;
      const started = this.#scheduler.now();
      return concat(
        sync.pipe(ignoreElements()),
        defer(() => {
          this.#durableLsn = this.#writtenLsn;
          if (this.#durableLsn === before) return EMPTY;
          return of<Commit>({
            firstLsn: before + 1,
            lastLsn: this.#durableLsn,
            records: 0,
            bytes: 0,
            reason: 'close',
            durable: true,
            writeMs: 0,
            syncMs: this.#scheduler.now() - started,
            barriers: [],
            segment: this.#segment.sequence,
          });
        }),
      );
    });
  }
}
