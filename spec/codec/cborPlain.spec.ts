import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { cborCodec } from '../../src/codec/cborCodec';
import { CborPlain, NO_ROOM, NOT_PLAIN } from '../../src/codec/cborPlain';
import { CborShapes } from '../../src/codec/cborShapes';
import { WalRecordError } from '../../src/errors';

/** With an option, though it changes nothing: cbor-x alone encodes. */
const bare = cborCodec({ copyBuffers: true });

/** What cbor-x writes; `undefined` where a log refuses the value. */
function expectedBytes(value: unknown): Uint8Array | undefined {
  try {
    return Uint8Array.from(bare.encode(value));
  } catch (error) {
    if (error instanceof WalRecordError) return undefined;
    throw error;
  }
}

/** Stands around the bytes that may be written. */
const UNTOUCHED = 0xa5;
const BEFORE = 5;

/**
 * Encodes `value` into a buffer that has `room` bytes from `at` on, within larger memory.
 *
 * @returns what `encode` gives, from `at` on, and the bytes. Fails where another byte was written.
 */
function encodeWithin(plain: CborPlain, value: unknown, room: number): { result: number; bytes: Uint8Array } {
  const memory = new Uint8Array(3 * BEFORE + room).fill(UNTOUCHED);
  const at = 2 * BEFORE;
  const result = plain.encode(value, memory.subarray(BEFORE, at + room), BEFORE);
  const isOutside = (index: number): boolean => index < at || index >= at + room;
  if (memory.some((byte, index) => byte !== UNTOUCHED && isOutside(index)))
    throw new Error('wrote outside of the room');
  return {
    result: result < 0 ? result : result - BEFORE,
    bytes: memory.slice(at, at + Math.max(0, result - BEFORE)),
  };
}

/** Texts of thousands of entries are told apart faster than lists of bytes. */
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Plain: the same bytes, in just enough room, and in more. */
function expectPlain(plain: CborPlain, value: unknown): void {
  const expected = expectedBytes(value) ?? new Uint8Array(0);
  for (const spare of [0, 1, 2, 3, 1000]) {
    const { result, bytes } = encodeWithin(plain, value, expected.length + spare);
    expect(hex(bytes)).toBe(hex(expected));
    expect(result).toBe(expected.length);
  }
}

/** The same bytes, or not plain; not plain where a log refuses it. */
function expectSame(plain: CborPlain, value: unknown): void {
  const expected = expectedBytes(value);
  const { result, bytes } = encodeWithin(plain, value, (expected?.length ?? 10_000) + 10);
  if (result === NOT_PLAIN) return;
  if (expected === undefined) throw new Error('a refused value was encoded');
  expect(hex(bytes)).toBe(hex(expected));
  expect(result).toBe(expected.length);
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function memoryBytes(): number {
  // V8 keeps the shape of an object for a few rounds.
  for (let round = 0; round < 4; round += 1) collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** All of Unicode, and halves of surrogate pairs. */
const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc.string({ unit: 'grapheme', maxLength: 100 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 100 }).map((units) => String.fromCharCode(...units)),
  fc.array(fc.constantFrom('a', 'ä', '€', '😀', '\ud83d', '\ude00'), { maxLength: 80 }).map((units) => units.join('')),
);
const anyNumber = fc.oneof(
  fc.double(),
  fc.float(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(-0, NaN, Infinity, -Infinity, Number.MIN_VALUE, -Number.MIN_VALUE, Number.MAX_VALUE),
);
const anyKey = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      'a',
      'b',
      'c',
      'type',
      'id',
      'a key of sixty-three bytes, which is as long as one may be here',
    ),
  },
  fc.constantFrom(
    '',
    '0',
    '17',
    '-1',
    '1.5',
    '4294967295',
    'toString',
    'valueOf',
    'hasOwnProperty',
    'toJSON',
    'then',
    'length',
    'größe',
  ),
  anyText,
);
/** Plain through and through. */
const { plainValue } = fc.letrec<{ plainValue: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(anyText, anyNumber, fc.boolean(), fc.constantFrom(null, undefined)),
  plainValue: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('plainValue'), { maxLength: 6 }),
    fc
      .array(fc.tuple(anyKey, tie('plainValue')), { maxLength: 8 })
      .map((entries) =>
        Object.fromEntries(entries.filter(([key]) => !['__proto__', 'hasOwnProperty', 'constructor'].includes(key))),
      ),
  ),
}));
const anything = fc.anything({
  maxDepth: 4,
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withNullPrototype: true,
  withObjectString: true,
  withSparseArray: true,
  key: fc.oneof(anyKey, fc.constantFrom('__proto__', 'constructor')),
});

describe('CborPlain', () => {
  it('writes what cbor-x writes for plain values, whatever came before them', () => {
    fc.assert(
      fc.property(fc.array(plainValue, { maxLength: 8 }), (values) => {
        const plain = new CborPlain();
        for (const value of [...values, ...values]) expectPlain(plain, value);
      }),
      { numRuns: 300 },
    );
  });

  it('writes what cbor-x writes for any value, or says that it is not plain', () => {
    const plain = new CborPlain();
    fc.assert(
      fc.property(fc.oneof(anything, plainValue), (value) => {
        // Else it would be out of patience most of the time.
        expectPlain(plain, 0);
        expectSame(plain, value);
      }),
      { numRuns: 3000 },
    );
  });

  it('says that there is no room in every buffer that is too small, and writes nothing outside of it', () => {
    fc.assert(
      fc.property(plainValue, (value) => {
        const plain = new CborPlain();
        const { length } = expectedBytes(value) ?? [];
        for (let room = 0; room < length; room += 1) {
          expect(encodeWithin(plain, value, room).result).toBe(NO_ROOM);
        }
        expectPlain(plain, value);
      }),
      { numRuns: 100 },
    );
  });

  it.each<[what: string, values: readonly unknown[]]>([
    [
      'numbers around powers of two',
      [0, 5, 8, 16, 23, 24, 31, 32, 53, 63, 64, 100].flatMap((power) =>
        [-2, -1, -0.5, 0, 0.5, 1, 2].flatMap((more) => [2 ** power + more, -(2 ** power) + more]),
      ),
    ],
    ['heads of numbers', [22, 23, 24, 25, -23, -24, -25, -26, 255, 256, -256, -257, 65_535, 65_536, -65_536, -65_537]],
    [
      'floats',
      [-0, NaN, Infinity, -Infinity, 0.1, 1e300, 5e-324, 2.2e-308, Number.MAX_VALUE, Math.fround(0.1), 1.7e12, -1.7e12],
    ],
    [
      'numbers that are no number',
      [0xff, 0x7f].map((high) => new Float64Array(Uint8Array.of(1, 2, 3, 4, 5, 6, 0xf8, high).buffer)[0]),
    ],
    ['what there is only one of', [true, false, null, undefined]],
  ])('%s', (_what, values) => {
    const plain = new CborPlain();
    for (const value of values) expectPlain(plain, value);
    expectPlain(plain, values);
    expectPlain(plain, Object.fromEntries(values.map((value, index) => [`key ${index}`, value])));
  });

  const lengths = [
    0, 1, 7, 8, 10, 11, 12, 22, 23, 24, 31, 32, 33, 39, 40, 41, 62, 63, 64, 65, 84, 85, 86, 127, 128,
  ].concat([254, 255, 256, 257, 32_767, 32_768, 65_534, 65_535, 65_536, 65_537]);
  it.each<[what: string, unit: string]>([
    ['one byte', 'x'],
    ['two bytes', 'ä'],
    ['three bytes', '€'],
    ['four bytes', '😀'],
    ['half a pair, the higher', '\ud83d'],
    ['half a pair, the lower', '\ude00'],
    ['one byte, the last', '\x7f'],
    ['two bytes, the first', '\x80'],
    ['two bytes, the last', '\u07ff'],
    ['three bytes, the first', '\u0800'],
    ['three bytes, the last before the pairs', '\ud7ff'],
    ['three bytes, the first behind the pairs', '\ue000'],
    ['three bytes, the last', '\uffff'],
    ['four bytes, the first', '\u{10000}'],
    ['four bytes, the last', '\u{10ffff}'],
  ])('texts of characters of %s, of every length of head', (_what, unit) => {
    const plain = new CborPlain();
    for (const length of lengths) {
      const text = unit.repeat(length);
      for (const value of [text, `${text}a`, `a${text}`, [text, 1], { [text]: 1, a: 2 }]) expectPlain(plain, value);
      const size = expectedBytes(text)?.length ?? 0;
      for (let less = 1; less <= Math.min(5, size); less += 1) {
        expect(encodeWithin(plain, text, size - less).result).toBe(NO_ROOM);
      }
    }
  });

  it.each([0, 1, 23, 24, 25, 255, 256, 257, 65_535])('lists and objects of %d entries', (count) => {
    const plain = new CborPlain();
    const list = Array.from({ length: count }, (_, index) => index);
    expectPlain(plain, list);
    for (const prefix of ['', 'key ']) {
      const object = Object.fromEntries(list.map((index) => [prefix + index.toString(), index]));
      expectPlain(plain, object);
    }
  });

  it('a list of more entries, and an object of more, which gets another head', () => {
    const plain = new CborPlain();
    const list = Array.from({ length: 65_536 }, (_, index) => index);
    expectPlain(plain, list);
    expect(encodeWithin(plain, Object.assign({}, list), 2_000_000).result).toBe(NOT_PLAIN);
  });

  it('the holes of a list, and its other properties, are what cbor-x makes of them', () => {
    const plain = new CborPlain();
    const sparse: unknown[] = [1];
    sparse[5] = 2;
    expectPlain(plain, sparse);
    expectPlain(plain, Object.assign([1, 2], { name: 'a', [-1]: 1 }));
    expectPlain(plain, new Array(30));
  });

  it('keys in another order, and keys that are missing, or new, or of other values', () => {
    const plain = new CborPlain();
    const kinds: unknown[] = [
      { type: 'a', id: 1, at: 2.5 },
      { id: 1, type: 'a', at: 2.5 },
      { at: 2.5, id: 1, type: 'a' },
      { type: 'a', at: 2.5 },
      { type: 'a' },
      {},
      { type: { type: { type: 1 } } },
      { type: [{ type: 1 }, { id: 1 }, [{ at: [{ type: 1 }] }]] },
      { type: 'a', id: 1, at: 2.5, more: null, '': 0 },
      { 2: 'index', 1: 'index', type: 'a', '-1': 0, 1.5: 0 },
      { größe: 1, type: 'ä', '😀': { größe: 2 }, '\ud83d': 3 },
      Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`key ${index}`, { type: index }])),
      [],
      'text',
    ];
    for (const one of kinds) {
      for (const other of kinds) for (const value of [one, other, one]) expectPlain(plain, value);
    }
  });

  it('a key of any length', () => {
    const plain = new CborPlain();
    for (let length = 0; length < 300; length += 1) {
      const value = { ['k'.repeat(length)]: length, next: 'a' };
      for (let time = 0; time < 2; time += 1) expectPlain(plain, value);
    }
  });

  it('symbols and what is not enumerable are left out, as cbor-x leaves them', () => {
    const plain = new CborPlain();
    const value = Object.defineProperty({ a: 1, [Symbol('s')]: 2, b: 3 }, 'hidden', { value: 4, enumerable: false });
    expectPlain(plain, value);
    expectPlain(plain, Object.freeze({ a: 1, b: Object.seal({ c: 2 }) }));
  });

  it.each<[what: string, value: unknown]>([
    ['a bigint', 1n],
    ['a symbol', Symbol('s')],
    ['a function', () => 1],
    ['a Date', new Date(0)],
    ['a Map', new Map([['a', 1]])],
    ['a Set', new Set([1])],
    ['bytes', Uint8Array.of(1, 2)],
    ['a Buffer', Buffer.from('a')],
    ['an ArrayBuffer', new ArrayBuffer(2)],
    ['a DataView', new DataView(new ArrayBuffer(2))],
    ['a RegExp', /a/g],
    ['an Error', new Error('a')],
    ['a boxed number', Object(1)],
    ['a boxed text', Object('a')],
    [
      'an instance of a class',
      new (class Point {
        x = 1;
      })(),
    ],
    ['an instance of a class of lists', new (class List extends Array<number> {})(3)],
    ['an object without a prototype', Object.assign(Object.create(null) as object, { a: 1 })],
    ['a list without a prototype', Object.setPrototypeOf([1], null)],
    ['a list that passes for an object', Object.assign([1], { constructor: Object })],
    ['an object that passes for a list', { constructor: Array, length: 1, 0: 1 }],
    ['a key constructor', { constructor: 1 }],
    ['a key __proto__', JSON.parse('{"a": 1, "__proto__": {"b": 2}}')],
    ['a method', { a: 1, toJSON: () => 2 }],
    ['a key hasOwnProperty that is none', { a: 1, hasOwnProperty: 2 }],
    ['an object that denies its keys', Object.defineProperty({ a: 1 }, 'hasOwnProperty', { value: () => false })],
    ['an object whose prototype claims its keys', Object.create({ a: 1, hasOwnProperty: () => true })],
    [
      'the arguments of a function that are iterated over',
      (function* () {
        yield 1;
      })(),
    ],
    ['a Promise', Promise.resolve(1)],
  ])('%s is not plain, wherever it stands', (_what, value) => {
    for (const whole of [value, [value], [1, [value]], { a: value }, { a: 1, b: [{ c: value }] }]) {
      expect(encodeWithin(new CborPlain(), whole, 1000).result).toBe(NOT_PLAIN);
      expectSame(new CborPlain(), whole);
    }
  });

  it.each<[what: string, value: unknown]>([
    ['of its own', { a: 1, then: () => 2 }],
    ['that is not enumerable', Object.defineProperty({ a: 1 }, 'then', { value: () => 2 })],
    ['that is inherited', Object.assign(Object.create({ then: () => 2 }) as object, { a: 1 })],
    ['of a list', Object.assign([1], { then: () => 2 })],
  ])('an object with a method "then" %s is not plain: a log takes it for a Promise', (_what, value) => {
    expect(encodeWithin(new CborPlain(), value, 1000).result).toBe(NOT_PLAIN);
    expect(expectedBytes(value)).toBeUndefined();
    expectSame(new CborPlain(), [value]);
    expectPlain(new CborPlain(), { then: 1 });
  });

  it('objects that inherit, or stand in front of others, are what cbor-x makes of them', () => {
    const inherits = Object.assign(Object.create({ inherited: 1 }) as object, { own: 2 });
    const args = (function (..._values: unknown[]) {
      // eslint-disable-next-line prefer-rest-params -- the object is what is asked for
      return arguments;
    })(1, 'a');
    for (const value of [
      inherits,
      args,
      new Proxy({ a: 1 }, {}),
      new Proxy([1, { b: 2 }], {}),
      Object.prototype,
      globalThis.Math,
    ]) {
      expectSame(new CborPlain(), value);
      expectSame(new CborPlain(), { value });
    }
  });

  it('properties that every object has been given are left out, as cbor-x leaves them', () => {
    const prototype = Object.prototype as unknown as Record<string, unknown>;
    prototype.everywhere = 1;
    try {
      expectPlain(new CborPlain(), { a: 1, b: { c: 2 } });
      expectSame(new CborPlain(), { a: 1, hasOwnProperty: 2 });
    } finally {
      delete prototype.everywhere;
    }
  });

  it('a getter runs once, and what it throws comes through', () => {
    const plain = new CborPlain();
    let times = 0;
    const value = {
      before: 1,
      get time() {
        times += 1;
        return times;
      },
      after: 'a',
    };
    const { bytes } = encodeWithin(plain, value, 100);
    expect(hex(bytes)).toBe(hex(expectedBytes({ before: 1, time: 1, after: 'a' }) ?? bytes));
    expect(times).toBe(1);

    const fails = {
      get never() {
        throw new RangeError('no value');
      },
    };
    expect(() => encodeWithin(plain, { a: fails }, 100)).toThrow(new RangeError('no value'));
    expectPlain(plain, { before: 1, time: 1, after: 'a' });
  });

  it('a getter that encodes gets the answer "not plain", and spoils nothing', () => {
    const plain = new CborPlain();
    const other = new Uint8Array(100);
    const value = {
      a: 1,
      get inner() {
        return plain.encode({ a: 1 }, other, 0);
      },
      b: 'behind it',
    };
    const { bytes } = encodeWithin(plain, value, 100);
    expect(hex(bytes)).toBe(hex(expectedBytes({ a: 1, inner: NOT_PLAIN, b: 'behind it' }) ?? bytes));
    expect(other).toStrictEqual(new Uint8Array(100));
  });

  it('nests sixty-four deep, and not deeper', () => {
    const nested = (depth: number, wrap: (inner: unknown) => unknown): unknown =>
      depth === 0 ? 1 : wrap(nested(depth - 1, wrap));
    for (const wrap of [
      (inner: unknown) => [inner],
      (inner: unknown) => ({ inner }),
      (inner: unknown) => [0, { inner }],
    ]) {
      const step = JSON.stringify(wrap(1)).includes('0') ? 2 : 1;
      const plain = new CborPlain();
      expectPlain(plain, nested(64 / step, wrap));
      expect(encodeWithin(plain, nested(64 / step + 1, wrap), 10_000).result).toBe(NOT_PLAIN);
      expectPlain(plain, nested(64 / step, wrap));
    }
  });

  it('a value that refers to itself is not plain', () => {
    const object: Record<string, unknown> = { a: 1 };
    object.self = object;
    const list: unknown[] = [1];
    list.push(list, object, list);
    const [one, other]: Record<string, unknown>[] = [{}, {}];
    Object.assign(one ?? {}, { other, other2: other });
    Object.assign(other ?? {}, { one, one2: one });
    for (const value of [object, list, one])
      expect(encodeWithin(new CborPlain(), value, 100_000).result).toBe(NOT_PLAIN);
  });

  it('one object in two places is written twice', () => {
    const shared = { a: [1] };
    expectPlain(new CborPlain(), [shared, shared, { b: shared }]);
  });

  it('writes any number of keys, though it does not remember them all', () => {
    const plain = new CborPlain();
    for (let at = 0; at < 20_000; at += 1) {
      const value = { [`key ${at}`]: { [`inner ${at}`]: at }, last: at };
      const { bytes } = encodeWithin(plain, value, 100);
      if (hex(bytes) !== hex(expectedBytes(value) ?? bytes)) throw new Error(`other bytes for key ${at}`);
    }
    expectPlain(plain, { 'key 1': 1, 'key 19999': 2 });
  });

  it.each([
    ['a bounded number of keys', 1, 40_000],
    ['keys of a bounded length', 5000, 1000],
  ])('remembers %s', (_what, length, times) => {
    const plain = new CborPlain();
    const buffer = new Uint8Array(100_000);
    const names = Array.from('abcdefghijklmnop', (letter) => letter.repeat(length));
    // In another order each time: the keys that may follow those before them are ever others.
    const shuffled = (seed: number): string[] =>
      names
        .map((name, index) => ({ name, place: (seed * (2 * index + 7919)) % 104_729 }))
        .sort((one, other) => one.place - other.place)
        .map(({ name }, index) => (index < 8 ? name : name + (seed % 1000).toString()));
    const before = memoryBytes();
    for (let seed = 0; seed < times; seed += 1) {
      const value = Object.fromEntries(shuffled(seed).map((name) => [name, 1]));
      if (plain.encode(value, buffer, 0) < 0) throw new Error('not plain');
    }
    expect(memoryBytes() - before).toBeLessThan(4 * 1024 * 1024);
    expectPlain(plain, { a: 1 });
  });

  it('keeps nothing of the memory that a key was written to', () => {
    const plain = new CborPlain();
    const memory = new Uint8Array(100);
    expect(plain.encode({ first: 1, second: 2 }, memory, 0)).toBeGreaterThan(0);
    memory.fill(0);
    expectPlain(plain, { first: 1, second: 2 });
  });

  it('writes into each buffer that it is given, in turn, and at each place', () => {
    const plain = new CborPlain();
    const value = { a: 1.5, b: 'text', c: 70_000, d: 'x'.repeat(100) };
    const expected = expectedBytes(value) ?? new Uint8Array(0);
    const buffers = [
      new Uint8Array(300),
      Buffer.alloc(300),
      new Uint8Array(400).subarray(100),
      Buffer.allocUnsafe(300),
    ];
    for (let at = 0; at < 20; at += 1) {
      for (const buffer of buffers) {
        expect(plain.encode(value, buffer, at)).toBe(at + expected.length);
        expect(hex(buffer.subarray(at, at + expected.length))).toBe(hex(expected));
      }
    }
    expect(plain.encode(value, new Uint8Array(0), 0)).toBe(NO_ROOM);
    expect(plain.encode(1, new Uint8Array(3), 3)).toBe(NO_ROOM);
  });

  it('does not look at every value where none is plain, and at all again where one is', () => {
    const plain = new CborPlain();
    let looks = 0;
    const unknown = {
      get a() {
        looks += 1;
        return 1n;
      },
    };
    for (let time = 0; time < 160; time += 1) expect(encodeWithin(plain, unknown, 100).result).toBe(NOT_PLAIN);
    expect(looks).toBeLessThan(30);
    expect(looks).toBeGreaterThan(20);
    const results = Array.from({ length: 40 }, () => encodeWithin(plain, { a: 1 }, 100).result);
    expect(results.slice(0, 17)).toContain(6);
    expect(results.slice(17)).not.toContain(NOT_PLAIN);
  });

  it('a value that has no room costs no patience', () => {
    const plain = new CborPlain();
    for (let time = 0; time < 100; time += 1) expect(encodeWithin(plain, { a: 1 }, 3).result).toBe(NO_ROOM);
    expectPlain(plain, { a: 1 });
  });

  it('what it writes is read back, by cbor-x and without it', () => {
    const plain = new CborPlain();
    const shapes = new CborShapes();
    const value = {
      type: 'order',
      at: 1.7e12,
      items: [{ sku: 'größer', n: -1 }, { sku: '😀'.repeat(50) }, []],
      no: undefined,
      yes: true,
    };
    for (let time = 0; time < 3; time += 1) {
      const { bytes } = encodeWithin(plain, value, 1000);
      expect(bare.decode(bytes)).toStrictEqual(value);
      expect(shapes.decode(bytes)).toStrictEqual(value);
    }
  });
});
