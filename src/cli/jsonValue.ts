import { mapObject } from '../toJson';
import { UsageError } from './failure';

export { base64, toJson } from '../toJson';

/** How `toJson` writes what JSON has no word for, as the help of a verb says it. */
export const JSON_VALUES_HELP = `
What JSON has no word for is written as an object with one key: {"$bigint":"123"}, {"$date":"2026-01-02T03:04:05.678Z"},
{"$bytes":"<base64>"}, {"$array":["Float32Array","<base64>"]}, {"$map":[["key","value"]]}, {"$set":["item"]}, {"$undefined":true},
{"$number":"NaN"}, {"$regexp":["source","flags"]}. An object with a key of its own that begins with "$" is wrapped: {"$object":{…}}.
append reads the same back.`;

type TypedArray = Exclude<NodeJS.TypedArray, Uint8Array>;

const TYPED_ARRAYS = {
  Uint8ClampedArray,
  Uint16Array,
  Uint32Array,
  Int8Array,
  Int16Array,
  Int32Array,
  BigUint64Array,
  BigInt64Array,
  Float32Array,
  Float64Array,
} as const;

const NUMBERS: Readonly<Record<string, number>> = { NaN, Infinity, '-Infinity': -Infinity, '-0': -0 };

/**
 * The value that {@link toJson} was given.
 *
 * @throws UsageError for an object with a key that begins with `$` and is none of its words.
 */
export function fromJson(json: unknown): unknown {
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) return json.map(fromJson);
  const keys = Object.keys(json);
  const tag = keys.find((key) => key.startsWith('$'));
  if (tag === undefined) return mapObject(json, fromJson);
  const content = (json as Record<string, unknown>)[tag];
  try {
    if (keys.length === 1) return untag(tag, content);
  } catch (cause) {
    throw new UsageError(`${JSON.stringify(json)} is no ${tag}: ${cause instanceof Error ? cause.message : ''}`, {
      cause,
    });
  }
  throw new UsageError(`an object with the key ${tag} must be written as {"$object":{…}}`);
}

function untag(tag: string, content: unknown): unknown {
  switch (tag) {
    case '$bigint':
      return BigInt(content as string);
    case '$date':
      return new Date(content === null ? NaN : (content as string));
    case '$bytes':
      return bytesOf(content);
    case '$array':
      return typedArrayOf(content as [string, unknown]);
    case '$map':
      return new Map((content as [unknown, unknown][]).map(([key, item]) => [fromJson(key), fromJson(item)]));
    case '$set':
      return new Set((content as unknown[]).map(fromJson));
    case '$undefined':
      return undefined;
    case '$number':
      return NUMBERS[content as string] ?? refuse(`there are ${Object.keys(NUMBERS).join(', ')}`);
    case '$regexp':
      return new RegExp(...(content as [string, string]));
    case '$object':
      return mapObject(content as object, fromJson);
    default:
      return refuse('there is no such word');
  }
}

/** The bytes of base64 text. @throws UsageError for anything else. */
export function bytesOf(text: unknown): Uint8Array {
  if (typeof text !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return refuse('base64 text is expected');
  return new Uint8Array(Buffer.from(text, 'base64'));
}

function typedArrayOf([name, text]: [string, unknown]): TypedArray {
  const type = Object.hasOwn(TYPED_ARRAYS, name) ? TYPED_ARRAYS[name as keyof typeof TYPED_ARRAYS] : undefined;
  if (!type) return refuse(`there are ${Object.keys(TYPED_ARRAYS).join(', ')}`);
  return new type(bytesOf(text).buffer as ArrayBuffer);
}

function refuse(why: string): never {
  throw new UsageError(why);
}
