/** Whether a run can tell. A comparison that it cannot support is refused, in words, instead of printed. */
import type { Estimate } from './statistics';

export interface NoiseLimits {
  /** The control, one contender against itself, must come out this near to 1 (and its inverse). */
  readonly control: number;
  /** The upper end of a ratio's interval over its lower end may be this much. */
  readonly width: number;
}

export const DEFAULT_LIMITS: NoiseLimits = { control: 1.25, width: 2 };

/** Why nothing of this regime may be compared; `undefined` where it may. */
export function refuseRegime(control: Estimate | undefined, limits: NoiseLimits): string | undefined {
  if (control === undefined) return 'the control did not run';
  const { median, low, high } = control;
  if (median > limits.control || median < 1 / limits.control) {
    return `too noisy to tell: the control, one contender against itself, came out at ${median.toFixed(2)} instead of 1`;
  }
  if (high / low > limits.width) {
    return `too noisy to tell: the control, one contender against itself, ranged from ${low.toFixed(2)} to ${high.toFixed(2)}`;
  }
  return undefined;
}

/** Why this ratio says nothing; `undefined` where it does. */
export function refuseRatio(ratio: Estimate, limits: NoiseLimits): string | undefined {
  if (ratio.high / ratio.low <= limits.width) return undefined;
  return `too noisy to tell: from ${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)}`;
}
