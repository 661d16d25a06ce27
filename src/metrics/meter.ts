import { take } from 'rxjs';
import { reportUnhandled } from '../outputs';
import type { Commit, WalState, WalStats } from '../types';
import { BOUNDS } from './bounds';
import { BucketCounter } from './histogram';
import type { MeteredLog, WalMetrics } from './walMetrics';

/** Counts a log's commits and takes samples of it. A commit costs a few additions; all else is read when a sample is taken. */
export class Meter {
  readonly #wal: MeteredLog;
  readonly #begin: Reading;
  #last: Reading;
  #commits = 0;
  #writtenBytes = 0;
  readonly #commitMs = new BucketCounter(BOUNDS.milliseconds);
  readonly #writeMs = new BucketCounter(BOUNDS.milliseconds);
  readonly #syncMs = new BucketCounter(BOUNDS.milliseconds);
  readonly #batchRecords = new BucketCounter(BOUNDS.records);
  readonly #batchBytes = new BucketCounter(BOUNDS.bytes);

  constructor(wal: MeteredLog, nowMs: number) {
    this.#wal = wal;
    this.#begin = this.#read(nowMs);
    this.#last = this.#begin;
  }

  count({ records, bytes, writeMs, syncMs }: Commit): void {
    this.#commits += 1;
    this.#writtenBytes += bytes;
    this.#commitMs.record(writeMs + syncMs);
    if (bytes > 0) this.#writeMs.record(writeMs);
    if (syncMs > 0) this.#syncMs.record(syncMs);
    if (records > 0) {
      this.#batchRecords.record(records);
      this.#batchBytes.record(bytes);
    }
  }

  /** Ends an interval, and says what it was like. */
  sample(nowMs: number): WalMetrics {
    const wal = this.#wal;
    const begin = this.#begin;
    const before = this.#last;
    const now = this.#read(nowMs);
    this.#last = now;
    const intervalMs = now.atMs - before.atMs;
    const rate = (count: number): number => (intervalMs > 0 ? (count * 1000) / intervalMs : 0);
    return {
      atMs: now.atMs,
      intervalMs,
      state: stateOf(wal),
      totals: {
        appendedRecords: now.lastLsn - begin.lastLsn,
        ackedRecords: now.ackedLsn - begin.ackedLsn,
        writtenBytes: now.writtenBytes,
        commits: now.commits,
        rotations: now.stats.rotations - begin.stats.rotations,
        checkpoints: now.stats.checkpoints - begin.stats.checkpoints,
        rejected: now.stats.rejected - begin.stats.rejected,
      },
      perSecond: {
        appended: rate(now.lastLsn - before.lastLsn),
        acked: rate(now.ackedLsn - before.ackedLsn),
        bytes: rate(now.writtenBytes - before.writtenBytes),
        commits: rate(now.commits - before.commits),
      },
      commitMs: this.#commitMs.snapshot(),
      writeMs: this.#writeMs.snapshot(),
      syncMs: this.#syncMs.snapshot(),
      batchRecords: this.#batchRecords.snapshot(),
      batchBytes: this.#batchBytes.snapshot(),
      queueRecords: now.stats.pendingRecords,
      queueBytes: now.stats.pendingBytes,
      lastLsn: now.lastLsn,
      durableLsn: wal.durableLsn,
      durableLag: now.lastLsn - wal.durableLsn,
      segments: now.stats.segments,
      firstLsn: wal.firstLsn,
      recovery: wal.recovery,
    };
  }

  #read(atMs: number): Reading {
    const { stats, lastLsn } = this.#wal;
    return {
      atMs,
      stats,
      lastLsn,
      ackedLsn: lastLsn - stats.pendingRecords,
      commits: this.#commits,
      writtenBytes: this.#writtenBytes,
    };
  }
}

/** What two samples are subtracted by. */
interface Reading {
  readonly atMs: number;
  readonly stats: WalStats;
  readonly lastLsn: number;
  readonly ackedLsn: number;
  readonly commits: number;
  readonly writtenBytes: number;
}

/** The state a log is in: `state$` tells it on the subscription. Who stays would count as somebody who hears of a failure. */
export function stateOf(wal: Pick<MeteredLog, 'state$'>): WalState {
  let now: WalState = 'open';
  wal.state$.pipe(take(1)).subscribe({
    next: (state) => {
      now = state;
    },
    error: reportUnhandled,
  });
  return now;
}
