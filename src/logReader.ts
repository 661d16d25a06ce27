import { catchError, defer, tap, throwError, type Observable } from 'rxjs';
import { isVanished } from './besideWriter';
import { Entries } from './entries';
import { WalClosedError, WalTruncatedError } from './errors';
import { checkReadOptions, checkTailOptions } from './options';
import type { LogNow } from './logNow';
import { paged } from './paged';
import { pastTheEnd, readRuns, type PlacedRun, type ReadRunsOptions } from './read';
import { entriesOf } from './reading/entriesOf';
import type { SegmentStore } from './store/segmentStore';
import { Tails } from './tail/tails';
import type { Codec, ReadOptions, SegmentInfo, TailOptions } from './types';

/** The log that is read. */
export interface ReadLog<T> {
  readonly store: SegmentStore;
  readonly logId: Uint8Array;
  readonly codec: Codec<T>;
  readonly maxRecordBytes: number;
  /** Oldest first. */
  readonly segments: readonly SegmentInfo[];
  readonly now: () => LogNow;
  /** Records up to this LSN have gone, or are about to. */
  readonly goneLsn: () => number;
  /** Does work in the next turn of the event loop. */
  later(work: () => void): void;
}

/** The reading half of an open log: what it holds now, and what it will. */
export class LogReader<T> {
  readonly tails: Tails;
  readonly #log: ReadLog<T>;

  constructor(log: ReadLog<T>) {
    this.#log = log;
    this.tails = new Tails({
      durableLsn: () => log.now().durableLsn,
      read: (after, until, place, wanted$) => this.#runs({ after, until, place, wanted$ }),
      later: (work) => {
        log.later(work);
      },
    });
  }

  /** What is durable at the subscription. */
  read(options: ReadOptions): Entries<T> {
    checkReadOptions(options);
    const { signal } = options;
    return new Entries(
      (wanted$) =>
        defer(() => {
          this.#refuse('read', options.after);
          // Whatever is there now: a checkpoint may take the first of it while it is on its way.
          const after = options.after ?? this.#log.now().firstLsn - 1;
          const until = Math.min(this.#log.now().durableLsn, options.until ?? Infinity);
          const runs$ = paged(({ lsn = after, place }) => this.#runs({ after: lsn, until, place }), wanted$);
          return runs$.pipe(entriesOf(this.#log.codec, after));
        }),
      signal,
    );
  }

  /** What is durable at the subscription, and everything that becomes so. */
  tail(options: TailOptions): Entries<T> {
    checkTailOptions(options);
    const { signal, onCaughtUp = () => undefined } = options;
    return new Entries(
      (wanted$) =>
        defer(() => {
          this.#refuse('tail', options.after);
          const after = options.after ?? this.#log.now().firstLsn - 1;
          return this.tails.runs({ after, wanted$, onCaughtUp }).pipe(entriesOf(this.#log.codec, after));
        }),
      signal,
    );
  }

  #refuse(call: string, after = 0): void {
    const { isClosed, lastLsn } = this.#log.now();
    if (isClosed) throw new WalClosedError(call);
    if (after > lastLsn) throw pastTheEnd(after, lastLsn);
  }

  #runs(options: Pick<ReadRunsOptions, 'after' | 'until' | 'place' | 'wanted$'>): Observable<PlacedRun> {
    const { store, segments, logId, maxRecordBytes } = this.#log;
    const { after, until } = options;
    let lastLsn = after ?? 0;
    return readRuns(store, {
      ...options,
      segments: [...segments],
      logId,
      maxRecordBytes,
      end: 'whole',
      durableLsn: until,
    }).pipe(
      tap((run) => {
        lastLsn = run.lastLsn;
      }),
      catchError((error: unknown) => {
        // A checkpoint may remove a segment before this reader gets to it.
        const firstLsn = this.#log.goneLsn() + 1;
        const removed = isVanished(error) && lastLsn + 1 < firstLsn;
        return throwError(() => (removed ? new WalTruncatedError(lastLsn + 1, firstLsn) : error));
      }),
    );
  }
}
