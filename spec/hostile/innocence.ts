import { cborCodec } from 'rxwal';
import { CANARY } from './hostileCbor';

/** What a decoded value may be an instance of; anything else came from elsewhere. */
const PLAIN: ReadonlySet<unknown> = new Set([
  Object.prototype,
  Array.prototype,
  Map.prototype,
  Set.prototype,
  Date.prototype,
  RegExp.prototype,
  Error.prototype,
  ...[Uint8Array, Uint8ClampedArray, Uint16Array, Uint32Array, BigUint64Array].map(({ prototype }) => prototype),
  ...[Int8Array, Int16Array, Int32Array, BigInt64Array, Float32Array, Float64Array].map(({ prototype }) => prototype),
  // A tag that has no meaning is kept with its value, as cbor-x has it.
  Object.getPrototypeOf(cborCodec<object>().decode(Uint8Array.of(0xd8, 100, 0x00))),
]);

/** Everything that a polluted process would have more of. */
const BIRTHRIGHT: readonly object[] = [
  ...PLAIN,
  Function.prototype,
  String.prototype,
  Number.prototype,
  Promise.prototype,
  Buffer.prototype,
  Object,
  Array,
] as object[];
const AT_BIRTH = BIRTHRIGHT.map((owner) => ({ owner, keys: Reflect.ownKeys(owner).length }));

/** Which of the objects that all others inherit from has changed. */
export function pollution(): readonly string[] {
  const found: string[] = [];
  const fresh: Record<string, unknown> = {};
  if (CANARY in fresh || CANARY in []) found.push(`every object has a key ${CANARY}`);
  for (const { owner, keys } of AT_BIRTH) {
    const now = Reflect.ownKeys(owner);
    if (now.length !== keys)
      found.push(`${keys} keys of an object that others inherit from are now ${now.map(String).join()}`);
  }
  return found;
}

/** Bytes of memory that a byte of payload may become, and what any value may take. */
const MAX_GROWTH = 64;
const SMALL_CHANGE = 4096;

/**
 * What is wrong with a value that was decoded from `payloadBytes` bytes: an instance of something that is not plain, a function, a key that
 * reaches a prototype, or far more memory than its bytes can mean. Every object counts once, so that shared ones and cycles end.
 */
export function complaintsOfValue(value: unknown, payloadBytes: number): readonly string[] {
  const complaints: string[] = [];
  const seen = new Set<object>();
  const waiting: unknown[] = [value];
  let size = 0;
  while (waiting.length > 0) {
    const next = waiting.pop();
    size += 1;
    if (typeof next === 'string') size += next.length;
    if (typeof next === 'function' || typeof next === 'symbol') complaints.push(`a ${typeof next} was decoded`);
    if (typeof next !== 'object' || next === null || seen.has(next)) continue;
    seen.add(next);
    const prototype: unknown = Object.getPrototypeOf(next);
    if (!PLAIN.has(prototype)) complaints.push(`an instance of ${nameOf(prototype)} was decoded, which is not plain`);
    if (Object.hasOwn(next, '__proto__')) complaints.push('an object with a key __proto__ of its own was decoded');
    if (ArrayBuffer.isView(next)) {
      size += next.byteLength;
    } else if (next instanceof Map || next instanceof Set) {
      for (const entry of next.entries()) waiting.push(...entry);
    } else if (next instanceof Error) {
      size += next.message.length;
    } else {
      for (const name of Object.keys(next)) waiting.push((next as Record<string, unknown>)[name]);
      if (Array.isArray(next)) size += next.length;
    }
  }
  if (size > MAX_GROWTH * payloadBytes + SMALL_CHANGE)
    complaints.push(`${payloadBytes} bytes of payload became a value of ${size}`);
  return complaints;
}

function nameOf(prototype: unknown): string {
  const { name } = (prototype as { readonly constructor?: { readonly name?: unknown } } | null)?.constructor ?? {};
  return typeof name === 'string' ? name : 'nothing';
}
