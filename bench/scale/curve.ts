/** What a curve of `run.ts` is, and how its rounds become points. */
import { median } from 'simple-statistics';
import type { Point } from '../harness/fit';
import type { Must } from './must';

/** One thing measured against x. */
export interface Series {
  readonly name: string;
  readonly unit: string;
  readonly must: Must;
}

export interface CurveOptions {
  /** Where logs may be made; empty, and removed afterwards by who gave it. */
  readonly dir: string;
  /** How often each x is measured; the rounds go through all x in turn. */
  readonly rounds: number;
  /** Also what takes many minutes. */
  readonly full: boolean;
}

export interface Curve {
  /** As on the command line. */
  readonly name: string;
  /** What is measured, in a sentence. */
  readonly what: string;
  /** What x is. */
  readonly x: string;
  readonly rounds: number;
  readonly series: readonly Series[];
  measure(options: CurveOptions, samples: Samples): Promise<unknown>;
}

/** What the rounds of a curve have brought. */
export class Samples {
  readonly #values = new Map<Series, Map<number, number[]>>();

  add(series: Series, x: number, y: number): void {
    const ofSeries = this.#values.get(series) ?? new Map<number, number[]>();
    this.#values.set(series, ofSeries);
    ofSeries.set(x, [...(ofSeries.get(x) ?? []), y]);
  }

  /** What every round measured. */
  all(series: Series): Point[] {
    const ofSeries = [...(this.#values.get(series) ?? [])];
    return ofSeries.flatMap(([x, values]) => values.map((y) => ({ x, y })));
  }

  /** The median of the rounds at each x, by x. */
  medians(series: Series): Point[] {
    const ofSeries = [...(this.#values.get(series) ?? [])];
    return ofSeries.map(([x, values]) => ({ x, y: median(values) })).sort((a, b) => a.x - b.x);
  }
}

/**
 * Goes through all x in every round, up and then down, so that a machine that is slow for a while is slow for all of them. Round -1
 * warms up: its measurements are thrown away.
 */
export async function inRounds(
  xs: readonly number[],
  rounds: number,
  samples: Samples,
  measure: (x: number, samples: Samples) => Promise<unknown>,
): Promise<void> {
  for (let round = -1; round < rounds; round += 1) {
    const kept = round < 0 ? new Samples() : samples;
    for (const x of round % 2 === 0 ? xs : xs.toReversed()) await measure(x, kept);
  }
}
