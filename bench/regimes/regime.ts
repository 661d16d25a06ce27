/** A way of using a log that is measured: what happens while the clock runs. */
import type { Contender } from '../contender';
import type { Job, Measurement } from '../harness/measurement';

export interface Regime {
  /** As on the command line. */
  readonly name: string;
  /** As above its table. */
  readonly title: string;
  /** What is counted: `records`, unless it is something else. */
  readonly unit?: string;
  /** Appends that are awaited at the same time, where the regime is about that. */
  readonly producers?: number;
  /** Names of contenders that a ratio is given against, where they take part. The first runs twice in each round. */
  readonly references: readonly string[];
  /** Names of the contenders that take part. Default: all but those that are limited to others. */
  readonly only?: readonly string[];
  /** Rounds at the most, where more tell nothing. */
  readonly maxRounds?: number;
  /** What the ratios are of. `rate`: records a second; more is better. `p50`: the median time to the ack; less is better. Default: `rate`. */
  readonly ratioOf?: 'rate' | 'p50';
  /** Whether a ratio against the first reference means anything. Where not, the regime's figures are compared with bounds alone. */
  readonly compared?: false;
  /** Makes the directory that every round opens. */
  prepare?(contender: Contender, job: Job): Promise<void>;
  /** In a child process. Throws {@link Unable} where the contender has no way to do this. */
  measure(contender: Contender, job: Job): Promise<Measurement>;
}

/** This contender has no way to do that. */
export class Unable extends Error {}
