import type { Recovery, WalState } from '../types';
import type { Wal } from '../wal';
import type { Histogram } from './histogram';

/** What a sample is taken from: a log, or what looks like one. */
export type MeteredLog = Pick<Wal<unknown>, 'state$' | 'stats' | 'firstLsn' | 'lastLsn' | 'durableLsn' | 'recovery'>;

/** What an exporter reads. */
export type ObservedLog = MeteredLog & Pick<Wal<unknown>, 'commits$' | 'dir' | 'durability'>;

/** One sample of a log. Totals and histograms count since `metrics()` was subscribed; rates, since the sample before. */
export interface WalMetrics {
  /** The scheduler's time, in milliseconds. */
  readonly atMs: number;
  /** Milliseconds since the sample before (the first: since the subscription). 0 where the log ends in the moment of a sample. */
  readonly intervalMs: number;
  readonly state: WalState;

  readonly totals: {
    /** Records that got an LSN. */
    readonly appendedRecords: number;
    /** Records whose ack is due: durable, in mode `nosync` written. */
    readonly ackedRecords: number;
    /** Bytes of commits: frames, marks, checkpoint frames. Headers of segments and zeros laid ahead are not among them. */
    readonly writtenBytes: number;
    /** Values of `commits$`. */
    readonly commits: number;
    /** Segments begun behind another one. */
    readonly rotations: number;
    /** Checkpoints saved. */
    readonly checkpoints: number;
    /** Values that were not taken. */
    readonly rejected: number;
  };

  /** In this interval, a second. 0 where the interval has no length. */
  readonly perSecond: {
    readonly appended: number;
    readonly acked: number;
    readonly bytes: number;
    readonly commits: number;
  };

  /**
   * Milliseconds a commit took, from handing its bytes to the operating system until it was done: `writeMs` and `syncMs` together, of every commit.
   *
   * In the modes that sync this is how long an fsync takes, on every platform: whether it was a call of its own or part of an `O_DSYNC` write. In mode
   * `nosync` it is mostly how long a write takes, and `syncMs` has the fsyncs, which are always calls of their own there.
   */
  readonly commitMs: Histogram;
  /** Milliseconds of the writes. Where a write is durable by itself (`O_DSYNC`: Linux, in the modes that sync) the sync is in it. */
  readonly writeMs: Histogram;
  /**
   * Milliseconds of the fsyncs that were calls of their own. Its count says how many there were: none on Linux in the modes that sync, where the sync of a
   * batch is inside `writeMs`.
   */
  readonly syncMs: Histogram;
  /** Records of the commits that had any. */
  readonly batchRecords: Histogram;
  /** Bytes of the same commits. */
  readonly batchBytes: Histogram;

  /** Records appended whose ack is not due yet, on their way to the disk included. */
  readonly queueRecords: number;
  /** Bytes of frames that wait, or are on their way to the disk. */
  readonly queueBytes: number;
  readonly lastLsn: number;
  readonly durableLsn: number;
  /** Records appended that a power cut would take: `lastLsn - durableLsn`. */
  readonly durableLag: number;

  readonly segments: number;
  readonly firstLsn: number;
  readonly recovery: Recovery;
}
