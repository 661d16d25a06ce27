import { types } from 'node:util';

/** Whether it is a Uint8Array or a Buffer and nothing else: of a subclass, or a Proxy, nobody knows what `length` and `subarray` give. */
export function isBareBytes(value: unknown): value is Uint8Array {
  if (!types.isUint8Array(value)) return false;
  const kind: unknown = Object.getPrototypeOf(value);
  return kind === Uint8Array.prototype || kind === Buffer.prototype;
}

/**
 * Types end where JavaScript begins: a codec may give anything.
 *
 * @throws TypeError where that is no bytes.
 */
export function bareBytesOf(encoded: unknown): Uint8Array {
  if (isBareBytes(encoded)) return encoded;
  if (encoded instanceof Uint8Array) {
    const copy = new Uint8Array(encoded.length);
    copy.set(encoded);
    return copy;
  }
  throw new TypeError(`codec.encode must give a Uint8Array, not ${encoded === null ? 'null' : typeof encoded}`);
}
