import { toJson } from './jsonValue';
import { UsageError } from './failure';

export type Condition = (value: unknown) => boolean;

/**
 * Reads `path=value`: a condition that what stands at a dotted path of a value is equal to a text. A number, a bigint and a boolean are equal
 * to their text, a Date to its ISO 8601, anything else to its JSON. A path goes through own properties, indices and the text keys of a Map;
 * where it leads nowhere, nothing is equal.
 *
 * @throws UsageError where there is no `=`.
 */
export function condition(text: string): Condition {
  const at = text.indexOf('=');
  if (at <= 0) throw new UsageError(`--where takes path=value, not '${text}'`);
  const path = text.slice(0, at).split('.');
  const wanted = text.slice(at + 1);
  return (value) => {
    let found = value;
    for (const key of path) {
      if (found instanceof Map && found.has(key)) found = found.get(key) as unknown;
      else if (typeof found === 'object' && found !== null && Object.hasOwn(found, key))
        found = Reflect.get(found, key) as unknown;
      else return false;
    }
    return textOf(found) === wanted;
  };
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  return JSON.stringify(toJson(value));
}
