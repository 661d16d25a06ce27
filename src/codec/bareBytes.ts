import { types } from 'node:util';

/** Whether it is a Uint8Array or a Buffer and nothing else: of a subclass, or a Proxy, nobody knows what `length` and `subarray` give. */
export function isBareBytes(value: unknown): value is Uint8Array {
  if (!types.isUint8Array(value)) return false;
  const kind: unknown = Object.getPrototypeOf(value);
  return kind === Uint8Array.prototype || kind === Buffer.prototype;
}
