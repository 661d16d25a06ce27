/** A contender that is there for some regimes only, or measures itself. */
import type { Contender } from '../contender';
import type { Job, Measurement } from './measurement';

export interface Limited extends Contender {
  /** Names of the regimes that it takes part in. */
  readonly regimes: readonly string[];
  /** Where the work is done by another program that has its own clock. */
  measure?(job: Job): Promise<Measurement>;
}

export function isLimited(contender: Contender): contender is Limited {
  return 'regimes' in contender;
}
