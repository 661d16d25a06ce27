import fc from 'fast-check';
import { cborCodec } from '../../src/codec/cborCodec';
import { decodeWithin, encodeWithin, isInPlaceCodec } from '../../src/codec/inPlaceCodec';
import { rawCodec } from '../../src/codec/rawCodec';
import { WalRecordError } from '../../src/errors';
import type { Codec } from '../../src/types';

const ROOM = 4096;
const START = 7;

/** What the codec has written in place, or that it leaves the value to `encode`; nothing stands outside. */
function within<T>(codec: Codec<T>, value: T): Uint8Array | 'for encode' {
  if (!isInPlaceCodec(codec)) throw new Error('not in place');
  const memory = new Uint8Array(START + ROOM + START).fill(0xee);
  const end = codec[encodeWithin](value, memory.subarray(0, START + ROOM), START);
  expect(new Set(memory.subarray(0, START))).toEqual(new Set([0xee]));
  expect(new Set(memory.subarray(START + ROOM))).toEqual(new Set([0xee]));
  return end < 0 ? 'for encode' : memory.slice(START, end);
}

function refusalOf(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

describe('in place', () => {
  it('cborCodec writes what encode gives, or leaves it to that', () => {
    const codec = cborCodec<unknown>();
    const anything = fc.oneof(
      fc.anything({ withDate: true, withMap: true, withBigInt: true }),
      fc.object(),
      fc.string(),
    );
    let written = 0;
    fc.assert(
      fc.property(anything, (value) => {
        const there = within(codec, value);
        if (there === 'for encode') return;
        written += 1;
        expect(Buffer.from(there).toString('hex')).toBe(Buffer.from(codec.encode(value)).toString('hex'));
      }),
      { numRuns: 500 },
    );
    expect(written).toBeGreaterThan(100);
  });

  it('cborCodec leaves all to encode where an option may change the bytes', () => {
    for (const options of [{ tagUint8Array: false }, { variableMapSize: true }]) {
      expect(within(cborCodec<unknown>(options), { a: 1.5 })).toBe('for encode');
    }
  });

  it("is not done for what is made of a codec of the log's: its own functions count", () => {
    const encode = (): Uint8Array => Uint8Array.of(1);
    for (const own of [cborCodec<unknown>(), rawCodec() as Codec<unknown>]) {
      expect(isInPlaceCodec(own)).toBe(true);
      const wrapped = new Proxy(own, {});
      for (const other of [
        { ...own, encode },
        Object.assign(Object.create(own), { encode }),
        wrapped,
      ] as Codec<unknown>[]) {
        expect(isInPlaceCodec(other)).toBe(false);
      }
      expect(wrapped.decode(wrapped.encode(Uint8Array.of(7)))).toEqual(Uint8Array.of(7));
      expect(isInPlaceCodec(Object.assign(own, { encode }))).toBe(false);
    }
  });

  it('rawCodec copies the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: ROOM }), (bytes) => {
        expect(within(rawCodec(), bytes)).toEqual(bytes);
      }),
    );
  });

  it('leaves to encode what does not fit', () => {
    expect(within(rawCodec(), new Uint8Array(ROOM))).toHaveLength(ROOM);
    expect(within(rawCodec(), new Uint8Array(ROOM + 1))).toBe('for encode');
    expect(within(cborCodec<unknown>(), 'a'.repeat(ROOM - 3))).toHaveLength(ROOM);
    expect(within(cborCodec<unknown>(), 'a'.repeat(ROOM - 2))).toBe('for encode');
  });

  it('leaves to encode what that refuses, or refuses it itself with the same words', () => {
    const codec = cborCodec<unknown>();
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    const appending = {
      get now(): Uint8Array {
        return codec.encode('another');
      },
    };
    const throwing = {
      get now(): never {
        throw new RangeError('not today');
      },
    };
    for (const value of [
      Promise.resolve(1),
      cycle,
      appending,
      throwing,
      Symbol('s'),
      () => 1,
      JSON.parse('{ "__proto__": 1 }'),
      1n << 9000n,
    ]) {
      const refused = refusalOf(() => codec.encode(value));
      expect(refused).toBeInstanceOf(WalRecordError);
      const there = refusalOf(() => within(codec, value));
      expect(['for encode', refused]).toContainEqual(there);
      // It can be used as before.
      expect(within(codec, 'a')).toEqual(Uint8Array.of(0x61, 0x61));
    }
    expect(within(rawCodec(), 'text' as unknown as Uint8Array)).toBe('for encode');
  });

  it('gives back what stands there, in memory of its own', () => {
    const memory = Uint8Array.of(9, 0x61, 0x62, 9);
    const raw = rawCodec();
    const cbor = cborCodec<unknown>();
    if (!isInPlaceCodec(raw) || !isInPlaceCodec(cbor)) throw new Error('not in place');
    const bytes = raw[decodeWithin](memory, 1, 3);
    expect(cbor[decodeWithin](memory, 1, 3)).toBe('b');
    memory.fill(0);
    expect(bytes).toEqual(Uint8Array.of(0x61, 0x62));
  });
});
