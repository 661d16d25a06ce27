/**
 * A value as something that `JSON.stringify` writes as it is. What JSON has no word for becomes an object with one key:
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

export function base64(view: ArrayBufferView): string {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('base64');
}

/** Own keys as own keys, `__proto__` too. */
export function mapObject(value: object, convert: (item: unknown) => unknown): object {
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, convert(item)]));
}
