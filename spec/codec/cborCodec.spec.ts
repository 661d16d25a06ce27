import * as fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import { WalRecordError, cborCodec, type Codec } from 'rxwal';
import { hex, join, unhex } from '../support/bytes';

const codec = cborCodec<unknown>();

/** What a codec encodes may be memory that the next call overwrites: the log copies at once, and so does this. */
function encoded(value: unknown, by: Codec<unknown> = codec): Uint8Array {
  return Uint8Array.from(by.encode(value));
}

/** A value after it was in the log: encoded by one codec, decoded by one that has seen nothing. */
function kept(value: unknown): unknown {
  return cborCodec<unknown>().decode(encoded(value));
}

function refusalOf(value: unknown): unknown {
  try {
    codec.encode(value);
    return undefined;
  } catch (error) {
    return error;
  }
}

function decoded(bytes: Uint8Array): { readonly value?: unknown; readonly error?: unknown } {
  try {
    return { value: codec.decode(bytes) };
  } catch (error) {
    return { error };
  }
}

/** Seconds as a double, as CBOR has them, keep every millisecond up to here: the year 141,338. */
const MAX_EXACT_DATE = 2 ** 42 * 1000;

const number = fc.double().map((value) => (Object.is(value, -0) ? 0 : value));
const text = fc.string({ unit: 'binary' });
const key = text.filter((name) => name !== '__proto__');
const { value: anything } = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom(null, undefined, true, false, '', NaN, Infinity, -Infinity),
    fc.integer(),
    fc.maxSafeInteger(),
    number,
    text,
    fc.bigInt({ min: -10n, max: 10n }),
    fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
    fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
    // An invalid one is kept too, but Node does not call two of them equal: it has a case of its own.
    fc.date({ min: new Date(-MAX_EXACT_DATE), max: new Date(MAX_EXACT_DATE), noInvalidDate: true }),
    fc.uint8Array(),
    fc.uint8ClampedArray(),
    fc.int8Array(),
    fc.uint16Array(),
    fc.int16Array(),
    fc.uint32Array(),
    fc.int32Array(),
    fc.float32Array(),
    fc.float64Array(),
    fc.bigInt64Array(),
    fc.bigUint64Array(),
  ),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('value')),
    fc.dictionary(key, tie('value'), { noNullPrototype: true }),
    fc.array(fc.tuple(tie('leaf'), tie('value'))).map((entries) => new Map(entries)),
    fc.array(tie('leaf')).map((values) => new Set(values)),
  ),
}));

describe('cborCodec keeps', () => {
  it('every value of JSON', () => {
    const json = fc.jsonValue({ stringUnit: 'binary' }).map(withoutMinusZero);
    fc.assert(
      fc.property(json, (value) => isDeepStrictEqual(kept(value), value)),
      { numRuns: 500 },
    );
  });

  it('every value that CBOR has more: bigint, Date, Map, Set, typed arrays, undefined, in each other', () => {
    fc.assert(
      fc.property(anything, (value) => isDeepStrictEqual(kept(value), value)),
      { numRuns: 1000 },
    );
  });

  it.each<[what: string, value: unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['no text', ''],
    ['an empty array', []],
    ['an empty object', {}],
    ['an empty Map', new Map()],
    ['an empty Set', new Set()],
    ['no bytes', new Uint8Array(0)],
    ['a key without a name', { '': 1 }],
    ['a key that is undefined', { a: undefined }],
    ['NaN', NaN],
    ['Infinity', [Infinity, -Infinity]],
    ['the largest safe integers', [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]],
    ['the smallest and the largest double', [Number.MIN_VALUE, Number.MAX_VALUE]],
    ['small bigints, as bigints', [0n, 1n, -1n, 23n, 24n]],
    ['bigints at the border of 64 bits', [2n ** 63n, 2n ** 64n - 1n, 2n ** 64n, -(2n ** 64n), -(2n ** 64n) - 1n]],
    ['a bigint of 4,096 bits', 2n ** 4096n],
    ['a Date before 1970', new Date(-1)],
    ['a Date with milliseconds', new Date(1_234_567_890_123)],
    [
      'a Map with keys of any kind',
      new Map<unknown, unknown>([
        [1, 'a'],
        ['1', 'b'],
        [2n, 'c'],
        [null, 'd'],
      ]),
    ],
    ['a Map in a Map', new Map([[new Map([[1, 2]]), new Map()]])],
    ['-0 inside a typed array', new Float64Array([-0])],
    ['a regular expression', /a+/gi],
    [
      'keys that objects have by birth',
      JSON.parse('{"constructor":{"prototype":{"x":1}},"toString":1,"hasOwnProperty":2}'),
    ],
    ['70,000 keys', Object.fromEntries(Array.from({ length: 70_000 }, (_, at) => [`k${at}`, at]))],
    ['a megabyte of text', 'é'.repeat(2 ** 20)],
    ['text beyond the basic plane', '😀𐍈'.repeat(50)],
  ])('%s', (_what, value) => {
    expect(isDeepStrictEqual(kept(value), value)).toBe(true);
  });

  it('an invalid Date', () => {
    expect((kept(new Date(NaN)) as Date).getTime()).toBeNaN();
  });

  it('nesting 1,000 deep', () => {
    let deep: unknown = 'bottom';
    for (let depth = 0; depth < 1000; depth += 1) {
      deep = depth % 3 === 0 ? [deep] : depth % 3 === 1 ? { deep } : new Map([['deep', deep]]);
    }
    let back = kept(deep);
    for (let depth = 999; depth >= 0; depth -= 1) {
      if (depth % 3 === 0) [back] = back as unknown[];
      else if (depth % 3 === 1) back = (back as { deep: unknown }).deep;
      else back = (back as Map<string, unknown>).get('deep');
    }
    expect(back).toBe('bottom');
  });

  it.each<[what: string, value: unknown]>([
    ['text', ['__proto__', { a: '__proto__' }]],
    ['a part of a key', { __proto__a: 1, ___proto__: 2, __proto_: 3 }],
    ['a key of a Map', new Map([['__proto__', 1]])],
    ['bytes', Buffer.from('i__proto__', 'latin1')],
  ])('"__proto__" as %s', (_what, value) => {
    expect(isDeepStrictEqual(kept(value), Buffer.isBuffer(value) ? Uint8Array.from(value) : value)).toBe(true);
  });
});

describe('cborCodec does not keep, as documented', () => {
  it.each<[what: string, value: unknown, back: unknown]>([
    ['-0: it becomes 0', -0, 0],
    [
      'the class of an instance',
      new (class Point {
        readonly x = 1;
      })(),
      { x: 1 },
    ],
    ['an object without a prototype', Object.assign(Object.create(null) as object, { a: 1 }), { a: 1 }],
    ['keys that are symbols', { [Symbol('s')]: 1, a: 2 }, { a: 2 }],
    ['the holes of an array: they become undefined', Array.from({ length: 2 }), [undefined, undefined]],
    ['the class Buffer: it becomes a Uint8Array', Buffer.of(1, 2), Uint8Array.of(1, 2)],
    ['an ArrayBuffer: it becomes a Uint8Array', Uint8Array.of(1, 2).buffer, Uint8Array.of(1, 2)],
    ['that two places held one object', ((one) => [one, one])({ a: 1 }), [{ a: 1 }, { a: 1 }]],
  ])('%s', (_what, value, back) => {
    expect(isDeepStrictEqual(kept(value), back)).toBe(true);
  });

  it('lone surrogates: CBOR text is UTF-8, and has none; U+FFFD stands for them', () => {
    const replaced = (value: string): boolean => /^a\ufffd+b$/.test(String(kept(value)).replace(/x*$/, ''));
    expect(replaced('a\ud800b')).toBe(true);
    expect(replaced(`a\udc00b${'x'.repeat(200)}`)).toBe(true);
    expect(kept('\ud83d\ude00')).toBe('😀');
  });

  it('a Date after the year 141,338 to the millisecond: it may come back one off', () => {
    const far = fc.integer({ min: MAX_EXACT_DATE, max: 8_640_000_000_000_000 }).map((time) => new Date(time));
    fc.assert(
      fc.property(far, (date) => {
        expect(Math.abs((kept(date) as Date).getTime() - date.getTime())).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('cborCodec: each record stands alone', () => {
  it('of many records, any one is decoded by a codec that has seen nothing', () => {
    const values = Array.from({ length: 300 }, (_, at) => ({
      type: at % 2 === 0 ? 'SetNodeProperty' : 'CreateNode',
      id: at,
      ...(at % 3 === 0
        ? { key: 'name', value: { text: `value ${at}`, again: [`value ${at}`] } }
        : { labels: ['a', 'b'] }),
    }));
    const payloads = values.map((value) => encoded(value));
    for (const at of [299, 0, 150, 1, 298]) expect(cborCodec<unknown>().decode(payloads[at]!)).toEqual(values[at]);
    // The same bytes, whatever was encoded before.
    expect(payloads.map((payload) => hex(payload))).toEqual(
      values.map((value) => hex(cborCodec().encode(value as never))),
    );
  });

  it.each([
    ['structures', []],
    ['getStructures', () => []],
    ['saveStructures', () => true],
    ['sequential', true],
    ['maxSharedStructures', 10],
    ['pack', true],
  ])('the option %s is refused by name', (name, value) => {
    expect(() => cborCodec({ [name]: value })).toThrow(TypeError);
    expect(() => cborCodec({ [name]: value })).toThrow(new RegExp(`^cborCodec: ${name} makes records share`));
    expect(() => cborCodec({ [name]: undefined })).not.toThrow();
  });

  it('so is any other combination under which a record does not decode alone', () => {
    expect(() => cborCodec({ mapsAsObjects: false })).toThrow(
      'cborCodec: with these options a record does not decode alone',
    );
  });

  it.each([{}, { variableMapSize: true }, { useRecords: true }, { encodeUndefinedAsNil: true }])(
    'other options of cbor-x are taken: %j',
    (options) => {
      const value = { id: 1, list: [{ a: 1 }, { a: 2 }] };
      const writer = cborCodec<unknown>(options);
      const payloads = [1, 2, 3].map(() => encoded(value, writer));
      for (const payload of payloads) expect(cborCodec<unknown>(options).decode(payload)).toEqual(value);
    },
  );

  it('decodes without keeping the bytes: they may be overwritten at once', () => {
    fc.assert(
      fc.property(anything, (value) => {
        const payload = encoded(value);
        const back = codec.decode(payload);
        payload.fill(0xa5);
        return isDeepStrictEqual(back, value);
      }),
    );
    const payload = encoded({
      bytes: new Uint8Array(5000).fill(1),
      doubles: new Float64Array(10).fill(2),
      buffer: Buffer.alloc(20, 3),
    });
    const back = codec.decode(payload) as { bytes: Uint8Array; doubles: Float64Array; buffer: Uint8Array };
    for (const { buffer } of Object.values(back)) expect(buffer).not.toBe(payload.buffer);
  });

  it('decodes a payload from the middle of a larger buffer', () => {
    const value = { numbers: new Float64Array([1.5, 2.5]), text: 'text', bytes: Uint8Array.of(1, 2, 3) };
    const payload = encoded(value);
    for (let shift = 0; shift < 9; shift += 1) {
      const around = new Uint8Array(payload.length + 20).fill(0xff);
      around.set(payload, shift);
      expect(codec.decode(around.subarray(shift, shift + payload.length))).toEqual(value);
    }
  });
});

describe('cborCodec and tags', () => {
  const codec = cborCodec<unknown>();

  it('keeps a bigint of 8,192 bits, and refuses a larger one when it is written', () => {
    const largest = 2n ** 8192n - 1n;
    expect(codec.decode(codec.encode({ largest, negative: -largest }))).toEqual({ largest, negative: -largest });
    expect(() => codec.encode([largest + 1n])).toThrow(WalRecordError);
    expect(() => codec.encode(-largest - 2n)).toThrow('a bigint of more than 1024 bytes');
  });

  it.each([
    ['an error with a name that every object knows', Object.assign(new Error('x'), { name: 'toString' })],
    ['an error with a name that is no text', Object.assign(new Error('x'), { name: 5 as unknown as string })],
  ])('refuses when it is written what could not be read back: %s', (_what, value) => {
    expect(() => codec.encode({ value })).toThrow(WalRecordError);
  });

  it('keeps errors and patterns', () => {
    const back = codec.decode(codec.encode([new TypeError('no'), /a+/gi])) as [Error, RegExp];
    expect([back[0].message, back[1]]).toEqual(['no', /a+/gi]);
  });

  it.each([
    [{ structuredClone: true }, (): unknown => Array(2).fill({ a: 1 })],
    [{ useRecords: true }, (): unknown => [{ a: 1 }, { a: 2 }]],
    [{ bundleStrings: true }, (): unknown => ['some text that is bundled', { key: 'and another text, and another' }]],
  ])('that an option of cbor-x writes are read with that option, and refused without: %j', (options, make) => {
    const own = cborCodec<unknown>(options);
    const bytes = Uint8Array.from(own.encode(make()));
    expect(own.decode(bytes)).toEqual(make());
    expect(() => codec.decode(bytes)).toThrow(`with the option ${Object.keys(options).join()} only`);
  });

  it('of extensions of cbor-x that a program registers are read', () => {
    const tagged = Uint8Array.of(0xd9, 0x27, 0x10, 0x61, 0x78);
    expect(codec.decode(tagged)).toMatchObject({ value: 'x', tag: 10_000 });
  });

  it('in bytes that only look like them do not matter', () => {
    const text = 'Ä'.repeat(3);
    const values = { text, bytes: Uint8Array.of(0xd8, 0x1c, 0xc6, 0xd8, 0x33), list: [text, -1, 1.5, null] };
    expect(codec.decode(codec.encode(values))).toEqual(values);
  });
});

describe('cborCodec refuses', () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  let abyss: unknown = 0;
  for (let depth = 0; depth < 200_000; depth += 1) abyss = [abyss];

  it.each<[what: string, value: unknown, message: RegExp]>([
    ['a function', () => 1, /Unknown type: function/],
    ['a function somewhere in it', { a: [1, { run: () => 1 }] }, /Unknown type: function/],
    ['a symbol', Symbol('s'), /Unknown type: symbol/],
    ['a cycle', cycle, /it refers to itself, or is nested too deep/],
    ['nesting without a bottom', abyss, /it refers to itself, or is nested too deep/],
  ])('%s, with WalRecordError and its cause, and works on', (_what, value, message) => {
    const before = encoded({ before: 1 });
    const error = refusalOf(value);
    expect(error).toBeInstanceOf(WalRecordError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).cause).toBeInstanceOf(Error);
    expect(kept({ after: [1, 'two'] })).toEqual({ after: [1, 'two'] });
    expect(codec.decode(before)).toEqual({ before: 1 });
  });

  it.each<[where: string, value: unknown]>([
    ['at the top', JSON.parse('{"__proto__":{"a":1},"b":2}')],
    ['deep inside', [{ a: [JSON.parse('{"__proto__":1}')] }]],
    ['in a Map', new Map([['a', JSON.parse('{"__proto__":1}')]])],
    ['as the key of a Map', new Map([[JSON.parse('{"__proto__":1}'), 'a']])],
    ['in a Set', new Set([JSON.parse('{"__proto__":null}')])],
    ['behind the text of the same name', ['__proto__', JSON.parse('{"__proto__":1}')]],
  ])('a key "__proto__" %s: cbor-x would read it back as "__proto_"', (_where, value) => {
    const error = refusalOf(value);
    expect(error).toBeInstanceOf(WalRecordError);
    expect((error as Error).message).toContain('"__proto__"');
    expect(kept({ after: 1 })).toEqual({ after: 1 });
  });

  it('what a getter throws', () => {
    const cause = new Error('not today');
    const error = refusalOf({
      get bad() {
        throw cause;
      },
    });
    expect(error).toBeInstanceOf(WalRecordError);
    expect(error).toMatchObject({ message: 'The value cannot be encoded: not today', cause });
  });

  it('a value whose getter encodes another one: both, and nothing of them is in the next', () => {
    let inner: unknown;
    const outer = refusalOf({
      first: 'x'.repeat(50),
      get second() {
        inner = refusalOf({ inner: 1 });
        return codec.encode({ inner: 2 });
      },
    });
    expect(inner).toBeInstanceOf(WalRecordError);
    expect(outer).toBeInstanceOf(WalRecordError);
    expect((outer as Error).message).toBe(
      'A value cannot be encoded while another one is: does a getter of it append?',
    );
    for (let at = 0; at < 50; at += 1) expect(kept({ at, text: 'y'.repeat(at) })).toEqual({ at, text: 'y'.repeat(at) });
  });

  it('the inner value alone, where the getter gets over it', () => {
    const other = cborCodec<unknown>();
    const value = {
      get first() {
        return refusalOf({ inner: 1 }) instanceof WalRecordError ? 'refused' : 'taken';
      },
      get second() {
        expect(() => other.encode(1)).toThrow(WalRecordError);
        return codec.decode(unhex('1864'));
      },
      third: 3,
    };
    expect(kept(value)).toEqual({ first: 'refused', second: 100, third: 3 });
  });

  it('never breaks another value, however the two follow each other', () => {
    const sizes = fc.array(fc.tuple(fc.nat({ max: 9000 }), fc.boolean()), { maxLength: 30 });
    fc.assert(
      fc.property(sizes, (steps) => {
        for (const [size, bad] of steps) {
          const value = { text: 't'.repeat(size), bytes: new Uint8Array(size), last: bad ? () => 1 : size };
          const error = refusalOf(value);
          expect(error instanceof WalRecordError).toBe(bad);
          expect(bad || isDeepStrictEqual(kept(value), value)).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('cborCodec: bytes that it did not write', () => {
  it('are a value or WalRecordError, whatever they are, and the codec works on', () => {
    const good = encoded({ good: [1, 2, 3] });
    const harmed = fc.tuple(anything, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([value, at, mask]) => {
      const payload = encoded(value);
      payload[at % payload.length]! ^= mask;
      return payload;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), harmed), (bytes) => {
        const { error } = decoded(bytes);
        expect(error === undefined || error instanceof WalRecordError).toBe(true);
        expect(codec.decode(good)).toEqual({ good: [1, 2, 3] });
      }),
      { numRuns: 2000 },
    );
  });

  it.each<[what: string, digits: string]>([
    ['nothing', ''],
    ['a value cut short', '83 01 02'],
    ['two values', '01 02'],
    ['an array of 2^32 - 1', '9a ffffffff'],
    ['an array of 2^48', '9b 0001000000000000'],
    ['a map of 2^48', 'bb 0001000000000000'],
    ['text of 2^48 bytes', '7b 0001000000000000'],
    ['nesting without a bottom', '81'.repeat(200_000)],
  ])('%s is refused with WalRecordError, without memory for what it claims', (_what, digits) => {
    const before = process.memoryUsage().arrayBuffers;
    expect(() => codec.decode(unhex(digits))).toThrow(WalRecordError);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20);
  });

  it.each<[what: string, bytes: Uint8Array]>([
    ['a key "__proto__"', cborMap([['__proto__', cborMap([['polluted', [1]]])]])],
    [
      'keys "constructor" and "prototype"',
      cborMap([['constructor', cborMap([['prototype', cborMap([['polluted', [1]]])]])]]),
    ],
    ['a key that is an array', join([0xa1, 0x81], cborText('__proto__'), cborMap([['polluted', [1]]]))],
    ['a Map', join([0xd9, 1, 3], cborMap([['__proto__', cborMap([['polluted', [1]]])]]))],
    [
      'a record definition',
      join([0xd9, 0xdf, 0xff, 0x83, 0x81], cborText('__proto__'), [0x18, 0x64], cborMap([['polluted', [1]]])),
    ],
    [
      'an object of a class by name',
      join([0xd8, 27, 0x82], cborText('eval'), cborText('Object.prototype.polluted = 1')),
    ],
    [
      'an object of Function',
      join([0xd8, 27, 0x82], cborText('constructor'), cborText('Object.prototype.polluted = 1')),
    ],
  ])('%s pollutes no prototype and runs no code', (_what, bytes) => {
    const { value, error } = decoded(bytes);
    expect(error === undefined || error instanceof WalRecordError).toBe(true);
    expect(Object.getPrototypeOf(Object(value))).not.toHaveProperty('polluted');
    expect({}).not.toHaveProperty('polluted');
    expect(Object.prototype).not.toHaveProperty('polluted');
  });
});

function cborText(value: string): Uint8Array {
  const bytes = Buffer.from(value);
  return join(bytes.length < 24 ? [0x60 + bytes.length] : [0x78, bytes.length], bytes);
}

function cborMap(entries: readonly (readonly [key: string, value: Uint8Array | readonly number[]])[]): Uint8Array {
  return join([0xa0 + entries.length], ...entries.map(([key, value]) => join(cborText(key), value)));
}

/** JSON can say -0; CBOR as cbor-x writes it cannot. */
function withoutMinusZero(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (Array.isArray(value)) return value.map(withoutMinusZero);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([name]) => name !== '__proto__');
  return Object.fromEntries(entries.map(([name, inner]) => [name, withoutMinusZero(inner)]));
}
