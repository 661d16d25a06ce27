import type { Durability } from 'rxwal';
import type { Draw } from '../support/draw';
import { MIN_RECORD_BYTES } from './record';

/** What a writer is told to be. */
export interface Life {
  readonly seed: number;
  readonly log: number;
  readonly life: number;
  readonly fault: Fault | undefined;
}

/** Ways to be wrong on purpose, to see that the soak notices. */
export const FAULTS = {
  'early-ack': 'the writer reports every ack before it comes',
  'durable-ahead': 'the writer reports a durable LSN that is one too high',
  'forgotten-hold': 'the writer says that a reader is held, and does not hold it',
  'fold-twice': 'the projection takes one record in a hundred twice',
  'cut-tail': 'after each kill half of the last segment is cut off',
  leak: 'the long-lived process keeps a descriptor, a timer and some memory in every cycle',
} as const;

export type Fault = keyof typeof FAULTS;

/** How one opening of a log goes on until its close. */
export interface Work {
  readonly durability: Durability;
  /** Mode `sync`: only the last record of a burst ends a batch. */
  readonly transactions: boolean;
  readonly maxSegmentBytes: number;
  readonly preallocateBytes: number;
  readonly maxPendingRecords: number;
  readonly maxPendingBytes: number;
  readonly producers: number;
  /** Records that a producer appends before it waits for their acks, at the most. */
  readonly burst: number;
  /** Bursts of each producer until the log is closed. */
  readonly bursts: number;
  /** Smallest and largest record, in bytes. */
  readonly sizes: readonly [number, number];
  /** How many bursts in ten are appended as groups. */
  readonly groups: number;
  /** What a tail beside the writer takes for each entry, in milliseconds. */
  readonly tailPaceMs: number;
  /** Records between two snapshots of the projection. */
  readonly snapshotEvery: number;
  /** Acks between one call beside the appends (`rotate`, `checkpoint`, …) and the next. */
  readonly every: number;
}

/** Above it a record is refused: the writers try now and then. */
export const MAX_RECORD_BYTES = 32 * 1024;

/** Appended bytes from one opening to the close, about. */
const SESSION_BYTES = 1024 * 1024;

export function drawWork(draw: Draw): Work {
  const sizes = draw.pick<readonly [number, number]>([
    [MIN_RECORD_BYTES, 200],
    [MIN_RECORD_BYTES, 200],
    // Over several sectors of 512 bytes, and above a page of 4,096.
    [500, 3000],
    [4097, 20_000],
    [MIN_RECORD_BYTES, 9000],
  ]);
  const producers = draw.integer(1, 8);
  const burst = draw.pick([1, 1, 5, 30]);
  const records = Math.min(draw.integer(20, 400), SESSION_BYTES / ((sizes[0] + sizes[1]) / 2));
  return {
    ...drawMode(draw),
    maxSegmentBytes: draw.pick([4096, 16_384, 65_536, 262_144]),
    preallocateBytes: draw.pick([0, 4096, 65_536, 1_048_576]),
    maxPendingRecords: draw.pick([2, 8, 100_000]),
    maxPendingBytes: draw.pick([10_000, 10_000_000]),
    producers,
    burst,
    bursts: Math.ceil(records / (producers * ((burst + 1) / 2))),
    sizes,
    groups: draw.pick([0, 3, 10]),
    tailPaceMs: draw.pick([0, 0, 1]),
    snapshotEvery: draw.pick([5, 40, 300]),
    every: draw.integer(3, 60),
  };
}

function drawMode(draw: Draw): Pick<Work, 'durability' | 'transactions'> {
  const mode = draw.pick(['sync', 'transactions', 'batch', 'adaptive', 'nosync'] as const);
  switch (mode) {
    case 'sync':
    case 'transactions':
      return { durability: { mode: 'sync' }, transactions: mode === 'transactions' };
    case 'batch': {
      const [maxDelayMs, maxRecords] = [draw.integer(0, 6), draw.integer(1, 40)];
      return { durability: { mode, maxDelayMs, maxRecords }, transactions: false };
    }
    case 'adaptive':
      return { durability: { mode, targetIntervalMs: draw.integer(0, 5) }, transactions: false };
    case 'nosync':
      return { durability: { mode }, transactions: false };
  }
}
