/** What a group of counts has come to. */
import type { BUDGETS } from './budgets';

export type Group = keyof typeof BUDGETS;
export type CountName<G extends Group> = keyof (typeof BUDGETS)[G] & string;

/** The value of each count, or why it could not be taken; for the whole group where nothing could be. */
export type Counts<G extends Group> = Readonly<Record<CountName<G>, number | NotCounted>> | NotCounted;

export interface NotCounted {
  readonly notCounted: string;
}

export function notCounted(why: string): NotCounted {
  return { notCounted: why };
}
