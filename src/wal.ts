import type { Writable } from 'node:stream';
import type { Observable, Observer } from 'rxjs';
import type { Entries } from './entries';
import type { Projection, ProjectOptions } from './projection/projection';
import type {
  Ack,
  Checkpoint,
  Commit,
  Durability,
  ReadOptions,
  Reader,
  Recovery,
  Rejection,
  Retention,
  TailOptions,
  WalState,
  WalStats,
} from './types';
import type { WalWritableOptions } from './writable';

/** What a checkpoint is told. */
export interface CheckpointMark {
  /** Everything up to this LSN is no longer needed. Default: the last LSN appended. Not below the last checkpoint's. */
  readonly lsn?: number | undefined;
  /** The application's counter of checkpoints. Default: one more than the last. Not below it. */
  readonly epoch?: number | undefined;
  /** The application's newest transaction. */
  readonly transactionId?: number | undefined;
}

/**
 * An open log. One writer for each directory; every method may be called from anywhere, also from within its own outputs.
 *
 * It is an `Observer`: `events$.subscribe(wal)` appends every event, and the end of `events$` drains and closes the log.
 */
export interface Wal<T> extends Observer<T>, AsyncDisposable {
  /**
   * Appends a value. It happens on the call, not on the subscription; the Observable emits the ack once the record is durable
   * (mode `nosync`: written) and completes, also for a late subscriber. `await wal.append(value)` waits for that.
   *
   * A commit takes 3 frames of time here, and `b` comes while `a` is on its way:
   *
   * ```
   * append(a):  a--(A|)
   * append(b):  -b----(B|)
   * ```
   *
   * Its errors: `WalRecordError` (this value cannot be a record), `WalBackpressureError` (too much is waiting), `WalClosedError`,
   * `WalPoisonedError` (the log stopped; `outcome` says what became of the record).
   */
  append(value: T): Observable<Ack> & PromiseLike<Ack>;

  /**
   * Appends values as one group: after a crash all of them are there, or none. As `append` it happens on the call. Each has an LSN of its own, one
   * behind the other; the one ack is that of the last of them, and {@link acks$} has one for each.
   *
   * ```
   * appendAll([a, b, c]):  a--(C|)      C is the ack of c
   * ```
   *
   * The group is one frame: what its values take together, with 4 bytes for each and 4 more, is at most `maxRecordBytes`. In mode `sync` it
   * is a commit record if any of its values is.
   *
   * Its errors are those of `append`, and refuse the group as a whole: none of it has an LSN then. `WalRecordError` says which value cannot be
   * encoded.
   *
   * @param values at least one; read to their end at once.
   * @throws TypeError for what cannot be iterated over, or has no value in it. What the iterable throws is thrown on.
   */
  appendAll(values: Iterable<T>): Observable<Ack> & PromiseLike<Ack>;

  /** Appends and forgets. A refusal goes to {@link rejected$}, or is reported as an unhandled error where nobody listens there. */
  next(value: T): void;
  /** The events failed: what was accepted drains, the log closes, and {@link acks$} ends with this error. */
  error(error: unknown): void;
  /** As {@link close}, without waiting for it. */
  complete(): void;

  /** Every record's ack, in LSN order. Ends with the log; with `WalPoisonedError` where that stopped. */
  readonly acks$: Observable<Ack>;
  /** One for each fsync (mode `nosync`: each write; the fsync of a rotation has the reason `close`). Ends with the log, as {@link acks$}. */
  readonly commits$: Observable<Commit>;
  /** The durable LSN, the current one first. Ends with the log, as {@link acks$}. */
  readonly durable$: Observable<number>;
  /** `open` → `closing` → `closed`, or `poisoned`. The current one first. */
  readonly state$: Observable<WalState>;
  /** Every value that was not taken, and why: also that of an `append`, whose own Observable nobody may look at. */
  readonly rejected$: Observable<Rejection<T>>;

  /**
   * The records with `after < lsn <= until`, in LSN order, in constant memory. Ends at the LSN that was durable when it was
   * subscribed. To be pulled, or subscribed: see {@link Entries}.
   *
   * Its errors: RangeError (`after` is past the last record: the reader has seen more than this log ever held),
   * `WalTruncatedError` (a checkpoint has removed the first of them), `WalCorruptError`, `WalRecordError` (another
   * codec wrote them), `WalIoError`, `WalClosedError`. A RangeError is thrown for an LSN that is none.
   */
  read(options?: ReadOptions): Entries<T>;

  /**
   * Folds the log into a state that survives a crash: from the newest valid snapshot on, entry by entry, then live. Each record is applied exactly once to the
   * state, whatever ends the process: the state and the LSN that it goes up to are one file, which is there whole or not at all.
   *
   * The log is held for it, from its second newest snapshot on: should the newest be damaged, the one before it is taken. `readers` and `retention$` show that place;
   * while it runs, its lag there, and whether it is stuck, go by what it has applied. When a snapshot is durable the log is checkpointed up to where every reader has it, unless `checkpoint: false`.
   *
   * @example
   * const balances = wal.project({
   *   name: 'balances',
   *   initial: () => new Map<string, number>(),
   *   reduce: (state, { value }) => state.set(value.account, (state.get(value.account) ?? 0) + value.amount),
   * });
   * balances.state$.subscribe(({ lsn, state }) => show(state));
   *
   * @throws TypeError or RangeError for an option; RangeError where a projection of that name runs; WalClosedError; WalPoisonedError. What fails later is the error
   * of its `state$`: `WalTruncatedError` where the log no longer has what it needs, `WalProjectionError`, `WalIoError`.
   */
  project<S>(options: ProjectOptions<T, S>): Projection<S>;

  /**
   * The records with `lsn > after`, in LSN order: those on disk, then each as it becomes durable. No gap, no repeat, and nothing that is not durable, across
   * rotations and while segments are removed. Ends with the log, when all that is durable has been shown; with `WalPoisonedError` where that stopped.
   *
   * Records 1 to 3 are durable; a commit takes 3 frames of time, and brings 4 and 5:
   *
   * ```
   * durable$:     3-----5----|
   * tail():       (123)-(45)-|
   * onCaughtUp:   3
   * ```
   *
   * A tail reads from the disk until it has caught up, then from memory, which the log keeps for all its tails together: at most 4 MiB of the newest
   * records, and none where there is no tail. One that falls behind that reads from the disk again, and so slows nobody down. One that is to wait for what is done with
   * an entry pulls: `tail().each(...)`, `for await`, `Readable.from(tail())`.
   *
   * Its errors: those of {@link read}; `WalTruncatedError`, which names the first LSN that is still there, also where a checkpoint has overtaken this reader
   * (`hold` keeps what it needs).
   */
  tail(options?: TailOptions): Entries<T>;

  /** Makes everything appended before it durable, in every mode. Gives the durable LSN. On a closed log everything is. */
  sync(): Promise<number>;
  /** Hands everything appended before it to the operating system; in every mode but `nosync` that makes it durable too. */
  flush(): Promise<void>;
  /** Ends the segment behind everything appended before it; done when the next one is there. Does nothing to a segment without records. */
  rotate(): Promise<void>;
  /**
   * Says that the application no longer needs the log up to an LSN, durably, and removes the segments that lie wholly below it, and below every
   * reader that holds the log.
   *
   * Rejects with RangeError for a mark that goes back or past the last LSN, and `WalIoError` where it could not be saved or a
   * segment not removed; the log goes on, and the next checkpoint does the rest.
   */
  checkpoint(mark?: CheckpointMark): Promise<Checkpoint>;

  /**
   * Durably says that the named reader has everything up to `lsn`: what comes behind stays, whatever a checkpoint or a cap says (unless that cap is told
   * `evenIfRead`). Makes the reader, or moves it forward; segments that nobody needs any more then go. Calls that come while one is
   * being written share the next write. At most 1,000 readers.
   *
   * `wal.hold('mailer', wal.firstLsn - 1)` keeps all that is there, `wal.hold('mailer', wal.durableLsn)` what comes from now on.
   *
   * Rejects with TypeError or RangeError for a name that is not a string of 1 to 200 characters, or an LSN that is none, past `durableLsn`, or before the one
   * where that reader is (to go back, hold under another name first); `WalTruncatedError` where records behind `lsn` are gone; `WalIoError` where it could
   * not be saved: what held before holds, and the log goes on; `WalClosedError`; `WalPoisonedError`.
   */
  hold(name: string, lsn: number): Promise<void>;
  /** Forgets a named reader, durably; segments that nobody needs any more then go. `false` where there was none. Rejects as {@link hold}. */
  release(name: string): Promise<boolean>;
  /** Who holds the log, in the order of their names: what is durable now. */
  readonly readers: readonly Reader[];
  /**
   * What the log keeps and why, the current state first; then each time a commit, a checkpoint, a reader or a removal has changed it, and when a reader
   * becomes stuck. Ends with the log, as {@link acks$}.
   *
   * A reader that has everything, and a record that it does not take; `stuckAfterMs` is 3 frames of time:
   *
   * ```
   * append:       -a---
   * retention$:   xy--z     x: lag 0; y: lag 1; z: stuck
   * ```
   */
  readonly retention$: Observable<Retention>;

  /** Starts the clock of the modes `batch` and `adaptive` again. `false` where it runs already or the mode has none. */
  startBackgroundSync(): boolean;
  /**
   * Stops it: batches then end by their number, by a barrier, or at the close; what was due already leaves, where it is more than one commit
   * takes in several. Done when the commit that is on its way has returned.
   */
  stopBackgroundSync(): Promise<void>;

  /**
   * A Node `Writable` in object mode that appends what is written to it. Its callback comes with the ack, so `pipeline` and
   * `write() === false` slow the producer down to the disk. In mode `nosync` that means written, and not yet durable.
   * `null` cannot be written to a stream of Node: `write(null)` throws `ERR_STREAM_NULL_VALUES`; `append(null)` takes it.
   */
  writable(options?: WalWritableOptions): Writable;

  /**
   * Takes nothing more, lets everything accepted become durable, marks the log clean, gives its lock back. May be called again.
   * Rejects with `WalPoisonedError` where the log had stopped; files and lock are given back then too.
   */
  close(): Promise<void>;

  /** What opening it found. */
  readonly recovery: Recovery;
  readonly dir: string;
  readonly durability: Durability;
  /** Records that the log holds. */
  readonly recordCount: number;
  /** LSN of the oldest record that the log still holds; `lastLsn + 1` where it holds none. */
  readonly firstLsn: number;
  /** LSN of the newest record appended; 0 = nothing yet. */
  readonly lastLsn: number;
  readonly durableLsn: number;
  /** The newest checkpoint that is saved. */
  readonly lastCheckpoint: Checkpoint | undefined;
  /** Its epoch. */
  readonly checkpointEpoch: number | undefined;
  /** Counts as they stand now. To watch a log, see `metrics`. */
  readonly stats: WalStats;
  /** Paths of the segments, oldest first. */
  logFiles(): Promise<string[]>;
}
