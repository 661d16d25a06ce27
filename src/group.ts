/** Values that are to be one group: all or none of them survive a crash. See {@link group}. */
export class Group<T> {
  /** @param values in the order of their LSNs; not to be changed any more. */
  constructor(readonly values: readonly [T, ...T[]]) {}
}

/**
 * Makes one group of many values, for a line that is composed by hand: `serialize` encodes it as one payload, `frame` lays it out as one frame, and so
 * all or none of its records survive a crash. Each value has an LSN of its own. A log does the same with `appendAll`.
 *
 * @param values at least one; read to their end at once.
 * @throws TypeError for what cannot be iterated over, or gives no value: a group of none would never be acknowledged. What the iterable throws is
 *   thrown on.
 * @example
 * of(group([debit, credit])).pipe(serialize({ codec: cborCodec() }), frame(), checksum(logId))
 */
export function group<T>(values: Iterable<T>): Group<T> {
  // Types end where JavaScript begins.
  const given = values as Iterable<T> | null | undefined;
  if (typeof given?.[Symbol.iterator] !== 'function') {
    throw new TypeError(`values must be iterable, not ${given === null ? 'null' : typeof given}`);
  }
  const all = Array.from(values);
  if (all.length === 0)
    throw new TypeError('values must be at least one, not none: a group without a record has no ack');
  return new Group(all as [T, ...T[]]);
}
