import { Group } from './group';
import type { WalError } from './errors';
import type { Rejection } from './types';

/** What was not taken, and why: a value, or all of a group. */
export function rejection<T>(refused: T | Group<T>, error: WalError): Rejection<T> {
  if (!(refused instanceof Group)) return { value: refused, error };
  return { value: refused.values[0], group: refused.values, error };
}
