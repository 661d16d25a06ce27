import { ascii, join } from '../support/bytes';
import type { Random } from './random';

/** What a decoder may be led astray by: each makes one CBOR item, or something that only begins as one. */
type Maker = (random: Random, depth: number) => Uint8Array | readonly number[];

/** Keys that a careless reader would take for the machinery of an object. */
export const DANGEROUS_KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'valueOf',
  'then',
  'length',
  '__proto_',
];

/** What a hostile value puts on a prototype, where it gets through. */
export const CANARY = 'polluted';

/** Tags that cbor-x gives a meaning: dates, bigints, packed tables, shared values, typed arrays, Error and RegExp, Set, Map, records. */
const TAGS = [
  0, 1, 2, 3, 4, 5, 6, 14, 15, 24, 25, 27, 28, 29, 51, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 77, 78, 79, 81,
  82, 85, 86, 105, 216, 223, 225, 239, 255, 256, 258, 259, 27647, 28704, 55799, 0xdff9, 0xdffe, 0xdfff, 0xe000, 0xe001,
  0x5368_7264, 1_811_940_352, 1_879_052_288, 0xffff_ffff,
];

/** Lengths that no payload of these inputs has. */
const GIANT = [2 ** 16 - 1, 2 ** 24, 2 ** 30 - 1, 2 ** 31, 2 ** 32 - 1];

/** The head of an item: its major type and its argument, in as few bytes as it takes. */
export function head(major: number, argument: number): number[] {
  const type = major << 5;
  if (argument < 24) return [type | argument];
  if (argument < 2 ** 8) return [type | 24, argument];
  if (argument < 2 ** 16) return [type | 25, argument >>> 8, argument & 0xff];
  return [type | 26, argument >>> 24, (argument >>> 16) & 0xff, (argument >>> 8) & 0xff, argument & 0xff];
}

export function text(characters: string): Uint8Array {
  const bytes = Buffer.from(characters);
  return join(head(3, bytes.length), bytes);
}

export function tagged(tag: number, item: Uint8Array | readonly number[]): Uint8Array {
  return join(head(6, tag), item);
}

export function list(...items: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return join(head(4, items.length), ...items);
}

export function map(...entries: readonly (readonly [string, Uint8Array | readonly number[]])[]): Uint8Array {
  return join(head(5, entries.length), ...entries.flatMap(([key, value]) => [text(key), value]));
}

/** A map whose one key is dangerous, and whose value would be the canary of the prototype it reaches. */
export function poison(key: string): Uint8Array {
  return map([key, map([CANARY, [0xf5]], ['prototype', map([CANARY, [0xf5]])])]);
}

const item: Maker = (random, depth) => (depth <= 0 ? random.pick(LEAVES) : random.pick(MAKERS))(random, depth - 1);

const items = (random: Random, depth: number, most: number): Uint8Array[] =>
  Array.from({ length: random.below(most + 1) }, () => Uint8Array.from(item(random, depth)));

const key: Maker = (random, depth) =>
  random.chance(3, 4) ? text(random.pick([...DANGEROUS_KEYS, 'a', 'lsn', 'epoch', ''])) : item(random, depth);

const LEAVES: readonly Maker[] = [
  (random) => head(random.below(2), random.spread(2 ** 32)),
  (random) => [random.pick([0xf4, 0xf5, 0xf6, 0xf7])],
  (random) =>
    text(random.pick([...DANGEROUS_KEYS, 'Error', 'RegExp', '(a+)+$', '\u0000', 'é'.repeat(40), 'x'.repeat(70)])),
  // Text that is no UTF-8.
  (random) => {
    const bytes = random.bytes(random.below(90));
    return join(head(3, bytes.length), bytes);
  },
  (random) => {
    const bytes = random.bytes(random.below(40));
    return join(head(2, bytes.length), bytes);
  },
  // Halves, singles, doubles, and 64-bit integers.
  (random) => {
    const [first, size] = random.pick([
      [0xf9, 2],
      [0xfa, 4],
      [0xfb, 8],
      [0x1b, 8],
      [0x3b, 8],
    ] as const);
    return join([first], random.bytes(size));
  },
  // Simple values that nobody has assigned, and the break outside of anything.
  (random) => random.pick([[0xe0], [0xf0], [0xf8, 0x20], [0xf8, 0xff], [0xff], [0xfc], [0x1c], [0x3f]]),
  // A length that lies.
  (random) => head(random.between(2, 5), random.pick(GIANT)),
  (random) => join([(random.between(2, 5) << 5) | 27], random.bytes(8)),
  (random) => random.bytes(random.below(12)),
];

const MAKERS: readonly Maker[] = [
  ...LEAVES,
  (random, depth) => list(...items(random, depth, 4)),
  (random, depth) => {
    const size = random.below(4);
    return join(head(5, size), ...Array.from({ length: size * 2 }, (_, at) => (at % 2 ? item : key)(random, depth)));
  },
  // Indefinite lengths, with the break and without it.
  (random, depth) =>
    join([random.pick([0x9f, 0xbf, 0x5f, 0x7f])], ...items(random, depth, 4), random.chance(3, 4) ? [0xff] : []),
  (random) => poison(random.pick(DANGEROUS_KEYS)),
  (random, depth) => tagged(random.pick(TAGS), item(random, depth)),
  (random, depth) => tagged(random.pick(TAGS), list(...items(random, depth, 4))),
  (random, depth) => tagged(259, join(head(5, 1), key(random, depth), item(random, depth))),
  // An instance by name: Error, RegExp, and what every object has by birth.
  (random, depth) =>
    tagged(
      27,
      list(
        text(random.pick(['Error', 'RegExp', 'Function', ...DANGEROUS_KEYS, '__defineGetter__'])),
        ...items(random, depth, 2),
      ),
    ),
  // A record that brings its own structure, whose keys are dangerous; and one that uses a structure again.
  (random, depth) => {
    const keys = Array.from({ length: random.below(4) }, () =>
      text(random.pick([...DANGEROUS_KEYS, 'a', 'a-b', '"];x'])),
    );
    const values = keys.map(() => item(random, depth));
    const inline = tagged(0xdfff, join(head(4, keys.length + 2), head(0, 0xe000), list(...keys), ...values));
    const again = tagged(0xe000, list(...values.map((value) => Uint8Array.from(value))));
    return random.chance(1, 2) ? inline : list(inline, again, again, again, again);
  },
  // A value that is shared, and references to it: also from within itself.
  (random, depth) => list(tagged(28, item(random, depth)), tagged(29, head(0, random.below(3)))),
  (random, depth) => tagged(28, list(tagged(29, [0]), item(random, depth))),
  (random, depth) => tagged(28, join(head(5, 2), key(random, depth), tagged(29, [0]), text('a'), item(random, depth))),
  // A typed array whose bytes are no whole number of elements.
  (random) => {
    const bytes = random.bytes(random.below(20));
    return tagged(random.between(64, 87), join(head(2, bytes.length), bytes));
  },
  // Packed tables, and strings bundled behind the value.
  (random, depth) =>
    tagged(51, list(list(...items(random, depth, 3)), list(...items(random, depth, 2)), list(), item(random, depth))),
  (random, depth) => tagged(0xdff9, list(head(random.below(2), random.below(40)), item(random, depth))),
  (random) =>
    nested(
      random.pick([[0x81], [0xa1, 0x61, 0x61], [0xc1], [0x9f], [0xd8, 0x1c], [0xd9, 0x01, 0x02]]),
      random.spread(200),
    ),
];

/** `opening` again and again: what recursion makes of it is the decoder's affair. */
export function nested(opening: readonly number[], times: number): Uint8Array {
  return Uint8Array.from({ length: opening.length * times + 1 }, (_, at) => opening[at % opening.length]!).fill(
    0xf6,
    -1,
  );
}

/** A payload for a reader of CBOR: often one whole item, sometimes with too much or too little at its end. */
export function hostileCbor(random: Random): Uint8Array {
  const bytes = Uint8Array.from(item(random, random.below(6)));
  if (random.chance(1, 8)) return bytes.slice(0, random.below(bytes.length + 1));
  return random.chance(1, 12) ? join(bytes, random.bytes(random.between(1, 4))) : bytes;
}

/** What `checkpoint.meta` may claim instead of a checkpoint. */
export function hostileCheckpoint(random: Random, lsn: number): Uint8Array {
  const count: Maker = () =>
    random.chance(1, 2)
      ? head(0, Math.min(lsn, 2 ** 32 - 1))
      : random.pick([[0x20], [0xf6], [0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0], ascii('\x63abc'), [0xf5], [0x80]]);
  return random.pick<() => Uint8Array>([
    () => map(['lsn', count(random, 0)], ['epoch', count(random, 0)]),
    () => map(['lsn', count(random, 0)], ['epoch', count(random, 0)], ['transactionId', count(random, 0)]),
    () => map(['lsn', count(random, 0)], ['epoch', [0]], ['__proto__', poison('constructor')]),
    () => map(['__proto__', map(['lsn', [1]], ['epoch', [1]])]),
    () => tagged(259, map(['lsn', count(random, 0)], ['epoch', count(random, 0)])),
    () => hostileCbor(random),
  ])();
}
