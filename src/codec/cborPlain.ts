import { isThenable } from './isThenable';

/** What {@link CborPlain.encode} gives for a value that is not plain: it is for cbor-x. */
export const NOT_PLAIN = -1;
/** What {@link CborPlain.encode} gives for a value that does not fit into the buffer. */
export const NO_ROOM = -2;

/** Nested deeper than this is for cbor-x; so is a cycle. */
const MAX_DEPTH = 64;
/** Keys that are remembered, in all and in one place; and how long one may be. More of them are written as any text is. */
const MAX_KEYS = 4096;
const MAX_KEYS_IN_PLACE = 8;
const MAX_KEY_BYTES = 64;
/** Texts of fewer characters are written one by one: a call into native code takes as long as some forty of them. */
const MIN_NATIVE_CHARS = 40;
/** From so many characters on cbor-x, too, calls native code, which makes U+FFFD of half a surrogate pair. */
const MIN_MENDED_CHARS = 64;
/** An object of more keys is for cbor-x, which writes another head for it. */
const MAX_ENTRIES = 0xffff;
/** After so many values in a row that were not plain, only one of as many is looked at. */
const PATIENCE = 16;

const MAJOR = { positive: 0x00, negative: 0x20, text: 0x60, array: 0x80 } as const;
/** Whole bytes: of simple values, of a number of 64 bits, and of the head that cbor-x writes for each map, whatever its size. */
const BYTE = { false: 0xf4, true: 0xf5, null: 0xf6, undefined: 0xf7, float64: 0xfb, map16: 0xb9 } as const;

/** The keys that have stood in one place: at the beginning of an object, or behind another key. */
class Keys {
  /** The one that was seen last; the others hang on it. */
  first: Key | undefined = undefined;
  count = 0;
}

/** A key as it is encoded, and what has come behind it. */
class Key {
  /** The keys that have followed it. */
  readonly next = new Keys();
  /** The keys that an object under it has begun with, or an object in a list under it. */
  readonly inner = new Keys();
  /** Another key that has stood in the same place. */
  other: Key | undefined = undefined;

  /**
   * @param size of head and text, in bytes.
   * @param words head and text, four bytes each, the lowest first. Behind them are zeros.
   */
  constructor(
    readonly name: string,
    readonly size: number,
    readonly words: Int32Array,
  ) {}
}

/**
 * Encodes values that consist of numbers, texts, booleans, `null`, `undefined`, lists, and objects of no class: what most records are. Writes
 * the very bytes that cbor-x writes for them, straight to where they are to stand, in a third to a half of the time. Anything else is not
 * plain: that is for cbor-x to encode, or to refuse.
 *
 * Objects of a kind have the same keys in the same order. So it remembers how a key was encoded, and which one came behind it. What is
 * remembered is a guess that is held against the value each time: each record stands alone, and nothing is generated from what it holds.
 */
export class CborPlain {
  #buffer: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #end = 0;
  #isBusy = false;
  #keys = 0;
  #notPlainInARow = 0;
  readonly #root = new Keys();
  /** Stands for each key that is not remembered. */
  readonly #elsewhere = new Key('', 0, new Int32Array(0));

  /**
   * Writes the CBOR of `value` into `buffer` from `at` on. Nothing before `at` is touched; of what stood behind it, more may be overwritten than
   * the value takes. Throws what a getter throws.
   *
   * @returns the offset behind the value; {@link NOT_PLAIN} or {@link NO_ROOM}.
   */
  encode(value: unknown, buffer: Uint8Array, at: number): number {
    // A getter that encodes again would change the buffer under the value that it belongs to.
    if (this.#isBusy) return NOT_PLAIN;
    if (this.#notPlainInARow >= PATIENCE && this.#notPlainInARow % PATIENCE !== 0) {
      this.#notPlainInARow += 1;
      return NOT_PLAIN;
    }
    this.#isBusy = true;
    try {
      this.#useBuffer(buffer);
      const end = isThenable(value) ? NOT_PLAIN : this.#value(value, at, this.#root, 0);
      this.#notPlainInARow = end === NOT_PLAIN ? this.#notPlainInARow + 1 : 0;
      return end;
    } finally {
      this.#isBusy = false;
    }
  }

  #useBuffer(buffer: Uint8Array): void {
    if (buffer === this.#buffer) return;
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    this.#end = buffer.length;
  }

  /** This and those below give what {@link encode} gives. */
  #value(value: unknown, at: number, keys: Keys, depth: number): number {
    // Not a switch: V8 would make a text of the type first.
    if (typeof value === 'string') return this.#text(value, at);
    if (typeof value === 'number') return this.#number(value, at);
    if (typeof value === 'boolean') return this.#byte(value ? BYTE.true : BYTE.false, at);
    if (value === undefined) return this.#byte(BYTE.undefined, at);
    if (value === null) return this.#byte(BYTE.null, at);
    if (typeof value !== 'object' || depth === MAX_DEPTH) return NOT_PLAIN;
    return Array.isArray(value) ? this.#array(value, at, keys, depth + 1) : this.#object(value, at, keys, depth + 1);
  }

  #byte(byte: number, at: number): number {
    if (at >= this.#end) return NO_ROOM;
    this.#buffer[at] = byte;
    return at + 1;
  }

  #head(major: number, argument: number, at: number): number {
    const end = at + headBytes(argument);
    if (end > this.#end) return NO_ROOM;
    const buffer = this.#buffer;
    if (argument < 24) {
      buffer[at] = major | argument;
    } else if (argument < 0x100) {
      buffer[at] = major | 24;
      buffer[at + 1] = argument;
    } else if (argument < 0x10000) {
      buffer[at] = major | 25;
      buffer[at + 1] = argument >>> 8;
      buffer[at + 2] = argument;
    } else {
      buffer[at] = major | 26;
      this.#view.setUint32(at + 1, argument);
    }
    return end;
  }

  #number(value: number, at: number): number {
    if (value >>> 0 === value) return this.#head(MAJOR.positive, value, at);
    if (value < 0 && value >= -0x1_0000_0000 && Math.floor(value) === value) {
      return this.#head(MAJOR.negative, -1 - value, at);
    }
    if (at + 9 > this.#end) return NO_ROOM;
    this.#buffer[at] = BYTE.float64;
    this.#view.setFloat64(at + 1, value);
    return at + 9;
  }

  #array(list: readonly unknown[], at: number, keys: Keys, depth: number): number {
    if (list.constructor !== Array) return NOT_PLAIN;
    const { length } = list;
    at = this.#head(MAJOR.array, length, at);
    for (let index = 0; index < length && at >= 0; index += 1) at = this.#value(list[index], at, keys, depth);
    return at;
  }

  #object(object: object, at: number, keys: Keys, depth: number): number {
    // cbor-x goes by the constructor, and asks `hasOwnProperty` of the object for each key.
    if (object.constructor !== Object || object.hasOwnProperty !== hasOwnProperty) return NOT_PLAIN;
    const names = Object.keys(object);
    const { length } = names;
    if (length > MAX_ENTRIES) return NOT_PLAIN;
    if (at + 3 > this.#end) return NO_ROOM;
    const buffer = this.#buffer;
    buffer[at] = BYTE.map16;
    buffer[at + 1] = length >>> 8;
    buffer[at + 2] = length;
    at += 3;
    for (let index = 0; index < length; index += 1) {
      const name = names[index] as string;
      let key = keys.first;
      if (key === undefined || key.name !== name) key = this.#otherKey(keys, name);
      if (key === undefined) {
        if (name === '__proto__') return NOT_PLAIN;
        const start = at;
        at = this.#text(name, at);
        key = this.#remembered(keys, name, start, at);
      } else {
        at = this.#key(key, at);
      }
      if (at < 0) return at;
      at = this.#value((object as Record<string, unknown>)[name], at, key.inner, depth);
      if (at < 0) return at;
      keys = key.next;
    }
    return at;
  }

  #key(key: Key, at: number): number {
    const { words } = key;
    const { length } = words;
    // Up to three bytes more than it has: they will be overwritten. Where there is no room for them, as any text.
    if (at + 4 * length > this.#end) return this.#text(key.name, at);
    const view = this.#view;
    for (let index = 0; index < length; index += 1) view.setInt32(at + 4 * index, words[index] as number, true);
    return at + key.size;
  }

  /** One that has stood in this place, but not last. It is the first to be tried next time. */
  #otherKey(keys: Keys, name: string): Key | undefined {
    let before = keys.first;
    for (let key = before?.other; before && key; before = key, key = key.other) {
      if (key.name !== name) continue;
      before.other = key.other;
      key.other = keys.first;
      keys.first = key;
      return key;
    }
    return undefined;
  }

  /** A key that has just been written to `[start, end)`, where there is room for it. */
  #remembered(keys: Keys, name: string, start: number, end: number): Key {
    const size = end - start;
    if (end < 0 || size > MAX_KEY_BYTES || keys.count >= MAX_KEYS_IN_PLACE || this.#keys >= MAX_KEYS) {
      return this.#elsewhere;
    }
    const bytes = new Uint8Array(4 * Math.ceil(size / 4));
    bytes.set(this.#buffer.subarray(start, end));
    const view = new DataView(bytes.buffer);
    const words = Int32Array.from({ length: bytes.length / 4 }, (_, index) => view.getInt32(4 * index, true));
    const key = new Key(name, size, words);
    key.other = keys.first;
    keys.first = key;
    keys.count += 1;
    this.#keys += 1;
    return key;
  }

  #text(text: string, at: number): number {
    const { length } = text;
    const start = at + headBytes(length);
    if (length >= MIN_NATIVE_CHARS || start + length > this.#end) return this.#anyText(text, at);
    const buffer = this.#buffer;
    for (let index = 0; index < length; index += 1) {
      const char = charCodeAt.call(text, index);
      if (char >= 0x80) return this.#anyText(text, at);
      buffer[start + index] = char;
    }
    this.#head(MAJOR.text, length, at);
    return start + length;
  }

  #anyText(text: string, at: number): number {
    const { length } = text;
    // As though it were ASCII: where it is not, the head may turn out longer, by two bytes at most.
    const start = at + headBytes(length);
    if (start + 2 + 3 * length > this.#end && !this.#hasRoom(text, at)) return NO_ROOM;
    const end = length < MIN_NATIVE_CHARS ? this.#shortText(text, start) : this.#longText(text, start);
    const size = end - start;
    const moved = at + headBytes(size);
    if (moved !== start) this.#buffer.copyWithin(moved, start, end);
    this.#head(MAJOR.text, size, at);
    return moved + size;
  }

  #hasRoom(text: string, at: number): boolean {
    const size = Buffer.byteLength(text);
    return at + headBytes(size) + size <= this.#end;
  }

  /** Half a surrogate pair gets three bytes, as it does from cbor-x. */
  #shortText(text: string, at: number): number {
    const buffer = this.#buffer;
    const { length } = text;
    for (let index = 0; index < length; index += 1) {
      let char = charCodeAt.call(text, index);
      if (char < 0x80) {
        buffer[at++] = char;
        continue;
      }
      if (char < 0x800) {
        buffer[at++] = 0xc0 | (char >>> 6);
      } else {
        const low = (char & 0xfc00) === 0xd800 ? charCodeAt.call(text, index + 1) : 0;
        if ((low & 0xfc00) === 0xdc00) {
          index += 1;
          char = 0x10000 + ((char & 0x3ff) << 10) + (low & 0x3ff);
          buffer[at++] = 0xf0 | (char >>> 18);
          buffer[at++] = 0x80 | ((char >>> 12) & 0x3f);
        } else {
          buffer[at++] = 0xe0 | (char >>> 12);
        }
        buffer[at++] = 0x80 | ((char >>> 6) & 0x3f);
      }
      buffer[at++] = 0x80 | (char & 0x3f);
    }
    return at;
  }

  #longText(text: string, at: number): number {
    const { length } = text;
    const size = utf8Write.call(this.#buffer, text, at, this.#end - at);
    return size === length || length >= MIN_MENDED_CHARS ? at + size : this.#shortText(text, at);
  }
}

function headBytes(argument: number): number {
  return argument < 24 ? 1 : argument < 0x100 ? 2 : argument < 0x10000 ? 3 : 5;
}

const { hasOwnProperty } = Object.prototype as { hasOwnProperty: unknown };

/** What `buf.write` calls: it takes any Uint8Array, and is half as long. */
type Write = (this: Uint8Array, text: string, at: number, length: number) => number;
const { utf8Write } = Buffer.prototype as unknown as { utf8Write: Write };

/** Kept here: V8 looks a method up anew for each character once it has met texts of five kinds (one or two bytes wide, whole or joined ...). */
type CharCodeAt = (this: string, index: number) => number;
const { charCodeAt } = String.prototype as { charCodeAt: CharCodeAt };
