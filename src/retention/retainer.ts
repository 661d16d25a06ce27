import {
  EMPTY,
  ReplaySubject,
  catchError,
  concat,
  defer,
  map,
  tap,
  type Observable,
  type SchedulerLike,
  type Subscription,
} from 'rxjs';
import { monotonicScheduler, scheduleUnref, wallClock } from '../clock';
import { WalError } from '../errors';
import { removeBelow, wholeBelow, type CheckpointOptions, type CheckpointOutcome } from '../operators/checkpoint';
import type { LogNow } from '../logNow';
import type { Recovered } from '../recover';
import type { SegmentStore } from '../store/segmentStore';
import type { Checkpoint, Commit, Reader, Retention, RetentionOptions, SegmentInfo } from '../types';
import { Cap } from './cap';
import { floorOf } from './floor';
import { HoldsFile } from './holdsFile';
import { Lagging } from './lagging';
import { oneAtATime } from './oneAtATime';
import { saveReaders } from './saveReaders';
import { SegmentLedger } from './segmentLedger';

export interface RetainerOptions {
  readonly store: SegmentStore;
  readonly recovered: Pick<Recovered, 'logId' | 'holds' | 'from'>;
  readonly retention: RetentionOptions | undefined;
  readonly scheduler: SchedulerLike | undefined;
  /** How segments go. */
  readonly removal: Pick<CheckpointOptions, 'remove' | 'syncDir' | 'segments'>;
  readonly logNow: () => LogNow;
  /** Makes durable what has been appended. Never answers on a log that is closing. */
  readonly makeDurable: () => Observable<unknown>;
  /** Makes a checkpoint by itself at `lsn`; behind the end of the segment being written, where that is to go too. */
  readonly checkpointAt: (lsn: number, endSegment: boolean) => Observable<unknown>;
}

const DEFAULT_STUCK_AFTER_MS = 60_000;

/** Decides what of a log is kept: for the checkpoint, for named readers, under caps. Only what a checkpoint has let go is ever removed. */
export class Retainer {
  /** Checkpoints, `readers.meta` and removals: one at a time. */
  readonly exclusively = oneAtATime();

  readonly #options: RetainerOptions;
  readonly #holdsFile: HoldsFile;
  readonly #ledger: SegmentLedger;
  readonly #lagging: Lagging;
  /** Where readers of this process are, by name. */
  readonly #taken = new Map<string, number>();
  readonly #cap: Cap | undefined;
  readonly #scheduler: SchedulerLike;
  /** Tells a late subscriber once, also when it has ended; whoever hears of it may change it at once. */
  readonly #changed$ = new ReplaySubject<void>(1);
  #goneLsn: number;
  #problem: WalError | undefined;
  #sized = false;
  #stuckTimer: Subscription | undefined;

  constructor(options: RetainerOptions) {
    const { store, recovered, retention = {}, removal } = options;
    this.#options = options;
    this.#changed$.next();
    this.#scheduler = options.scheduler ?? monotonicScheduler;
    const now = (): number => this.#scheduler.now();
    const wallNow = (): number => wallClock(options.scheduler);
    this.#goneLsn = (removal.segments[0]?.firstLsn ?? 1) - 1;
    this.#holdsFile = new HoldsFile({
      holds: recovered.holds,
      save: (holds) => saveReaders(store, holds, recovered.logId),
      exclusively: this.exclusively,
      goneLsn: () => this.#goneLsn,
      durableLsn: () => options.logNow().durableLsn,
      now: wallNow,
      onSaved: () => {
        this.#onReaders();
        return this.#sweep();
      },
    });
    const isCapped = retention.maxBytes !== undefined || retention.maxAgeMs !== undefined;
    const ages = retention.maxAgeMs === undefined ? undefined : now;
    this.#ledger = new SegmentLedger({ store, segments: removal.segments, from: recovered.from, now: ages, wallNow });
    this.#lagging = new Lagging(retention.stuckAfterMs ?? DEFAULT_STUCK_AFTER_MS, now);
    this.#lagging.onReaders(this.readers, options.logNow().durableLsn);
    if (!isCapped) return;
    this.#cap = new Cap({
      retention,
      scheduler: this.#scheduler,
      ledger: this.#ledger,
      holdsFile: this.#holdsFile,
      logNow: options.logNow,
      checkpointAt: options.checkpointAt,
      makeDurable: options.makeDurable,
      sweep: this.exclusively(this.#sweep()),
      onProblem: (error) => {
        this.#onProblem(error);
      },
    });
  }

  /** LSN up to which records may be gone. */
  get goneLsn(): number {
    return this.#goneLsn;
  }

  get readers(): readonly Reader[] {
    return this.#holdsFile.holds.readers;
  }

  /** What is kept now, and then whenever that changes. Ends with the log. */
  readonly retention$: Observable<Retention> = defer(() => {
    this.#measure();
    this.#awaitStuck();
    return this.#changed$.pipe(map(() => this.#now()));
  });

  hold(name: string, lsn: number, mayGoBack?: boolean): Observable<boolean> {
    return this.#holdsFile.hold(name, lsn, mayGoBack);
  }

  release(name: string): Observable<boolean> {
    return this.#holdsFile.release(name);
  }

  /** LSN up to which a saved checkpoint lets segments go. */
  floor(checkpoint: Checkpoint): number {
    return floorOf(checkpoint, this.#holdsFile.holds).floorLsn;
  }

  /** Completes when `readers.meta` says what holds; what removes a segment waits for it. */
  get settled(): Observable<never> {
    return this.#holdsFile.settled;
  }

  /** The oldest segment is about to go: whatever comes of it, nobody can count on its records any more. */
  onRemoving(): void {
    const [oldest, next] = this.#options.removal.segments;
    if (oldest && next) this.#goneLsn = Math.max(this.#goneLsn, next.firstLsn - 1);
  }

  /** A reader of this process has taken the log up to `lsn`, whatever it holds it for; `undefined`: it takes nothing more. */
  progress(name: string, lsn: number | undefined): void {
    if (lsn === undefined) this.#taken.delete(name);
    else this.#taken.set(name, lsn);
    this.#lagging.onReaders(this.#takers, this.#options.logNow().durableLsn);
    this.#tell();
  }

  /** Readers, each where it is and not where it holds the log. */
  get #takers(): readonly Reader[] {
    return this.readers.map((reader) => ({ ...reader, lsn: Math.max(reader.lsn, this.#taken.get(reader.name) ?? 0) }));
  }

  onSegment(segment: SegmentInfo): void {
    this.#ledger.onSegment(segment);
    this.#cap?.look();
    this.#tell();
  }

  onCommit(done: Commit): void {
    this.#ledger.onCommit(done);
    this.#lagging.onDurable(this.#options.logNow().durableLsn);
    this.#cap?.onCommit(done);
    // A barrier alone has changed nothing.
    if (done.bytes > 0 || done.firstLsn <= done.lastLsn) this.#tell();
  }

  onCheckpoint(outcome: CheckpointOutcome): void {
    const { error } = outcome;
    this.#cap?.onCheckpoint(outcome);
    if (error === undefined) {
      if (this.#cap?.isMeasured ?? true) this.#problem = undefined;
      this.#cap?.look();
    } else if (error instanceof WalError) {
      this.#problem = error;
    }
    this.#tell();
  }

  /** The log has stopped. */
  fail(error: Error): void {
    this.#stop();
    this.#changed$.error(error);
  }

  /** Completes when nothing is under way any more; nothing more may be asked. */
  get drained(): Observable<never> {
    return defer(() => {
      this.#stop();
      return this.exclusively(EMPTY);
    });
  }

  /** The log is closed. */
  end(): void {
    this.#changed$.complete();
  }

  #stop(): void {
    this.#cap?.stop();
    this.#stuckTimer?.unsubscribe();
  }

  /** Removes what may go by now. Never fails; only within a turn. */
  #sweep(): Observable<never> {
    return defer(() => {
      const { removal, logNow } = this.#options;
      const { floorLsn } = floorOf(logNow().checkpoint, this.#holdsFile.holds);
      const written = removal.segments.at(-1)?.sequence ?? 0;
      if (wholeBelow(floorLsn, written, removal.segments).length === 0) return EMPTY;
      return concat(
        this.settled,
        removeBelow(floorLsn, written, removal, () => undefined),
      ).pipe(
        tap({
          complete: () => {
            this.#problem = undefined;
            this.#tell();
          },
        }),
        catchError((error: unknown) => {
          this.#onProblem(error);
          return EMPTY;
        }),
      );
    });
  }

  #onReaders(): void {
    this.#lagging.onReaders(this.#takers, this.#options.logNow().durableLsn);
    this.#tell();
    this.#cap?.look();
  }

  #onProblem(error: unknown): void {
    if (error instanceof WalError) this.#problem = error;
    this.#tell();
  }

  /** Once, when somebody wants to know. */
  #measure(): void {
    if (this.#sized) return;
    this.#sized = true;
    this.#ledger.sizes.subscribe({
      complete: () => {
        this.#tell();
      },
      error: (error: unknown) => {
        this.#onProblem(error);
      },
    });
  }

  #tell(): void {
    if (!this.#changed$.observed) return;
    this.#awaitStuck();
    this.#changed$.next();
  }

  /** Somebody looks: tells of a reader that becomes stuck while nothing else happens. Keeps no process alive. */
  #awaitStuck(): void {
    this.#stuckTimer?.unsubscribe();
    const at = this.#lagging.nextStuckAt;
    if (at === undefined) return;
    const work = (): void => {
      if (this.#lagging.nextStuckAt === at) this.#awaitStuck();
      else this.#tell();
    };
    this.#stuckTimer = scheduleUnref(this.#scheduler, work, at - this.#scheduler.now());
  }

  #now(): Retention {
    const { removal, logNow } = this.#options;
    const { lastLsn, durableLsn, checkpoint } = logNow();
    const { holds } = this.#holdsFile;
    const firstLsn = removal.segments[0]?.firstLsn ?? lastLsn + 1;
    const { floorLsn, keptBy } = floorOf(checkpoint, holds);
    const { bytes } = this.#ledger;
    const isCaps = keptBy.kind === 'checkpoint' && this.#cap?.checkpointLsn === floorLsn;
    return {
      firstLsn,
      lastLsn,
      durableLsn,
      checkpoint,
      segments: removal.segments.length,
      ...(bytes === undefined ? {} : { bytes }),
      floorLsn,
      keptBy: isCaps ? { kind: 'cap' } : keptBy,
      readers: holds.readers.map((reader) => {
        const takenLsn = this.#taken.get(reader.name);
        return {
          ...reader,
          ...(takenLsn === undefined ? {} : { takenLsn }),
          lag: durableLsn - Math.max(reader.lsn, takenLsn ?? 0),
          lost: Math.max(0, firstLsn - 1 - reader.lsn),
          stuck: this.#lagging.isStuck(reader.name),
        };
      }),
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    };
  }
}
