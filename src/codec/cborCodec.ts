import { Encoder, type Options } from 'cbor-x';
import { CborPlain } from './cborPlain';
import { CborShapes, UNKNOWN } from './cborShapes';
import { refusedTag, type TagFamily } from './cborTags';
import { WalRecordError } from '../errors';
import { NOT_WITHIN, decodeWithin, encodeWithin, madeInPlace, type InPlaceCodec } from './inPlaceCodec';
import { isThenable } from './isThenable';
import type { Codec } from '../types';

/** Options of cbor-x that let one message depend on another: read alone, such a record decodes to something else, silently. */
const SHARED_STATE_OPTIONS = [
  'structures',
  'getStructures',
  'saveStructures',
  'sequential',
  'maxSharedStructures',
  'pack',
] as const;

/** Two values of one shape: what a codec with memory encodes differently the second time. */
const PROBES = [
  { rxwal: 1, probe: 'a' },
  { rxwal: 2, probe: 'b' },
] as const;

/**
 * CBOR (RFC 8949) by cbor-x: the default codec. Each record stands alone.
 *
 * Keeps bigint, Date, Map, Set, typed arrays, `undefined`, and nesting a thousand deep. Does not keep: `-0` (becomes `0`), the class
 * of an instance (its own properties become an object's), symbol keys, half a surrogate pair (becomes U+FFFD), the
 * holes of an array (become `undefined`), `Buffer` and `ArrayBuffer` (become `Uint8Array`), two references to one object (become two objects),
 * the millisecond of a Date beyond the year 141,338. Functions, symbols, cycles,
 * a key `__proto__` and a bigint of more than 8,192 bits are refused with `WalRecordError`. A getter is read, perhaps twice; what one does
 * to the value that it belongs to is not kept for certain.
 *
 * So is, when it is read, what no log has written: tags that make a value refer to another, or a small payload large.
 *
 * @param options of cbor-x, on top of `{ useRecords: false, mapsAsObjects: true, copyBuffers: true, tagUint8Array: true }`.
 * @throws TypeError for an option that lets records share a dictionary: such a record does not decode alone.
 */
export function cborCodec<T>(options: Options = {}): Codec<T> {
  for (const name of SHARED_STATE_OPTIONS) {
    if (name in options && (options as Record<string, unknown>)[name] !== undefined) {
      throw new TypeError(
        `cborCodec: ${name} makes records share a dictionary; every record of a log must decode alone`,
      );
    }
  }
  const settings: Options = {
    useRecords: false,
    mapsAsObjects: true,
    copyBuffers: true,
    tagUint8Array: true,
    ...options,
  };
  const families = new Set(FAMILIES.filter((family) => settings[family]));
  const isPlain = Object.keys(options).length === 0;
  const codec = new CborCodec<T>(new Encoder(settings), families, isPlain);
  refuseMemory(codec, new CborCodec(new Encoder(settings), families, false));
  return madeInPlace(codec);
}

/** Options that write tags of their own. */
const FAMILIES = ['structuredClone', 'useRecords', 'bundleStrings'] as const;

const PROTO_KEY = 'a key "__proto__" cannot be kept: cbor-x would read it back under another name';

/** cbor-x keeps its position in the output in variables of the module: a getter that encodes again would write over it. */
let encoding = false;

class CborCodec<T> implements InPlaceCodec<T> {
  // No `#`: somebody may put a Proxy around a codec.
  private readonly plain: CborPlain | undefined;
  private readonly shapes: CborShapes | undefined;

  /** @param isDefault no option is set: what is known of the bytes holds. */
  constructor(
    private readonly encoder: Encoder,
    private readonly families: ReadonlySet<TagFamily>,
    isDefault: boolean,
  ) {
    this.plain = isDefault ? new CborPlain() : undefined;
    this.shapes = isDefault ? new CborShapes() : undefined;
  }

  encode(value: T): Uint8Array {
    begin(value);
    try {
      const bytes = this.encoder.encode(value);
      // A large bigint, an error with a strange name, an extension with a tag of cbor-x's own: none could be read back.
      const refused = refusedTag(bytes, this.families, () => (hasProtoKey(value) ? PROTO_KEY : undefined));
      if (refused !== undefined) throw new WalRecordError(`The value cannot be encoded: ${refused}`);
      return bytes;
    } catch (cause) {
      throw refusal(cause);
    } finally {
      encoding = false;
    }
  }

  [encodeWithin](value: T, buffer: Uint8Array, start: number): number {
    if (!this.plain) return NOT_WITHIN;
    begin(value);
    try {
      return this.plain.encode(value, buffer, start);
    } catch (cause) {
      throw refusal(cause);
    } finally {
      encoding = false;
    }
  }

  decode(payload: Uint8Array): T {
    return this[decodeWithin](payload, 0, payload.length);
  }

  [decodeWithin](buffer: Uint8Array, start: number, end: number): T {
    const value = this.shapes ? this.shapes.decode(buffer, start, end) : UNKNOWN;
    return value !== UNKNOWN ? (value as T) : this.decodeAny(buffer.subarray(start, end));
  }

  private decodeAny(payload: Uint8Array): T {
    const refused = refusedTag(payload, this.families);
    if (refused !== undefined) throw new WalRecordError(`The payload is none that a log has written: ${refused}`);
    try {
      return this.encoder.decode(payload) as T;
    } catch (cause) {
      throw new WalRecordError(`The payload is not the CBOR of one value: ${messageOf(cause)}`, { cause });
    }
  }
}

function begin(value: unknown): void {
  if (encoding) throw new WalRecordError('A value cannot be encoded while another one is: does a getter of it append?');
  if (isThenable(value)) throw new WalRecordError('A Promise is no record: await it first');
  encoding = true;
}

function refusal(cause: unknown): WalRecordError {
  if (cause instanceof WalRecordError) return cause;
  const why = cause instanceof RangeError ? 'it refers to itself, or is nested too deep' : messageOf(cause);
  return new WalRecordError(`The value cannot be encoded: ${why}`, { cause });
}

/** Whatever the options are called: what one encoder has written must mean the same to one that has seen nothing. */
function refuseMemory(writer: Codec<unknown>, reader: Codec<unknown>): void {
  const first = Buffer.from(writer.encode(PROBES[0]));
  const second = Buffer.from(writer.encode(PROBES[1]));
  const alone = reader.decode(second) as Partial<(typeof PROBES)[1]> | undefined;
  if (first.length !== second.length || alone?.rxwal !== 2 || alone.probe !== 'b') {
    throw new TypeError('cborCodec: with these options a record does not decode alone');
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** Whether an object anywhere in `value`, which holds no cycle, has a key `__proto__` of its own. */
function hasProtoKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  if (value instanceof Map || value instanceof Set) return [...value].flat().some(hasProtoKey);
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(hasProtoKey);
}
