/**
 * CBOR (RFC 8949) by its heads, one after the other: which tags stand in a payload, without decoding it. cbor-x takes tags that make one value
 * depend on another, or grow: a few hundred bytes of them become gigabytes, or take hours, and a structure that one record brings stays for
 * the next. A log never writes them unless it was told to.
 */

/** A family of tags, by the option of cbor-x that writes them. */
export type TagFamily = 'structuredClone' | 'useRecords' | 'bundleStrings' | 'pack';

const TAG = { positiveBigint: 2, negativeBigint: 3, object: 27 } as const;

/** Longer ones take cbor-x time by the square of their length. */
const MAX_BIGINT_BYTES = 1024;

const MAJOR = { bytes: 2, text: 3, array: 4, tag: 6 } as const;
/** Additional information of a head whose item ends with a break. */
const INDEFINITE = 31;

/**
 * Looks for what must not be decoded.
 *
 * @param allowed families of tags that this codec writes itself.
 * @param atProto is asked what there is to say of a text "__proto__". Default: nothing.
 * @returns what stands there; `undefined` where all is well.
 */
export function refusedTag(
  bytes: Uint8Array,
  allowed: ReadonlySet<TagFamily>,
  atProto?: () => string | undefined,
): string | undefined {
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    if (byte === TEXT_OF_PROTO_LENGTH && atProto && isProto(bytes, at)) {
      const complaint = atProto();
      if (complaint !== undefined) return complaint;
    }
    const skipped = SKIPPED[byte] ?? 0;
    if (skipped > 0) {
      at += skipped;
      continue;
    }
    const { major, value, end } = readHead(bytes, at);
    at = end;
    if (major === MAJOR.tag) {
      const complaint = complaintOf(bytes, value, at, allowed);
      if (complaint !== undefined) return complaint;
    } else {
      at += value;
    }
  }
  // What cbor-x makes of these depends on what it has decoded before.
  return at > bytes.length ? 'a value that goes on past its end' : undefined;
}

/** The head of a text of nine bytes. */
const TEXT_OF_PROTO_LENGTH = 0x69;
const PROTO = Buffer.from('__proto__', 'latin1');

function isProto(bytes: Uint8Array, at: number): boolean {
  return PROTO.every((byte, index) => bytes[at + 1 + index] === byte);
}

/**
 * By the first byte of a head, the bytes up to the next head; 0 for a tag, and for a length that stands behind that byte. Nearly all
 * heads are passed with one look: every record that is written comes by here.
 */
const SKIPPED = Uint8Array.from({ length: 256 }, (_, byte) => {
  const major = byte >>> 5;
  const info = byte & 0x1f;
  const isLong = info > 23 && info < 28;
  if (major === MAJOR.tag) return 0;
  if (major !== MAJOR.bytes && major !== MAJOR.text) return isLong ? 1 + (1 << (info - 24)) : 1;
  return isLong ? 0 : info === INDEFINITE ? 1 : 1 + info;
});

/** @param at behind the tag: where what it stands for begins. */
function complaintOf(bytes: Uint8Array, tag: number, at: number, allowed: ReadonlySet<TagFamily>): string | undefined {
  const family = familyOf(tag);
  if (family !== undefined) {
    return allowed.has(family) ? undefined : `tag ${tag}, which cbor-x writes with the option ${family} only`;
  }
  if (tag === TAG.positiveBigint || tag === TAG.negativeBigint) {
    const { major, value, indefinite } = readHead(bytes, at);
    if (major === MAJOR.bytes && !indefinite && value <= MAX_BIGINT_BYTES) return undefined;
    return `a bigint of more than ${MAX_BIGINT_BYTES} bytes`;
  }
  return tag === TAG.object && !isErrorOrPattern(bytes, at) ? 'an object of a class that none may have' : undefined;
}

function familyOf(tag: number): TagFamily | undefined {
  if (tag === 28 || tag === 29) return 'structuredClone';
  if (tag === 14 || tag === 15) return 'bundleStrings';
  if (tag === 105 || tag === 0x5368_7264) return 'useRecords';
  if (tag >= 0xdff9 && tag <= 0xffff) return tag === 0xdff9 ? 'bundleStrings' : 'useRecords';
  const packed =
    tag === 6 ||
    tag === 51 ||
    (tag >= 216 && tag <= 255) ||
    (tag >= 27_647 && tag <= 32_767) ||
    (tag >= 1_811_940_352 && tag <= 2_147_483_647);
  return packed ? 'pack' : undefined;
}

/** `["RegExp", source, flags]`, `["TypeError", message]`: a short array that begins with the name of a class, and not with a name that every object knows. */
function isErrorOrPattern(bytes: Uint8Array, at: number): boolean {
  const list = readHead(bytes, at);
  if (list.major !== MAJOR.array || list.indefinite || list.value < 2 || list.value > 3) return false;
  const name = readHead(bytes, list.end);
  if (name.major !== MAJOR.text || name.indefinite) return false;
  return !(Buffer.from(bytes.subarray(name.end, name.end + name.value)).toString('utf8') in Object.prototype);
}

interface Head {
  readonly major: number;
  /** The argument: a length, a count, a tag. Infinite past the end of the bytes. */
  readonly value: number;
  readonly indefinite: boolean;
  /** Offset behind it. */
  readonly end: number;
}

/** Past the end, and of what is malformed, some head: the decoder will say what is wrong. */
function readHead(bytes: Uint8Array, at: number): Head {
  const byte = bytes[at] ?? 0;
  const info = byte & 0x1f;
  const size = info < 24 || info > 27 ? 0 : 2 ** (info - 24);
  let value = size === 0 ? info : 0;
  for (let index = 1; index <= size; index += 1) value = value * 256 + (bytes[at + index] ?? 0);
  return { major: byte >>> 5, value, indefinite: info === INDEFINITE, end: at + 1 + size };
}
