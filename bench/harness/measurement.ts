/** What goes into a job, and what comes out. Both travel as JSON between the program and the child process that does the job. */
import type { Usage } from './usage';

/** One contender in one regime, once. */
export interface Job {
  /** File name of the contender, without its ending. */
  readonly contender: string;
  /** Name of the regime. */
  readonly regime: string;
  /** Untimed preparation of the directory that all rounds share, instead of a measurement. */
  readonly prepare: boolean;
  /** Where the log is. There, and empty unless an earlier job has prepared it. */
  readonly dir: string;
  /** How long the clock runs, in milliseconds, at the least. */
  readonly measureMs: number;
  /** How long the same is done before the clock starts. */
  readonly warmUpMs: number;
  /** Records handed over by one call, in bulk regimes. */
  readonly bulkRecords: number;
  /** Records in a log that is replayed or opened. */
  readonly logRecords: number;
}

/** Quantiles of the time from append to ack, in microseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** One job, measured. */
export interface Measurement {
  /** Records kept or read; where the regime counts something else, how often that was done. */
  readonly records: number;
  readonly seconds: number;
  readonly latencyUs?: Latency | undefined;
  readonly usage?: Usage | undefined;
  /** Figures of this regime alone. Names carry units. */
  readonly figures?: Readonly<Record<string, number>> | undefined;
}

/** How a job ended. */
export type Outcome =
  | { readonly kind: 'measured'; readonly measurement: Measurement }
  | { readonly kind: 'prepared' }
  | { readonly kind: Excuse; readonly why: string };

/** `absent`: not installed here. `unable`: the contender has no way to do this. */
export type Excuse = 'absent' | 'unable' | 'failed';
