import { merge, type Observable, type SchedulerLike, type Subscription } from 'rxjs';
import { scheduleUnref } from '../clock';
import type { CheckpointOutcome } from '../operators/checkpoint';
import type { Commit, RetentionOptions } from '../types';
import type { HoldsFile } from './holdsFile';
import { overCap } from './overCap';
import type { LogNow } from '../logNow';
import type { SegmentLedger } from './segmentLedger';

export interface CapOptions {
  readonly retention: RetentionOptions;
  readonly scheduler: SchedulerLike;
  readonly ledger: SegmentLedger;
  readonly holdsFile: HoldsFile;
  readonly logNow: () => LogNow;
  /** Makes a checkpoint at `lsn`; behind the end of the segment being written, where that is to go too. */
  readonly checkpointAt: (lsn: number, endSegment: boolean) => Observable<unknown>;
  /** Makes durable what has been appended. Never answers on a log that is closing. */
  readonly makeDurable: () => Observable<unknown>;
  /** Removes what may go already. */
  readonly sweep: Observable<never>;
  readonly onProblem: (error: unknown) => void;
}

/**
 * Keeps a log under its caps, by checkpoints of its own at the ends of segments. Looks when the log is opened, when a segment begins, when
 * a checkpoint or a reader has moved, and when the next segment becomes too old: one timer, which keeps no process alive.
 */
export class Cap {
  /** LSN of the newest checkpoint, where a cap has made it; else -1. */
  checkpointLsn = -1;

  readonly #options: CapOptions;
  /** LSN of the one that is on its way; -1 where none is. */
  #askedLsn = -1;
  #measured = false;
  #isMeasuring = false;
  /** A cut, a sync or a checkpoint of its own is on its way. */
  #isBusy = false;
  #stopped = false;
  /** A look is on its way. */
  #isDue = false;
  #look: Subscription | undefined;
  #timer: Subscription | undefined;

  constructor(options: CapOptions) {
    this.#options = options;
    // Beside the first appends: an opening does not wait for it.
    this.#measure();
  }

  /** At the end of this turn: whoever says that something has changed may be in the midst of it. */
  look(): void {
    if (this.#stopped || this.#isDue) return;
    if (!this.#measured) {
      this.#measure();
      return;
    }
    this.#isDue = true;
    this.#look = this.#options.scheduler.schedule(() => {
      this.#isDue = false;
      this.#enforce();
    });
  }

  /** Whether sizes and ages are known: while they are not, nothing can be kept under a cap. */
  get isMeasured(): boolean {
    return this.#measured;
  }

  /** Asks again at the next look where it fails. */
  #measure(): void {
    if (this.#isMeasuring) return;
    this.#isMeasuring = true;
    const { ledger, retention, onProblem } = this.#options;
    merge(...(retention.maxBytes === undefined ? [] : [ledger.sizes]), ledger.ages).subscribe({
      complete: () => {
        this.#isMeasuring = false;
        this.#measured = true;
        this.look();
      },
      error: (error: unknown) => {
        this.#isMeasuring = false;
        onProblem(error);
      },
    });
  }

  /** Does one thing at a time, and then looks anew: what is asked for meanwhile would be out of date when its turn comes. */
  #do(work$: Observable<unknown>): void {
    this.#isBusy = true;
    work$.subscribe({
      complete: () => {
        this.#isBusy = false;
        this.look();
      },
      error: (error: unknown) => {
        this.#isBusy = false;
        this.#options.onProblem(error);
      },
    });
  }

  onCommit({ records }: Commit): void {
    const { maxAgeMs } = this.#options.retention;
    if (records > 0 && maxAgeMs !== undefined && this.#measured) this.#timer ??= this.#lookIn(maxAgeMs);
  }

  onCheckpoint({ checkpoint: { lsn }, saved }: CheckpointOutcome): void {
    if (saved) this.checkpointLsn = lsn === this.#askedLsn ? lsn : -1;
    this.#askedLsn = -1;
  }

  stop(): void {
    this.#stopped = true;
    this.#look?.unsubscribe();
    this.#timer?.unsubscribe();
  }

  #enforce(): void {
    const { ledger, holdsFile, retention, scheduler, checkpointAt, makeDurable, sweep } = this.#options;
    const { lastLsn, durableLsn, askedLsn } = this.#options.logNow();
    const { uses } = ledger;
    const now = scheduler.now();
    const { lsn, dueAt } = overCap(uses, lastLsn, now, retention);
    this.#timer?.unsubscribe();
    this.#timer = dueAt === undefined ? undefined : this.#lookIn(dueAt - now);

    if (this.#isBusy) return;
    if (lsn === lastLsn && durableLsn < lastLsn) {
      // Mode `nosync`: what is to go must be durable first, or a crash could put new records in its place.
      this.#do(makeDurable());
      return;
    }
    const { holds } = holdsFile;
    const heldLsn = holds.readers.reduce((least, reader) => Math.min(least, reader.lsn), Infinity);
    if (retention.evenIfRead && Math.max(heldLsn, holds.cutLsn) < lsn) {
      // Said durably first: an opening that finishes the removal after a crash goes by it.
      this.#do(holdsFile.cut(lsn));
      return;
    }
    const free = Math.min(lsn, Math.max(heldLsn, holds.cutLsn));
    const current = uses.at(-1)?.firstLsn ?? Infinity;
    const ends = uses.map(({ firstLsn }) => firstLsn - 1);
    const endSegment = free === lastLsn && current <= lastLsn;
    const target = endSegment ? lastLsn : Math.max(0, ...ends.filter((end) => end <= free));
    if (target === 0) return;
    if (target > askedLsn || endSegment) {
      this.#askedLsn = Math.max(target, askedLsn);
      this.#do(checkpointAt(this.#askedLsn, endSegment));
    } else {
      sweep.subscribe();
    }
  }

  #lookIn(delayMs: number): Subscription {
    return scheduleUnref(
      this.#options.scheduler,
      () => {
        this.#timer = undefined;
        this.#enforce();
      },
      delayMs,
    );
  }
}
