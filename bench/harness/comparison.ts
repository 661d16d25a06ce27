/** What the rounds of one regime say: ratios of pairs from the same round, and whether the run can tell. */
import type { Regime } from '../regimes/regime';
import type { Measurement } from './measurement';
import { refuseRatio, refuseRegime, type NoiseLimits } from './noise';
import type { Result } from './rounds';
import { estimate, spread, type Estimate, type Spread } from './statistics';

/** A ratio, or why there is none. */
export type Ratio = Estimate & { readonly refused?: string | undefined };

export interface Row {
  readonly name: string;
  /** Why this contender has no figures, where it has none. */
  readonly excuse: Result['excuse'];
  /** Records a second. */
  readonly rate: Spread | undefined;
  readonly latencyUs: { readonly p50: number; readonly p99: number; readonly p999: number } | undefined;
  /** Microseconds of processor time a record, the server's included. */
  readonly cpuUsPerRecord: number | undefined;
  readonly givenBytesPerRecord: number | undefined;
  readonly dirtiedBytesPerRecord: number | undefined;
  readonly deviceBytesPerRecord: number | undefined;
  /** Over each reference, in what the regime compares. */
  readonly against: Readonly<Record<string, Ratio>>;
  readonly figures: Readonly<Record<string, Spread>>;
}

export interface Comparison {
  readonly regime: string;
  readonly title: string;
  readonly producers?: number | undefined;
  /** What the ratios are of: more is better for `rate`, less for `p50`. */
  readonly ratioOf: 'rate' | 'p50';
  readonly control: Estimate | undefined;
  /** Why nothing is compared, where the machine was too noisy. */
  readonly refused: string | undefined;
  readonly rows: readonly Row[];
  /** Every measurement, so that anybody can count again. */
  readonly rounds: readonly Result[];
}

export type Metric = (measurement: Measurement) => number | undefined;

export const rate: Metric = ({ records, seconds }) => records / seconds;
export const p50: Metric = ({ latencyUs }) => latencyUs?.p50;

const METRICS = { rate, p50 };

export function compare(regime: Regime, results: readonly Result[], limits: NoiseLimits): Comparison {
  const control = results.find(({ again }) => again);
  const itself = results.find(({ name, again }) => name === control?.name && !again);
  const controlled = control && itself && estimate(ratios(control, itself, METRICS[regime.ratioOf ?? 'rate']));
  const compared = regime.compared ?? true;
  return {
    regime: regime.name,
    title: regime.title,
    producers: regime.producers,
    ratioOf: regime.ratioOf ?? 'rate',
    control: controlled,
    refused: compared ? refuseRegime(controlled, limits) : undefined,
    rows: results.filter(({ again }) => !again).map((result) => row(regime, result, results, limits)),
    rounds: results,
  };
}

/** Whether nothing is refused of what a target may ask for: whatever it came out at. */
export function canTell(regime: Regime, results: readonly Result[], limits: NoiseLimits): boolean {
  const { refused, rows } = compare(regime, results, limits);
  const own = rows.filter(({ name }) => name.startsWith('rxwal'));
  return (
    refused === undefined &&
    own.every(({ against }) => Object.values(against).every((ratio) => ratio.refused === undefined))
  );
}

/** `a` over `b`, for each round in which both were measured. */
export function ratios(a: Result, b: Result, metric: Metric): number[] {
  return a.rounds.flatMap((measurement, round) => {
    const other = b.rounds[round];
    if (measurement === undefined || other === undefined) return [];
    const ratio = (metric(measurement) ?? NaN) / (metric(other) ?? NaN);
    return Number.isFinite(ratio) ? [ratio] : [];
  });
}

/** With the refusal beside it where its interval is too wide. */
export function ratioOf(a: Result, b: Result, metric: Metric, limits: NoiseLimits): Ratio | undefined {
  const ratio = estimate(ratios(a, b, metric));
  return ratio && { ...ratio, refused: refuseRatio(ratio, limits) };
}

function row(regime: Regime, result: Result, results: readonly Result[], limits: NoiseLimits): Row {
  const measured = result.rounds.filter((each) => each !== undefined);
  const middle = (metric: Metric): number | undefined => spread(known(measured, metric))?.median;
  const perRecord = (bytes: Metric): number | undefined =>
    middle((measurement) => {
      const value = bytes(measurement);
      return value === undefined ? undefined : value / measurement.records;
    });
  const latency = middle(p50);
  const against: Record<string, Ratio> = {};
  for (const name of regime.references) {
    const reference = results.find((other) => other.name === name && !other.again);
    const ratio = reference && ratioOf(result, reference, METRICS[regime.ratioOf ?? 'rate'], limits);
    if (ratio) against[name] = ratio;
  }
  const names = new Set(measured.flatMap(({ figures }) => Object.keys(figures ?? {})));
  return {
    name: result.name,
    excuse: result.excuse,
    rate: spread(known(measured, rate)),
    latencyUs:
      latency === undefined
        ? undefined
        : {
            p50: latency,
            p99: middle(({ latencyUs }) => latencyUs?.p99) ?? NaN,
            p999: middle(({ latencyUs }) => latencyUs?.p999) ?? NaN,
          },
    cpuUsPerRecord: perRecord(({ usage }) => usage && usage.cpuUs + (usage.serverCpuUs ?? 0)),
    givenBytesPerRecord: perRecord(({ usage }) => usage?.givenBytes),
    dirtiedBytesPerRecord: perRecord(({ usage }) => usage?.dirtiedBytes),
    deviceBytesPerRecord: perRecord(({ usage }) => usage?.deviceBytes),
    against,
    figures: Object.fromEntries(
      [...names].flatMap((name) => {
        const figure = spread(known(measured, ({ figures }) => figures?.[name]));
        return figure ? [[name, figure]] : [];
      }),
    ),
  };
}

function known(measured: readonly Measurement[], metric: Metric): number[] {
  return measured.map(metric).filter((value) => value !== undefined && !Number.isNaN(value)) as number[];
}
