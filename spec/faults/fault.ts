import type { CheckName } from './checks';

/** A log broken on purpose: some code of `src/`, changed as somebody might have written it. */
export interface Fault {
  readonly name: string;
  /** What is changed, in which file of `src/`. */
  readonly changes: readonly Change[];
  /** The check that must find it. */
  readonly caughtBy: CheckName;
}

interface Change {
  readonly file: string;
  /** Stands there once, or as many times as `times` says. */
  readonly from: string;
  readonly to: string;
  readonly times?: number;
}
