/** What rxwal has set out to reach: each a ratio within one run, or a bound. */
import { p50, rate, type Metric } from './comparison';

/** A ratio of rxwal against a contender of the same rounds. */
export interface RatioTarget {
  readonly kind: 'ratio';
  readonly regime: string;
  readonly what: string;
  /** Whose rounds are looked at: `rxwal`, unless it is a variant of it. */
  readonly of: string;
  /** Name of the contender compared with; `best honest peer`: the one that leaves the least. */
  readonly against: string;
  readonly metric: Metric;
  readonly better: 'higher' | 'lower';
  /** 0 where there is a stretch alone. */
  readonly target: number;
  readonly stretch?: number;
}

/** A figure of rxwal that must stay within a bound. */
export interface BoundTarget {
  readonly kind: 'bound';
  readonly regime: string;
  readonly what: string;
  /** Name of the figure. */
  readonly figure: string;
  /** Name of the contender whose figure is taken off first: what a process costs that does not have a log. */
  readonly above?: string;
  readonly most: number;
  readonly unit: string;
}

/** Time a record from the fewest producers to the most: it must not rise. */
export interface TrendTarget {
  readonly kind: 'trend';
  readonly what: string;
  /** How much more one step of producers may cost and still be called flat. */
  readonly tolerance: number;
}

export type Target = RatioTarget | BoundTarget | TrendTarget;

export const BEST_PEER = 'best honest peer';

const ratio = (
  regime: string,
  against: string,
  target: number,
  stretch?: number,
  others: Partial<Omit<RatioTarget, 'stretch'>> = {},
): RatioTarget => ({
  kind: 'ratio',
  regime,
  what: 'records/s',
  of: 'rxwal',
  against,
  metric: rate,
  better: 'higher',
  target,
  ...(stretch === undefined ? {} : { stretch }),
  ...others,
});

export const TARGETS: readonly Target[] = [
  ratio('1', 'floor', 1.1, 0.75, { what: 'p50 of append → ack', metric: p50, better: 'lower' }),
  ratio('1', 'better-sqlite3', 0, 1, { what: 'p50 of append → ack', metric: p50, better: 'lower' }),
  ...['64', '1024'].flatMap((producers) => [
    ratio(producers, 'ideal', 0.9, 1.1),
    ratio(producers, BEST_PEER, 1),
    ratio(producers, 'floor', 0, 0.8),
  ]),
  ratio('bulk', 'ideal', 1, 1.5),
  ratio('bulk', BEST_PEER, 1.3),
  ratio('bulk-unacked', 'tight loop', 0.8, 0.9),
  ratio('replay', 'decode alone', 0.8, 0.9),
  ratio('replay', 'JSON lines', 1, 2),
  ratio('replay-raw', 'read + one crc', 0.6, 0.8, { of: 'rxwal raw' }),
  { kind: 'bound', regime: 'open-1000', what: 'opening', figure: 'openMs', most: 50, unit: 'ms' },
  { kind: 'bound', regime: 'idle', what: 'timers', figure: 'timers', most: 0, unit: '' },
  {
    kind: 'bound',
    regime: 'idle',
    what: 'wake-ups, above those of a process without a log',
    figure: 'wakeUps',
    above: 'nothing',
    most: 0,
    unit: '',
  },
  {
    kind: 'bound',
    regime: 'memory',
    what: 'most memory above the baseline: maxPendingBytes + 64 MiB',
    figure: 'mostMib',
    most: 128,
    unit: 'MiB',
  },
  { kind: 'trend', what: 'time a record, from 1 producer to 4,096, does not rise', tolerance: 1.1 },
];
