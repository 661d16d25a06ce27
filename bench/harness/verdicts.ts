/** Holds a run against the targets. What the run cannot tell is said to be so. */
import Table from 'cli-table3';
import type { Ack } from './acks';
import { ratioOf, type Comparison, type Ratio } from './comparison';
import type { NoiseLimits } from './noise';
import { ratio as shown, short } from './numbers';
import type { Result } from './rounds';
import type { Spread } from './statistics';
import { BEST_PEER, TARGETS, type BoundTarget, type RatioTarget, type Target, type TrendTarget } from './targets';

export type Reached = 'yes' | 'no' | 'undecided' | 'too noisy to tell' | 'not measured';

export interface Verdict {
  readonly regime: string;
  readonly what: string;
  readonly measured: string;
  readonly target: string;
  readonly reached: Reached | '';
  readonly stretch: string;
  readonly stretchReached: Reached | '';
}

/** What verdicts are made from. */
export interface Run {
  readonly comparisons: readonly Comparison[];
  /** Names of the contenders that are peers. */
  readonly peers: readonly string[];
  readonly acks: ReadonlyMap<string, Ack>;
  readonly limits: NoiseLimits;
}

/** One for each target whose regime has run. */
export function verdicts(run: Run): Verdict[] {
  const ran = (target: Target): boolean =>
    target.kind === 'trend'
      ? run.comparisons.filter(({ producers }) => producers !== undefined).length > 1
      : run.comparisons.some(({ regime }) => regime === target.regime);
  return TARGETS.filter(ran).map((target) => verdict(target, run));
}

function verdict(target: Target, run: Run): Verdict {
  switch (target.kind) {
    case 'ratio':
      return ratioVerdict(target, run);
    case 'bound':
      return boundVerdict(target, run);
    case 'trend':
      return trendVerdict(target, run);
  }
}

function ratioVerdict(target: RatioTarget, run: Run): Verdict {
  const comparison = run.comparisons.find(({ regime }) => regime === target.regime);
  const found =
    comparison &&
    (target.against === BEST_PEER
      ? bestPeer(target, comparison, run)
      : against(target, comparison, run, target.against));
  const sign = target.better === 'higher' ? '≥' : '≤';
  const say = (bound: number | undefined): string => (bound ? `${sign} ${shown(bound)}` : '');
  const judge = (bound: number | undefined): Reached | '' => {
    if (!bound) return '';
    if (comparison === undefined || found === undefined) return 'not measured';
    if (comparison.refused !== undefined || found.ratio.refused !== undefined) return 'too noisy to tell';
    return held(found.ratio, bound, target.better);
  };
  const name = found?.name ?? target.against;
  return {
    regime: target.regime,
    what: `${target.what} × ${name}${name !== target.against ? ` (${target.against})` : ''}`,
    measured:
      found === undefined || comparison?.refused !== undefined || found.ratio.refused !== undefined
        ? '–'
        : `${shown(found.ratio.median)} (${shown(found.ratio.low)}..${shown(found.ratio.high)})`,
    target: say(target.target),
    reached: judge(target.target),
    stretch: say(target.stretch),
    stretchReached: judge(target.stretch),
  };
}

/** The median decides, and where the interval reaches over the bound nothing is decided. */
function held({ median, low, high }: Ratio, bound: number, better: 'higher' | 'lower'): Reached {
  const enough = (value: number): boolean => (better === 'higher' ? value >= bound : value <= bound);
  if (enough(low) && enough(high)) return 'yes';
  return enough(low) || enough(high) || enough(median) ? 'undecided' : 'no';
}

interface Found {
  readonly name: string;
  readonly ratio: Ratio;
}

function against(target: RatioTarget, { rounds }: Comparison, { limits }: Run, name: string): Found | undefined {
  const result = (wanted: string): Result | undefined => rounds.find((each) => each.name === wanted && !each.again);
  const [own, other] = [result(target.of), result(name)];
  const ratio = own && other && ratioOf(own, other, target.metric, limits);
  return ratio && { name, ratio };
}

/** The peer that leaves rxwal the least, of those that sync before they acknowledge, or of which that is not known. */
function bestPeer(target: RatioTarget, comparison: Comparison, run: Run): Found | undefined {
  return run.peers
    .filter((name) => run.acks.get(name)?.ack !== 'no fsync before ack')
    .flatMap((name) => against(target, comparison, run, name) ?? [])
    .toSorted((a, b) => a.ratio.median - b.ratio.median)[0];
}

/** A bound holds where it held in every round; where a process without a log is taken off, in the median of the rounds. */
function boundVerdict(target: BoundTarget, { comparisons }: Run): Verdict {
  const rows = comparisons.find(({ regime }) => regime === target.regime)?.rows;
  const figure = (name: string): Spread | undefined => rows?.find((row) => row.name === name)?.figures[target.figure];
  const own = figure('rxwal');
  const base = target.above === undefined ? undefined : figure(target.above);
  const known = own !== undefined && (target.above === undefined || base !== undefined);
  const middle = known ? Math.max(0, own.median - (base?.median ?? 0)) : NaN;
  const [least, most] = known && base === undefined ? [own.min, own.max] : [middle, middle];
  const unit = target.unit === '' ? '' : ` ${target.unit}`;
  const reached = (): Reached => {
    if (Number.isNaN(middle)) return 'not measured';
    if (most <= target.most) return 'yes';
    return least > target.most ? 'no' : 'undecided';
  };
  return {
    regime: target.regime,
    what: target.what,
    measured: Number.isNaN(middle) ? '–' : `${short(middle)}${unit}`,
    target: `≤ ${target.most}${unit}`,
    reached: reached(),
    stretch: '',
    stretchReached: '',
  };
}

function trendVerdict(target: TrendTarget, { comparisons }: Run): Verdict {
  const measured = comparisons.filter(({ producers }) => producers !== undefined);
  const times = measured
    .toSorted((a, b) => (a.producers ?? 0) - (b.producers ?? 0))
    .flatMap(({ rows }) => rows.find(({ name }) => name === 'rxwal')?.rate?.median ?? [])
    .map((perSecond) => 1e6 / perSecond);
  const noisy = measured.some(({ refused }) => refused !== undefined);
  const falls = times.every((time, step) => step === 0 || time <= (times[step - 1] as number) * target.tolerance);
  return {
    regime: measured.map(({ producers }) => producers).join(', '),
    what: target.what,
    measured: noisy || times.length < 2 ? '–' : `${times.map((time) => short(time)).join(' → ')} µs`,
    target: 'falls or flat',
    reached: times.length < 2 ? 'not measured' : noisy ? 'too noisy to tell' : falls ? 'yes' : 'no',
    stretch: '',
    stretchReached: '',
  };
}

export function verdictTable(all: readonly Verdict[]): string {
  const table = new Table({
    head: ['regime', 'rxwal', 'measured', 'target', 'reached?', 'stretch', 'reached?'],
    style: { head: [], border: [], compact: true },
  });
  for (const { regime, what, measured, target, reached, stretch, stretchReached } of all) {
    table.push([regime, what, measured, target, reached, stretch, stretchReached]);
  }
  return ['', '## Targets', '', table.toString()].join('\n');
}
