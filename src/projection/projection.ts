import type { Observable } from 'rxjs';
import type { Codec, Entry } from '../types';

/** How a projection folds a log into a state. */
export interface ProjectOptions<T, S> {
  /** Names the snapshots, and the reader `projection:<name>` that holds the log: 1 to 100 of `a-z 0-9 . _ -`. One of a name at a time. */
  readonly name: string;
  /** The state before the first record; a function makes it anew. A state that `reduce` changes in place needs the function. */
  readonly initial: S | (() => S);
  /**
   * Takes an entry into the state, and gives the new one; may change the old one and give that. Called once for each record, in LSN order, with durable records
   * only. What it throws ends the projection, and not the log.
   */
  readonly reduce: (state: S, entry: Entry<T>) => S;
  /**
   * How the state becomes the bytes of a snapshot. It encodes in one turn of the event loop, which a large state holds for as long as that takes: 10 MiB of plain
   * objects some 90 ms, and 70 ms more to frame and checksum them (two cores, shared; bench/trials/tails.ts).
   *
   * @default cborCodec()
   */
  readonly codec?: Codec<S> | undefined;
  /**
   * Records between two snapshots, at least 1. A start reads so many of them again at the most, and the log keeps twice as many.
   *
   * @default 10_000
   */
  readonly snapshotEvery?: number | undefined;
  /**
   * Whether to checkpoint the log, when a snapshot is durable, up to where every named reader has it: so old segments go away by themselves. `false` where the log
   * is the history that is to be kept, or another projection may begin later from its first record.
   *
   * @default true
   */
  readonly checkpoint?: boolean | undefined;
  /**
   * Of `reduce` and the state's shape. Snapshots of another version are passed over, and the state is made anew from the log, which has to hold all of it.
   *
   * @default 1
   */
  readonly version?: number | undefined;
  /**
   * Where to begin without a snapshot: behind this LSN. `wal.firstLsn - 1` to begin with what is there.
   *
   * @default 0: the log has to hold its first record
   */
  readonly after?: number | undefined;
  /** Ends the projection without a last snapshot: it fails with the signal's reason. `close()` takes one. */
  readonly signal?: AbortSignal | undefined;
}

/** A state, and the LSN of the last record in it. */
export interface Projected<S> {
  readonly lsn: number;
  readonly state: S;
}

/** What became of one snapshot. */
export interface SnapshotOutcome {
  readonly lsn: number;
  /** Bytes of the state. */
  readonly bytes: number;
  /** Why it is not there, or why the log could not be let go behind it. The projection goes on, and the next snapshot does the rest. */
  readonly error: unknown;
}

/** A state that follows a log. */
export interface Projection<S> extends AsyncDisposable {
  readonly name: string;
  /**
   * The state: when all that was durable at the start has been applied, and then whenever more has been, at most once a turn of the event loop. The current
   * one first. Ends with the projection; fails with `WalProjectionError`, or as `tail` does.
   *
   * A snapshot of record 2 is there; records 3 and 4 are in the log, and 5 comes:
   *
   * ```
   * durable$:   4-----5--
   * state$:     4-----5--      3 and 4 are applied to the snapshot, and then it is shown
   * ```
   */
  readonly state$: Observable<Projected<S>>;
  /** Records that are durable and not yet applied; the current number first. */
  readonly lag$: Observable<number>;
  /** Each snapshot that was taken, or could not be. A failed one that nobody hears of here is an unhandled error. */
  readonly snapshots$: Observable<SnapshotOutcome>;
  /** The state as it is now, of records that have been applied up to {@link lsn}. `undefined` before a snapshot has been looked for. */
  readonly current: Projected<S> | undefined;
  /** LSN of the last record applied. */
  readonly lsn: number;
  /** Why newer snapshots than the one it started from were passed over. */
  readonly passedOver: readonly Error[];
  /**
   * The state when it has a record: read your own writes. Emits once, and can be awaited.
   *
   * @example
   * const { lsn } = await wal.append(event);
   * const { state } = await balances.at(lsn);
   */
  at(lsn: number): Observable<Projected<S>> & PromiseLike<Projected<S>>;
  /** Takes a snapshot now. Gives its LSN when it is durable and the log may go behind the one before. Rejects as that says. */
  snapshot(): Promise<number>;
  /** Ends it, with a last snapshot. The log goes on. A log that closes ends its projections so. */
  close(): Promise<void>;
}
