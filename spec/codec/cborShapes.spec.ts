import { inspect } from 'node:util';
import { Encoder } from 'cbor-x';
import fc from 'fast-check';
import { cborCodec } from '../../src/codec/cborCodec';
import { CborShapes, UNKNOWN } from '../../src/codec/cborShapes';
import { WalRecordError } from '../../src/errors';

/** As `cborCodec()` sets it up. */
const encoder = new Encoder({ useRecords: false, mapsAsObjects: true, copyBuffers: true, tagUint8Array: true });
/** With an option, though it changes nothing: cbor-x alone decodes. */
const bare = cborCodec({ copyBuffers: true });

const encode = (value: unknown): Uint8Array => new Uint8Array(encoder.encode(value));
const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits.replaceAll(' ', ''), 'hex'));
/** A text of up to 23 bytes. */
const text = (value: string): string => {
  const bytes = Buffer.from(value);
  return (0x60 + bytes.length).toString(16) + bytes.toString('hex');
};

/** Everything that can be seen of a value: types, keys in their order, `-0`, dates that are none. */
function seen(value: unknown): string {
  return inspect(value, { depth: Infinity, maxArrayLength: null, maxStringLength: null, showHidden: true });
}

function outcome(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): string {
  try {
    return seen(decode(bytes));
  } catch (error) {
    return error instanceof WalRecordError ? 'refused' : `${String(error)} is no refusal`;
  }
}

let codec = cborCodec();
beforeEach(() => {
  codec = cborCodec();
});

/** What is known is what cbor-x gives, whatever has been decoded before; and a log shows no difference where it is not. */
function expectSame(shapes: CborShapes, bytes: Uint8Array): void {
  const expected = outcome((each) => bare.decode(each), bytes);
  const known = shapes.decode(bytes);
  if (known !== UNKNOWN) expect(seen(known)).toBe(expected);
  // What stands before it and behind it, more of the same above all, is none of its business.
  const around = Buffer.concat([bytes, bytes, bytes]);
  const within = shapes.decode(around, bytes.length, 2 * bytes.length);
  if (within !== UNKNOWN) expect(seen(within)).toBe(expected);
  expect(outcome((each) => codec.decode(each), bytes)).toBe(expected);
}

/** Values that JSON has, and a few that only CBOR has. */
const anything = fc.anything({
  maxDepth: 4,
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withNullPrototype: false,
  key: fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('a', 'b', 'constructor', 'toString', '0', '17', '-1', ''),
  ),
});
const encodable = anything.filter((value) => {
  try {
    encoder.encode(value);
    return true;
  } catch {
    return false;
  }
});
/** Records of a few kinds, as a log has them. */
const record = fc.oneof(
  fc.record({ type: fc.constant('a'), id: fc.nat(), at: fc.double(), who: fc.string({ unit: 'grapheme' }) }),
  fc.record({
    type: fc.constant('b'),
    id: fc.integer(),
    items: fc.array(fc.record({ sku: fc.string(), n: fc.float() })),
  }),
  fc.record(
    { type: fc.constant('a'), id: fc.maxSafeInteger(), ok: fc.boolean(), none: fc.constantFrom(null, undefined) },
    { requiredKeys: [] },
  ),
  fc.dictionary(fc.string(), fc.jsonValue()),
);

describe('CborShapes', () => {
  it('gives what cbor-x gives, whatever the values and whatever came before them', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(record, encodable), { maxLength: 20 }), (values) => {
        const shapes = new CborShapes();
        for (const value of [...values, ...values]) expectSame(shapes, encode(value));
      }),
      { numRuns: 1000 },
    );
  });

  it('gives what cbor-x gives of bytes that were changed, cut or put together, or refuses them as it does', () => {
    const change = fc.record({ at: fc.nat(), byte: fc.nat(255), cut: fc.option(fc.nat(), { freq: 5 }) });
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 4 }),
        fc.array(change, { maxLength: 12 }),
        (values, changes) => {
          const shapes = new CborShapes();
          const payloads = values.map(encode);
          for (const payload of payloads) expectSame(shapes, payload);
          for (const { at, byte, cut } of changes) {
            const bytes = (payloads[at % payloads.length] ?? new Uint8Array(0)).slice();
            bytes[(at >>> 3) % bytes.length] = byte;
            expectSame(shapes, cut === null ? bytes : bytes.slice(0, cut % (bytes.length + 1)));
          }
          for (const payload of payloads) expectSame(shapes, payload);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it.each([27, 28, 31])('remembers no key whose head it does not know: info %i', (info) => {
    const shapes = new CborShapes();
    const malformed = hex(`b9 0001 ${(0x60 | info).toString(16)} 01`);
    for (let time = 0; time < 3; time += 1) expect(shapes.decode(malformed)).toBe(UNKNOWN);
    expect(shapes.decode(hex('b9 0001 60 01'))).toEqual({ '': 1 });
  });

  it('gives what cbor-x gives of any bytes', () => {
    const shapes = new CborShapes();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expectSame(shapes, bytes);
      }),
      { numRuns: 5000 },
    );
  });

  it('gives what cbor-x gives of every single flipped bit of a record', () => {
    const payload = encode({ type: 'order', id: 7, total: 1.5, items: [{ sku: 'ä' }, { sku: 'b' }], done: true });
    const shapes = new CborShapes();
    expectSame(shapes, payload);
    for (let bit = 0; bit < payload.length * 8; bit += 1) {
      const changed = payload.slice();
      changed[bit >>> 3]! ^= 1 << (bit & 7);
      expectSame(shapes, changed);
    }
    for (let cut = 0; cut < payload.length; cut += 1) expectSame(shapes, payload.slice(0, cut));
  });

  it.each<[what: string, digits: string]>([
    ['a key __proto__', `a1 ${text('__proto__')} a1 ${text('polluted')} 01`],
    ['a key __proto__ behind another', `a2 ${text('a')} 01 ${text('__proto__')} a1 ${text('polluted')} 01`],
    ['keys constructor and prototype', `a1 ${text('constructor')} a1 ${text('prototype')} a1 ${text('polluted')} 01`],
    ['a key twice', `a2 ${text('a')} 01 ${text('a')} 02`],
    ['a key twice, with another between', `a3 ${text('a')} 01 ${text('b')} 02 ${text('a')} 03`],
    ['a number for a key', 'a1 01 02'],
    ['a negative number for a key', 'a1 20 02'],
    ['null for a key', 'a1 f6 02'],
    ['a boolean for a key', 'a1 f5 02'],
    ['a list for a key', 'a1 80 02'],
    ['a key of bytes', 'a1 41 61 02'],
    ['keys that are indices, out of order', `a3 ${text('2')} 02 ${text('a')} 00 ${text('1')} 01`],
    ['a key with a longer head than it needs', 'a1 78 01 61 02'],
    ['a key of malformed text', 'a1 61 ff 02'],
    ['a key with a byte order mark', 'a1 64 efbbbf61 02'],
    ['text with a byte order mark', '64 efbbbf61'],
    ['text of malformed UTF-8', '63 e282ff'],
    ['half a surrogate pair', '63 eda080'],
    ['text cut short', '63 6161'],
    ['text that never ends', '7f 61 61 ff'],
    ['a list that never ends', '9f 01 02 ff'],
    ['a map that never ends', 'bf 61 61 01 ff'],
    ['a list longer than its bytes', '9a ffffffff 01'],
    ['a map larger than its bytes', 'ba ffffffff 61 61 01'],
    ['64 bits', '1b 0000000000000001'],
    ['64 bits below zero', '3b 0000000000000001'],
    ['half a float', 'f9 3c00'],
    ['a small float', 'fa 3fc00000'],
    ['minus zero', 'fb 8000000000000000'],
    ['no number', 'fb 7ff8000000000001'],
    ['a float cut short', 'fb 3ff000000000'],
    ['a simple value', 'f8 ff'],
    ['a reserved head', '1c'],
    ['a tag', 'c1 00'],
    ['bytes', '42 0102'],
    ['two values', '01 02'],
    ['nothing', ''],
    ['the smallest number of 32 bits', '3a ffffffff'],
    ['nested sixty-four deep', `${'81'.repeat(64)} 01`],
    ['nested a thousand deep', `${'81'.repeat(1000)} 01`],
    ['nested without a bottom', '81'.repeat(100_000)],
  ])('%s is what it is for cbor-x', (_what, digits) => {
    const shapes = new CborShapes();
    for (let time = 0; time < 3; time += 1) expectSame(shapes, hex(digits));
    expect({}).not.toHaveProperty('polluted');
  });

  it('knows what most records are', () => {
    const shapes = new CborShapes();
    for (const value of [
      { type: 'order', id: 2 ** 32 - 1, at: 1.7e12, name: 'größer', items: [{ sku: 'a', price: 1.5 }, {}], no: null },
      ['a', 1, -1, -300, -70_000, true, false, undefined, [], 'x'.repeat(1000), 'é'.repeat(1000)],
      'text',
      0,
    ]) {
      expect(shapes.decode(encode(value))).toStrictEqual(value);
    }
  });

  it('gives each record values of its own', () => {
    const shapes = new CborShapes();
    const payload = encode({ list: [1], inner: { a: 1 } });
    const one = shapes.decode(payload) as { list: number[]; inner: { a: number } };
    one.list.push(2);
    one.inner.a = 2;
    expect(shapes.decode(payload)).toStrictEqual({ list: [1], inner: { a: 1 } });
  });

  it('keeps nothing of the memory that a payload stood in', () => {
    const shapes = new CborShapes();
    const memory = Buffer.from(encode({ first: 'abc', second: { third: 1 } }));
    expect(shapes.decode(memory)).toStrictEqual({ first: 'abc', second: { third: 1 } });
    const other = Buffer.from(encode({ fifth: 'abd', second: { third: 1 } }));
    other.copy(memory);
    expect(shapes.decode(memory)).toStrictEqual({ fifth: 'abd', second: { third: 1 } });
  });

  it('remembers a bounded number of keys, and knows the rest all the same', () => {
    const shapes = new CborShapes();
    for (let at = 0; at < 20_000; at += 1) {
      const value = { [`key ${at}`]: { [`inner ${at}`]: at } };
      expect(shapes.decode(encode(value))).toStrictEqual(value);
    }
  });

  it('does not look at every payload where it knows none, and at all again where it knows one', () => {
    const shapes = new CborShapes();
    const unknown = encode(new Date(0));
    for (let time = 0; time < 100; time += 1) expect(shapes.decode(unknown)).toBe(UNKNOWN);
    const known = encode({ a: 1 });
    const results = Array.from({ length: 40 }, () => shapes.decode(known));
    expect(results.slice(0, 20)).toContainEqual({ a: 1 });
    expect(results.slice(20)).not.toContain(UNKNOWN);
  });

  it('takes a payload that is no Buffer', () => {
    const value = { name: 'a text of more than thirty-two bytes, which is read otherwise', short: 'thirteen bytes' };
    expect(new CborShapes().decode(encode(value))).toStrictEqual(value);
  });
});
