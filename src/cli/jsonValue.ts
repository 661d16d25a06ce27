import { UsageError } from './failure';

/**
 * Any value of a log as JSON, and back. What JSON has no word for becomes an object with one key:
 *
 * | value                          | JSON                                             |
 * | ------------------------------ | ------------------------------------------------ |
 * | bigint                         | `{"$bigint":"123"}`                              |
 * | Date                           | `{"$date":"2026-01-02T03:04:05.678Z"}`; an invalid one `{"$date":null}` |
 * | Uint8Array                     | `{"$bytes":"aGVsbG8="}` (base64)                 |
 * | other typed arrays             | `{"$array":["Float32Array","AACAPw=="]}`         |
 * | Map                            | `{"$map":[["key","value"]]}`                     |
 * | Set                            | `{"$set":["item"]}`                              |
 * | undefined                      | `{"$undefined":true}`                            |
 * | NaN, Infinity, -Infinity, -0   | `{"$number":"NaN"}`                              |
 * | RegExp                         | `{"$regexp":["source","flags"]}`                 |
 * | an object with a key that begins with `$` | `{"$object":{"$key":"value"}}`        |
 *
 * So every object with one key that begins with `$` is one of these, and nothing is ambiguous.
 */
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

/** A value as something that `JSON.stringify` writes as it is. */
export function toJson(value: unknown): unknown {
  switch (typeof value) {
    case 'bigint':
      return { $bigint: String(value) };
    case 'number':
      if (Object.is(value, -0)) return { $number: '-0' };
      return Number.isFinite(value) ? value : { $number: String(value) };
    case 'undefined':
      return { $undefined: true };
    case 'object':
      return value === null ? null : objectToJson(value);
    case 'string':
    case 'boolean':
      return value;
    case 'function':
    case 'symbol':
      return String(value);
  }
}

function objectToJson(value: object): unknown {
  if (Array.isArray(value)) return Array.from(value, toJson);
  if (value instanceof Date) return { $date: Number.isNaN(value.getTime()) ? null : value.toISOString() };
  if (value instanceof Uint8Array) return { $bytes: base64(value) };
  if (ArrayBuffer.isView(value)) return { $array: [value.constructor.name, base64(value)] };
  if (value instanceof Map) return { $map: Array.from(value, ([key, item]) => [toJson(key), toJson(item)]) };
  if (value instanceof Set) return { $set: Array.from(value, toJson) };
  if (value instanceof RegExp) return { $regexp: [value.source, value.flags] };
  const plain = mapObject(value, toJson);
  return Object.keys(plain).some((key) => key.startsWith('$')) ? { $object: plain } : plain;
}

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

export function base64(view: ArrayBufferView): string {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('base64');
}

function typedArrayOf([name, text]: [string, unknown]): TypedArray {
  const type = Object.hasOwn(TYPED_ARRAYS, name) ? TYPED_ARRAYS[name as keyof typeof TYPED_ARRAYS] : undefined;
  if (!type) return refuse(`there are ${Object.keys(TYPED_ARRAYS).join(', ')}`);
  return new type(bytesOf(text).buffer as ArrayBuffer);
}

/** Own keys as own keys, `__proto__` too. */
function mapObject(value: object, convert: (item: unknown) => unknown): object {
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, convert(item)]));
}

function refuse(why: string): never {
  throw new UsageError(why);
}
