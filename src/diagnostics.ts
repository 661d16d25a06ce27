import { channel } from 'node:diagnostics_channel';
import type { WalError, WalPoisonedError } from './errors';
import type { Checkpoint, Commit, Recovery, SegmentInfo } from './types';
import type { Wal } from './wal';

/**
 * What every log of the process publishes on `node:diagnostics_channel`, by the name of the channel. At most one message a commit, and none is made
 * where nobody has subscribed. `dir` tells the logs apart.
 *
 * Messages come synchronously, when the state of the log has changed and before `commits$` and the acks tell of it. What a subscriber throws does not
 * reach the log: Node reports it as an uncaught exception.
 *
 * @example
 * import { subscribe } from 'node:diagnostics_channel';
 * subscribe('rxwal:commit', (message) => {
 *   const { dir, commit } = message as WalDiagnostics['rxwal:commit'];
 *   console.log(`${dir}: ${commit.records} records in ${commit.writeMs + commit.syncMs} ms`);
 * });
 */
export interface WalDiagnostics {
  /** A batch is done: what `commits$` emits. */
  readonly 'rxwal:commit': { readonly dir: string; readonly commit: Commit };
  /** A segment has been begun behind another one: it is durable, and empty. */
  readonly 'rxwal:rotate': { readonly dir: string; readonly segment: SegmentInfo };
  /** A log has been opened. `wal` is it: whoever watches all logs of a process gets hold of each here. */
  readonly 'rxwal:recover': { readonly dir: string; readonly recovery: Recovery; readonly wal: Wal<unknown> };
  /** What became of a checkpoint: saved or not, segments removed, and why not all of them were. */
  readonly 'rxwal:checkpoint': {
    readonly dir: string;
    readonly checkpoint: Checkpoint;
    readonly saved: boolean;
    readonly removed: number;
    readonly error: unknown;
  };
  /** A value was not taken, and why. The value itself is not told: it is the application's. */
  readonly 'rxwal:reject': { readonly dir: string; readonly error: WalError };
  /** A write or an fsync failed and the log has stopped; `error.cause` says which. */
  readonly 'rxwal:error': { readonly dir: string; readonly error: WalPoisonedError };
}

/** Held here: a channel that nobody holds is forgotten with its subscribers. */
const COMMIT = channel('rxwal:commit');
const ROTATE = channel('rxwal:rotate');
const RECOVER = channel('rxwal:recover');
const CHECKPOINT = channel('rxwal:checkpoint');
const REJECT = channel('rxwal:reject');
const ERROR = channel('rxwal:error');

/** The channels of one log. Each method looks whether anybody listens, and makes a message only then. */
export class Diagnostics {
  constructor(private readonly dir: string) {}

  commit(commit: Commit): void {
    if (COMMIT.hasSubscribers) COMMIT.publish({ dir: this.dir, commit } satisfies WalDiagnostics['rxwal:commit']);
  }

  rotate(segment: SegmentInfo): void {
    if (ROTATE.hasSubscribers) ROTATE.publish({ dir: this.dir, segment } satisfies WalDiagnostics['rxwal:rotate']);
  }

  recover(wal: Wal<unknown>): void {
    if (RECOVER.hasSubscribers)
      RECOVER.publish({ dir: this.dir, recovery: wal.recovery, wal } satisfies WalDiagnostics['rxwal:recover']);
  }

  checkpoint(outcome: Omit<WalDiagnostics['rxwal:checkpoint'], 'dir'>): void {
    if (CHECKPOINT.hasSubscribers)
      CHECKPOINT.publish({ dir: this.dir, ...outcome } satisfies WalDiagnostics['rxwal:checkpoint']);
  }

  reject(error: WalError): void {
    if (REJECT.hasSubscribers) REJECT.publish({ dir: this.dir, error } satisfies WalDiagnostics['rxwal:reject']);
  }

  error(error: WalPoisonedError): void {
    if (ERROR.hasSubscribers) ERROR.publish({ dir: this.dir, error } satisfies WalDiagnostics['rxwal:error']);
  }
}
