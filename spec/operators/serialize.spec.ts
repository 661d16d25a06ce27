import fc from 'fast-check';
import { Subject, from, map } from 'rxjs';
import { cborCodec } from '../../src/codec/cborCodec';
import { rawCodec } from '../../src/codec/rawCodec';
import { WalRecordError } from '../../src/errors';
import { frameLsn, framePayload } from '../../src/format/frame';
import { frame } from '../../src/operators/frame';
import { serialize } from '../../src/operators/serialize';
import { virtualTime } from '../../src/testing/virtualTime';
import type { Codec, Frame, Payload, Rejection } from '../../src/types';
import { bytesOf, expectPicture, payloadBytes, payloadOf, textOf } from './helpers';

/** Encodes a letter as its capital; refuses x. */
const codec: Codec<string> = {
  encode: (value) => {
    if (value === 'x') throw new TypeError('no x');
    return bytesOf(value.toUpperCase());
  },
  decode: (payload) => textOf(payload).toLowerCase(),
};
const text = map((payload: Payload) => textOf(payloadBytes(payload)));

describe('serialize', () => {
  it('encodes values; one that cannot be encoded goes to onRejected alone', () => {
    virtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const rejected$ = new Subject<Rejection<string>>();
      const source = hot('   --a--x--b--|');
      const subs = '         ^----------!';
      const expected = '     --A-----B--|';
      const onRejected = '   -----x';

      const result$ = source.pipe(serialize({ codec, onRejected: (rejection) => rejected$.next(rejection) }), text);

      expectObservable(rejected$.pipe(map(({ value }) => value))).toBe(onRejected);
      expectObservable(result$).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subs);
    });
  });

  it('says why a value was not taken, with the cause', () => {
    const rejections: Rejection<string>[] = [];
    expectPicture(serialize({ codec, onRejected: (rejection) => rejections.push(rejection) }), {
      source: '  --x--|',
      expected: '-----|',
    });
    const [{ value, error } = { value: undefined, error: undefined }] = rejections;
    expect(value).toBe('x');
    expect(error).toBeInstanceOf(WalRecordError);
    expect(error).toMatchObject({
      code: 'WAL_RECORD',
      message: 'The value cannot be encoded: no x',
      cause: new TypeError('no x'),
    });
  });

  it.each([
    ['a string', '"a"', 'string'],
    ['nothing', undefined, 'undefined'],
    ['null', null, 'null'],
    ['an ArrayBuffer', new ArrayBuffer(2), 'object'],
    ['a Uint16Array', Uint16Array.of(1), 'object'],
    ['a promise', Promise.resolve(Uint8Array.of(1)), 'object'],
  ])('refuses what a codec gives that is no bytes: %s', (_what, given, type) => {
    const rejections: Rejection<string>[] = [];
    const careless = { ...codec, encode: () => given } as unknown as Codec<string>;
    expectPicture(serialize({ codec: careless, onRejected: (rejection) => rejections.push(rejection) }), {
      source: '  --a--|',
      expected: '-----|',
    });
    expect(rejections.map(({ error }) => error.message)).toEqual([
      `The value cannot be encoded: codec.encode must give a Uint8Array, not ${type}`,
    ]);
  });

  it("hands on the codec's own WalRecordError as it is", () => {
    const own = new WalRecordError('a value of mine');
    const refusing: Codec<string> = {
      ...codec,
      encode: () => {
        throw own;
      },
    };
    const rejections: Rejection<string>[] = [];
    expectPicture(serialize({ codec: refusing, onRejected: (rejection) => rejections.push(rejection) }), {
      source: '  -a-|',
      expected: '---|',
    });
    expect(rejections).toHaveLength(1);
    expect(rejections[0]?.error).toBe(own);
  });

  it('ends at the first refused value where nobody takes rejections', () => {
    expectPicture(serialize({ codec }), {
      source: '  --a--x--b--|',
      subs: '    ^----!',
      expected: '--p--#',
      results: { p: payloadOf(bytesOf('A')) },
      failure: new WalRecordError('The value cannot be encoded: no x', { cause: new TypeError('no x') }),
    });
  });

  it('lets a refused value take no LSN', () => {
    expectPicture(
      (source) =>
        source.pipe(
          serialize({ codec, onRejected: () => undefined }),
          frame({ after: 6 }),
          map(({ lsn }) => String(lsn)),
        ),
      {
        source: '  --a--x--b--|',
        expected: '--7-----8--|',
      },
    );
  });

  it('takes a payload of maxRecordBytes and refuses one of a byte more', () => {
    const rejections: Rejection<string>[] = [];
    expectPicture(
      (source) =>
        source.pipe(
          serialize({ codec, maxRecordBytes: 3, onRejected: (rejection) => rejections.push(rejection) }),
          text,
        ),
      {
        source: '  -a--b-|',
        values: { a: 'abc', b: 'abcd' },
        expected: '-a----|',
        results: { a: 'ABC' },
      },
    );
    expect(rejections).toEqual([
      { value: 'abcd', error: new WalRecordError('The record takes 4 bytes and maxRecordBytes is 3') },
    ]);
  });

  it('takes an empty payload', () => {
    expectPicture((source) => source.pipe(serialize({ codec, maxRecordBytes: 1 }), text), {
      source: '  -a-|',
      values: { a: '' },
      expected: '-a-|',
      results: { a: '' },
    });
  });

  it('holds every record for a commit record by default', () => {
    expectPicture(
      (source) =>
        source.pipe(
          serialize({ codec }),
          map(({ commit }) => commit),
        ),
      {
        source: '  -a-b-|',
        expected: '-t-t-|',
        results: { t: true },
      },
    );
  });

  it('asks isCommit, with the value itself, which records may end a batch', () => {
    expectPicture(
      (source) =>
        source.pipe(
          serialize({ codec, isCommit: (value) => value === 'c' }),
          map(({ commit }) => commit),
        ),
      {
        source: '  -a-c-b-|',
        expected: '-f-t-f-|',
        results: { t: true, f: false },
      },
    );
  });

  it('refuses a value alone on which isCommit throws', () => {
    const isCommit = (value: string): boolean => {
      if (value === 'b') throw new TypeError('no b');
      return true;
    };
    const rejections: Rejection<string>[] = [];
    expectPicture(
      (source) =>
        source.pipe(serialize({ codec, isCommit, onRejected: (rejection) => rejections.push(rejection) }), text),
      {
        source: '  -a-b-c-|',
        expected: '-A---C-|',
      },
    );
    expect(rejections).toEqual([
      {
        value: 'b',
        error: new WalRecordError('isCommit threw: no b', { cause: new TypeError('no b') }),
      },
    ]);
  });

  it("asks isCommit before the codec: what that appends does not come into the codec's memory", () => {
    const memory = new Uint8Array(1);
    const reusing: Codec<string> = {
      encode: (value) => {
        memory.set(bytesOf(value));
        return memory;
      },
      decode: textOf,
    };
    const source$ = new Subject<string>();
    const isCommit = (value: string): boolean => {
      if (value === 'a') source$.next('b');
      return true;
    };
    const seen: string[] = [];
    source$.pipe(serialize({ codec: reusing, isCommit }), text).subscribe((letter) => seen.push(letter));
    source$.next('a');
    expect(seen).toEqual(['b', 'a']);
  });

  it('ends with what onRejected throws', () => {
    const onRejected = (): never => {
      throw new RangeError('full');
    };
    expectPicture((source) => source.pipe(serialize({ codec, onRejected }), text), {
      source: '  -a-x-b-|',
      subs: '    ^--!',
      expected: '-A-#',
      failure: new RangeError('full'),
    });
  });

  it('encodes a value that is pushed in while another one is on its way out', () => {
    const source$ = new Subject<string>();
    const seen: string[] = [];
    source$.pipe(serialize({ codec }), text).subscribe((letter) => {
      seen.push(letter);
      if (letter === 'A') source$.next('b');
    });
    source$.next('a');
    expect(seen).toEqual(['A', 'B']);
  });

  it('encodes a value that onRejected pushes in for the one it was given', () => {
    const source$ = new Subject<string>();
    const seen: string[] = [];
    source$.pipe(serialize({ codec, onRejected: () => source$.next('y') }), text).subscribe((letter) => {
      seen.push(letter);
    });
    for (const value of ['a', 'x', 'b']) source$.next(value);
    expect(seen).toEqual(['A', 'Y', 'B']);
  });

  it('encodes one value', () => {
    expectPicture((source) => source.pipe(serialize({ codec }), text), {
      source: '  --a|',
      subs: '    ^--!',
      expected: '--A|',
    });
  });

  it('is empty where its source is', () => {
    expectPicture(serialize({ codec }), { source: '|', subs: '(^!)', expected: '|' });
  });

  it('never ends where its source never does', () => {
    expectPicture(serialize({ codec }), { source: '-', subs: '^', expected: '-' });
  });

  describe("with the log's own codecs", () => {
    /** Payloads as they come, kept to the end. */
    function kept<T>(codec: Codec<T>, values: readonly T[], maxRecordBytes?: number): Payload[] {
      const payloads: Payload[] = [];
      from(values)
        .pipe(serialize({ codec, maxRecordBytes, onRejected: () => undefined }))
        .subscribe((payload) => payloads.push(payload));
      return payloads;
    }
    const framed = (payload: Payload): [number, number] => [payload.start - 12, payload.end + 4];

    it('lays payloads side by side with room for their frames, and each stays as it is', () => {
      const values = fc.array(
        fc.oneof(
          fc.object({ withDate: true, withBigInt: true, key: fc.string().filter((name) => name !== '__proto__') }),
          fc.string(),
        ),
        {
          maxLength: 40,
        },
      );
      fc.assert(
        fc.property(values, (records) => {
          const payloads = kept(cborCodec<unknown>(), records);
          expect(payloads.map((each) => Buffer.from(payloadBytes(each)).toString('hex'))).toEqual(
            records.map((record) => Buffer.from(cborCodec<unknown>().encode(record)).toString('hex')),
          );
          let end = 0;
          for (const [from, to] of payloads.map(framed)) {
            expect(from).toBe(end);
            end = to;
          }
        }),
      );
    });

    it('takes another buffer where a frame does not fit any more', () => {
      const sizes = [100_000, 100_000, 100_000, 0, 300_000, 1, 262_128, 262_129];
      const records = sizes.map((size, index) => new Uint8Array(size).fill(index));
      const payloads = kept(rawCodec(), records);
      expect(payloads.every((each, index) => Buffer.compare(payloadBytes(each), records[index]!) === 0)).toBe(true);
      expect(payloads).toHaveLength(8);
      for (const { start, end, buffer } of payloads) {
        expect(start).toBeGreaterThanOrEqual(12);
        expect(end + 4).toBeLessThanOrEqual(buffer.length);
      }
    });

    it.each([
      [
        'a `then` that is looked for',
        cborCodec<unknown>(),
        (push: () => void) => ({
          get then() {
            push();
            return undefined;
          },
          outer: 'x'.repeat(30),
        }),
        { inner: 'y' },
      ],
      [
        'a `length` that is asked for',
        rawCodec() as Codec<unknown>,
        (push: () => void) =>
          new (class extends Uint8Array {
            override get length(): number {
              push();
              return this.byteLength;
            }
          })(30),
        Uint8Array.of(1, 2, 3),
      ],
    ])('keeps a value apart that is pushed in by %s in another one', (_what, codec, outer, inner) => {
      const source$ = new Subject<unknown>();
      const frames: Frame[] = [];
      source$.pipe(serialize({ codec }), frame()).subscribe((each) => frames.push(each));
      source$.next(inner);
      let pushes = 0;
      source$.next(
        outer(() => {
          pushes += 1;
          if (pushes === 1) source$.next(inner);
        }),
      );
      source$.next(inner);
      const payloads = frames.map(({ buffer, start, end }) => Buffer.from(framePayload(buffer, start, end)));
      expect(frames.map(({ lsn }) => lsn)).toEqual([1, 2, 3, 4]);
      expect(frames.map(({ buffer, start }) => frameLsn(buffer, start))).toEqual([1, 2, 3, 4]);
      const bytes = Buffer.from(codec.encode(inner));
      expect([payloads[0], payloads[1], payloads[3]]).toEqual([bytes, bytes, bytes]);
      expect(payloads[2]).toEqual(Buffer.from(codec.encode(outer(() => undefined))));
    });

    it('takes the bytes of a subclass and of a Proxy for what they are', () => {
      class Tagged extends Uint8Array {
        constructor(readonly tag: string) {
          super(4);
          this.set([0xde, 0xad, 0xbe, 0xef]);
        }
      }
      const bytes = Uint8Array.of(0xde, 0xad, 0xbe, 0xef);
      const proxy = new Proxy(bytes, { get: (target, key) => Reflect.get(target, key) as unknown });
      const values = [new Tagged('a'), proxy, Buffer.from(bytes), bytes];
      const giving: Codec<Uint8Array> = { encode: (value) => value, decode: (payload) => payload };
      for (const codec of [rawCodec(), giving]) {
        const payloads: Buffer[] = [];
        from(values)
          .pipe(serialize({ codec }), frame())
          .subscribe(({ buffer, start, end }) => payloads.push(Buffer.from(framePayload(buffer, start, end))));
        expect(payloads.map((each) => each.toString('hex'))).toEqual(values.map(() => 'deadbeef'));
      }
    });

    it('leaves no gap where a value was refused', () => {
      const payloads = kept(cborCodec<unknown>(), ['a', 'too long', Promise.resolve(1), 'b'], 4);
      expect(payloads.map(framed)).toEqual([
        [0, 18],
        [18, 36],
      ]);
    });
  });

  it("passes its source's error on", () => {
    expectPicture((source) => source.pipe(serialize({ codec }), text), {
      source: '  -a-#',
      subs: '    ^--!',
      expected: '-A-#',
    });
  });

  it('leaves its source when it is left', () => {
    expectPicture((source) => source.pipe(serialize({ codec }), text), {
      source: '  -a--b--c',
      subs: '    ^----!',
      expected: '-A--B-',
      unsub: '   -----!',
    });
  });
});
