import type { Durability } from '../../src/types';
import type { SeenCall } from './shim';

/** How something was refused: the parts of an error that a caller may rely on. */
export interface Refusal {
  /** `WAL_…`; undefined where it is no error of rxwal's. */
  readonly code: string | undefined;
  /** The system's code beneath it. */
  readonly cause: string | undefined;
  readonly outcome: string | undefined;
  readonly strange?: string;
}

/** What the program does and hears, in the order in which it does. A record goes by its id: no two of one run have the same. */
export type Event =
  | { readonly is: 'opening' }
  | { readonly is: 'opened'; readonly lastLsn: number; readonly checkpointLsn: number }
  | { readonly is: 'refused'; readonly refusal: Refusal; readonly changed: readonly string[] }
  | { readonly is: 'append'; readonly id: number; readonly lsn: number }
  | { readonly is: 'ack'; readonly id: number; readonly lsn: number; readonly durable: boolean }
  | { readonly is: 'lost'; readonly id: number; readonly refusal: Refusal }
  | { readonly is: 'turned away'; readonly id: number; readonly refusal: Refusal }
  | {
      /** A call was held back, and goes on now. */
      readonly is: 'released';
      /** Acks that came while it was held. */
      readonly acks: number;
      /** Records that were taken while it was held, and those that were not. */
      readonly taken: number;
      readonly turnedAway: number;
      readonly rssGrowthBytes: number;
    }
  | { readonly is: 'state'; readonly state: string }
  | { readonly is: 'call'; readonly name: string; readonly lsn?: number }
  | { readonly is: 'done'; readonly name: string }
  | { readonly is: 'failed'; readonly name: string; readonly refusal: Refusal }
  | { readonly is: 'entries'; readonly entries: readonly StoredEntry[] }
  | { readonly is: 'unhandled'; readonly message: string }
  | {
      readonly is: 'end';
      readonly calls: readonly SeenCall[];
      /** Descriptors that were left open. */
      readonly open: number;
    };

/** A record as it is read back: its id, or `undefined` where the bytes are not what was appended under any. */
export interface StoredEntry {
  readonly lsn: number;
  readonly id: number | undefined;
}

export interface Settings {
  readonly durability: Durability;
  readonly preallocateBytes: number;
  readonly maxSegmentBytes: number;
  readonly maxPendingRecords?: number;
}

/** One run of a workload. */
export interface Job {
  readonly dir: string;
  readonly workload: 'live' | 'reopen' | 'slow' | 'removed' | 'abortedMount' | 'readOnlyMount';
  readonly settings: Settings;
  readonly rules: string;
  /** First id for the records that it appends. */
  readonly firstId: number;
}
