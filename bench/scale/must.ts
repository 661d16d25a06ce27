/** What a curve must be, and whether it is: exponents with their errors, never a guess. */
import { fitExponent, type Fit, type Point } from '../harness/fit';

export interface Must {
  readonly words: string;
  /** The largest exponent that still deserves these words. */
  readonly maxExponent: number;
}

/** Tenfold x may cost a quarter more: what caches and the clock make of something that does not depend on x. */
const TOLERANCE = 0.1;
/** Values of x that a fit has at the least. */
const LEAST_XS = 3;

export const FLAT: Must = { words: 'flat', maxExponent: TOLERANCE };
export const FLAT_OR_FALLING: Must = { words: 'flat or falling', maxExponent: TOLERANCE };
export const FALLING: Must = { words: 'falling', maxExponent: -TOLERANCE };
export const LINEAR: Must = { words: 'no worse than linear', maxExponent: 1 + TOLERANCE };

type Verdict = 'yes' | 'NO' | 'cannot tell';

interface Judgement {
  readonly all: Fit;
  /** Of the upper half of the points, where a curve that turns upwards late shows it. */
  readonly upper: Fit;
  readonly verdict: Verdict;
}

/**
 * Judges by two standard errors: `yes` where even the upper end of that interval is allowed, `NO` where even its lower end is not, and
 * `cannot tell` in between, when the machine was too noisy for these rounds. Both fits must hold.
 *
 * @param measured every round's, at two values of x or more.
 */
export function judge(measured: readonly Point[], { maxExponent }: Must): Judgement {
  const xs = [...new Set(measured.map(({ x }) => x))].sort((a, b) => a - b);
  const middle = xs[Math.min(Math.floor(xs.length / 2), Math.max(0, xs.length - LEAST_XS))] ?? 0;
  const all = fitExponent(measured);
  const upper = fitExponent(measured.filter(({ x }) => x >= middle));
  const verdicts = [all, upper].map((fit) => verdictOn(fit, maxExponent));
  const verdict = verdicts.includes('NO') ? 'NO' : verdicts.includes('cannot tell') ? 'cannot tell' : 'yes';
  return { all, upper, verdict };
}

function verdictOn({ slope, standardError }: Fit, maxExponent: number): Verdict {
  if (slope + 2 * standardError <= maxExponent) return 'yes';
  return slope - 2 * standardError > maxExponent ? 'NO' : 'cannot tell';
}
