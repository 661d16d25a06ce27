/** Runs the rounds of one regime, interleaved: each round does every contender once, and each round begins with another. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Regime } from '../regimes/regime';
import type { Excuse, Job, Measurement, Outcome } from './measurement';
import type { Entrant } from './entrants';
import { runJob } from './runJob';

export interface RoundsOptions {
  readonly rounds: number;
  /** Where that has not been enough, up to so many. */
  readonly mostRounds: number;
  /** Whether the rounds so far can tell. Must not ask which way. */
  enough(results: readonly Result[]): boolean;
  /** Where the logs are made, and removed again. */
  readonly data: string;
  readonly before: readonly string[];
  readonly job: Pick<Job, 'measureMs' | 'warmUpMs' | 'bulkRecords' | 'logRecords'>;
  say(progress: string): void;
}

/** What one entrant did: a measurement for each round, or why there is none. */
export interface Result {
  readonly name: string;
  /** Whether this is the control: the first reference, once more. */
  readonly again: boolean;
  /** `undefined` for a round that failed. */
  readonly rounds: (Measurement | undefined)[];
  excuse?: { readonly kind: Excuse; readonly why: string };
}

const GOLDEN = (Math.sqrt(5) - 1) / 2;

export async function runRounds(
  regime: Regime,
  entrants: readonly Entrant[],
  options: RoundsOptions,
): Promise<Result[]> {
  const first = entrants.find(({ contender }) => contender.name === regime.references[0]);
  // The control stands half a round away from what it is compared with: as far as a peer may.
  const places = entrants.map((entrant) => ({ ...entrant, again: false }));
  if (first !== undefined) places.splice(Math.ceil(places.length / 2), 0, { ...first, again: true });
  const results = places.map(({ contender, again }): Result => ({ name: contender.name, again, rounds: [] }));

  const prepared = new Map<string, string>();
  if (regime.prepare !== undefined) {
    for (const { file, contender } of entrants) {
      const dir = join(options.data, `${regime.name}-${file}`);
      const outcome = await runJob(job(regime, file, dir, true), options.before);
      note(
        results.filter(({ name }) => name === contender.name),
        outcome,
      );
      prepared.set(file, dir);
    }
  }
  const most = Math.min(options.mostRounds, regime.maxRounds ?? Infinity);
  for (let round = 0; round < most; round += 1) {
    if (round >= options.rounds && options.enough(results)) break;
    // By the golden ratio: however many rounds there will be, each contender stands at the beginning, in the middle and at the end.
    const shift = Math.floor(((round * GOLDEN) % 1) * places.length);
    for (let turn = 0; turn < places.length; turn += 1) {
      const at = (turn + shift) % places.length;
      const { file } = places[at] as Entrant;
      const result = results[at] as Result;
      if (result.excuse !== undefined) continue;
      options.say(`${regime.name}: round ${round + 1}, ${result.name}`);
      const shared = prepared.get(file);
      const dir = shared ?? join(options.data, `${regime.name}-${file}-${round}`);
      const outcome = await runJob(job(regime, file, dir, false), options.before);
      if (shared === undefined) rmSync(dir, { recursive: true, force: true });
      result.rounds[round] = outcome.kind === 'measured' ? outcome.measurement : undefined;
      note([result], outcome);
    }
  }
  for (const dir of prepared.values()) rmSync(dir, { recursive: true, force: true });
  return results;

  function job({ name }: Regime, contender: string, dir: string, prepare: boolean): Job {
    mkdirSync(dir, { recursive: true });
    return { ...options.job, contender, regime: name, prepare, dir };
  }
}

function note(results: readonly Result[], outcome: Outcome): void {
  if (outcome.kind === 'measured' || outcome.kind === 'prepared') return;
  for (const result of results) result.excuse = outcome;
}
