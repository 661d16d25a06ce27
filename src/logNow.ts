import type { Checkpoint } from './types';

/** An open log as it is at this moment: what those who read it, fold it and keep it small go by. */
export interface LogNow {
  /** LSN of the oldest record there. */
  readonly firstLsn: number;
  readonly lastLsn: number;
  readonly durableLsn: number;
  /** The newest checkpoint that is saved. */
  readonly checkpoint: Checkpoint | undefined;
  /** The LSN of the newest one that is asked for. */
  readonly askedLsn: number;
  /** Closed, and not stopped by a failure: the directory may be somebody else's. */
  readonly isClosed: boolean;
}
