import { isUtf8 } from 'node:buffer';
import { asciiText } from './asciiText';

/** What {@link CborShapes.decode} gives where it does not know a payload. */
export const UNKNOWN: unique symbol = Symbol('unknown');

/** Nested deeper than this is for somebody else. */
const MAX_DEPTH = 64;
/** Keys that are remembered, in all and in one place; and how long one may be. More of them are read byte by byte each time. */
const MAX_KEYS = 4096;
const MAX_KEYS_IN_PLACE = 8;
const MAX_KEY_BYTES = 64;
/** Up to this many bytes of text are looked at one by one. */
const SHORT_TEXT_BYTES = 32;
/** After so many payloads in a row that it did not know, only one of as many is looked at. */
const PATIENCE = 16;

const MAJOR = { positive: 0, negative: 1, text: 3, array: 4, map: 5, simple: 7 } as const;
const SIMPLE = { false: 20, true: 21, null: 22, undefined: 23, float32: 26, float64: 27 } as const;

/** A place where a value stands: in a record, under a key, or in the list that does. Remembers what stood there. */
class Place {
  /** The keys that a map in this place has begun with. */
  readonly first: Key[] = [];
  /** The last short text, all of it ASCII. */
  text = '';
}

/** A key of a map, behind those that stand before it. Its value is a place. */
class Key extends Place {
  /** The keys that have followed it. */
  readonly next: Key[] = [];

  /** @param bytes the key as it is encoded, head and text. */
  constructor(
    readonly name: string,
    readonly bytes: Uint8Array,
  ) {
    super();
  }
}

/**
 * Decodes CBOR that consists of numbers, texts, booleans, `null`, `undefined`, lists, and maps with texts for keys: what most records
 * are. Gives exactly what cbor-x gives for them, two to three times as fast, and knows nothing else: no tag, no bytes, no bigint, nothing
 * malformed. That is for cbor-x to decode, or to refuse.
 *
 * Records of a kind have the same keys in the same order. So it remembers which key stood in a place, and what came behind it; where the same
 * bytes stand there again, their text is known. What is remembered is a guess that is held against the bytes each time: each record still
 * decodes alone, and nothing is generated from what it holds.
 */
export class CborShapes {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #isKnown = true;
  #keys = 0;
  #unknownInARow = 0;
  readonly #root = new Place();
  /** The place of values whose key is not remembered. */
  readonly #elsewhere = new Key('', new Uint8Array(0));

  /** The value of the payload `bytes[start, end)`, or {@link UNKNOWN}. */
  decode(bytes: Uint8Array, start = 0, end = bytes.length): unknown {
    if (this.#unknownInARow >= PATIENCE && this.#unknownInARow % PATIENCE !== 0) {
      this.#unknownInARow += 1;
      return UNKNOWN;
    }
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#isKnown = true;
    const value = this.#value(this.#root, 0);
    if (this.#isWhole()) {
      this.#unknownInARow = 0;
      return value;
    }
    this.#unknownInARow += 1;
    return UNKNOWN;
  }

  /** Gives up. What it gives is no value of the payload. */
  #unknown(): string | undefined {
    this.#isKnown = false;
    return undefined;
  }

  #isWhole(): boolean {
    return this.#isKnown && this.#at === this.#end;
  }

  #value(place: Place, depth: number): unknown {
    const bytes = this.#bytes;
    if (this.#at >= this.#end) return this.#unknown();
    const byte = bytes[this.#at] as number;
    const major = byte >>> 5;
    this.#at += 1;
    if (major === MAJOR.simple) return this.#simple(byte & 0x1f);
    const argument = this.#argument(byte & 0x1f);
    switch (major) {
      case MAJOR.positive:
        return argument;
      case MAJOR.negative:
        return -1 - argument;
      case MAJOR.text:
        return argument <= SHORT_TEXT_BYTES ? this.#shortText(argument, place) : this.#longText(argument);
      case MAJOR.array:
        return this.#array(argument, place, depth + 1);
      case MAJOR.map:
        return this.#map(argument, place, depth + 1);
      default:
        return this.#unknown();
    }
  }

  /** A head's length, count or number, of up to 32 bits. */
  #argument(info: number): number {
    if (info < 24) return info;
    const bytes = this.#bytes;
    const at = this.#at;
    const size = 1 << (info - 24);
    if (info > 26 || at + size > this.#end) {
      this.#isKnown = false;
      return 0;
    }
    this.#at = at + size;
    let value = 0;
    for (let index = at; index < at + size; index += 1) value = value * 256 + (bytes[index] as number);
    return value;
  }

  #simple(info: number): unknown {
    switch (info) {
      case SIMPLE.false:
        return false;
      case SIMPLE.true:
        return true;
      case SIMPLE.null:
      case SIMPLE.undefined:
        return info === SIMPLE.null ? null : undefined;
      case SIMPLE.float32:
        return this.#copyFloat(4) ? float.getFloat32(0) : undefined;
      case SIMPLE.float64:
        return this.#copyFloat(8) ? float.getFloat64(0) : undefined;
      default:
        return this.#unknown();
    }
  }

  /** Copies a number to where it can be read: a `DataView` of each payload would cost more. */
  #copyFloat(size: 4 | 8): boolean {
    const bytes = this.#bytes;
    const at = this.#at;
    this.#at = at + size;
    if (this.#at > this.#end) {
      this.#isKnown = false;
      return false;
    }
    // Written out: a loop takes twice as long.
    floatBytes[0] = bytes[at] as number;
    floatBytes[1] = bytes[at + 1] as number;
    floatBytes[2] = bytes[at + 2] as number;
    floatBytes[3] = bytes[at + 3] as number;
    if (size === 4) return true;
    floatBytes[4] = bytes[at + 4] as number;
    floatBytes[5] = bytes[at + 5] as number;
    floatBytes[6] = bytes[at + 6] as number;
    floatBytes[7] = bytes[at + 7] as number;
    return true;
  }

  #array(count: number, place: Place, depth: number): unknown {
    if (count > this.#end - this.#at || depth > MAX_DEPTH) return this.#unknown();
    const list: unknown[] = [];
    for (let index = 0; index < count && this.#isKnown; index += 1) list.push(this.#value(place, depth));
    return list;
  }

  #map(count: number, place: Place, depth: number): unknown {
    if (count > this.#end - this.#at || depth > MAX_DEPTH) return this.#unknown();
    const object: Record<string, unknown> = {};
    let expected = place.first;
    for (let index = 0; index < count && this.#isKnown; index += 1) {
      const key = this.#expectedKey(expected);
      if (key) {
        object[key.name] = this.#value(key, depth);
        expected = key.next;
        continue;
      }
      const start = this.#at;
      const name = this.#keyName();
      if (name === undefined) return undefined;
      const place = this.#remembered(expected, name, start) ?? this.#elsewhere;
      object[name] = this.#value(place, depth);
      expected = place.next;
    }
    return object;
  }

  /** The key that stands here, where it is one of those that have stood here before. */
  #expectedKey(expected: Key[]): Key | undefined {
    const bytes = this.#bytes;
    const at = this.#at;
    for (let index = 0; index < expected.length; index += 1) {
      const key = expected[index] as Key;
      const { length } = key.bytes;
      let same = 0;
      while (same < length && bytes[at + same] === key.bytes[same]) same += 1;
      if (same < length) continue;
      this.#at = at + length;
      if (index > 0) {
        // The one that has just been seen is the first to be tried next time.
        expected[index] = expected[index - 1] as Key;
        expected[index - 1] = key;
      }
      return key;
    }
    return undefined;
  }

  #keyName(): string | undefined {
    const bytes = this.#bytes;
    const byte = bytes[this.#at] ?? 0;
    this.#at += 1;
    const length = this.#argument(byte & 0x1f);
    if (!this.#isKnown || byte >>> 5 !== MAJOR.text) return this.#unknown();
    const name = length <= SHORT_TEXT_BYTES ? this.#shortText(length, this.#elsewhere) : this.#longText(length);
    // cbor-x gives it another name.
    return name === '__proto__' ? this.#unknown() : name;
  }

  /** A key that has been read from `start` on, where there is room for it. */
  #remembered(expected: Key[], name: string, start: number): Key | undefined {
    const length = this.#at - start;
    if (this.#keys >= MAX_KEYS || expected.length >= MAX_KEYS_IN_PLACE || length > MAX_KEY_BYTES) return undefined;
    this.#keys += 1;
    // Not `slice`: a Buffer's is a view.
    const key = new Key(name, Uint8Array.prototype.slice.call(this.#bytes, start, this.#at));
    expected.push(key);
    return key;
  }

  #shortText(length: number, place: Place): string | undefined {
    const bytes = this.#bytes;
    const at = this.#at;
    if (at + length > this.#end) return this.#unknown();
    const { text } = place;
    let same = 0;
    if (text.length === length) while (same < length && bytes[at + same] === text.charCodeAt(same)) same += 1;
    if (same < length || text.length !== length) {
      let bits = 0;
      for (let index = at; index < at + length; index += 1) bits |= bytes[index] as number;
      if (bits >= 0x80) return this.#longText(length);
      place.text = asciiText(bytes, at, length);
    }
    this.#at = at + length;
    return place.text;
  }

  #longText(length: number): string | undefined {
    const bytes = this.#bytes;
    const at = this.#at;
    const end = at + length;
    // How malformed text is mended, and what becomes of a byte order mark, depends on how cbor-x was built.
    const hasMark = bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf;
    if (end > this.#end || hasMark || !isUtf8(bytes.subarray(at, end))) return this.#unknown();
    this.#at = end;
    return utf8Slice.call(bytes, at, end);
  }
}

const floatBytes = new Uint8Array(8);
const float = new DataView(floatBytes.buffer);

/** What `buf.toString` calls: it takes any Uint8Array, and is half as long. */
type Slice = (this: Uint8Array, start: number, end: number) => string;
const { utf8Slice } = Buffer.prototype as unknown as { utf8Slice: Slice };
