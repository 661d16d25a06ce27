import fc from 'fast-check';
import { Subject, from, map, take, toArray } from 'rxjs';
import { cborCodec } from '../../src/codec/cborCodec';
import { rawCodec } from '../../src/codec/rawCodec';
import { WalCorruptError, WalRecordError } from '../../src/errors';
import { crcStart, encodeFrame, framePayload } from '../../src/format/frame';
import { Group, group } from '../../src/group';
import { batch } from '../../src/operators/batch';
import { checksum } from '../../src/operators/checksum';
import { deserialize } from '../../src/operators/deserialize';
import { frame } from '../../src/operators/frame';
import { serialize } from '../../src/operators/serialize';
import { unframe } from '../../src/operators/unframe';
import { verify } from '../../src/operators/verify';
import { entriesOf } from '../../src/reading/entriesOf';
import type { Batch, Codec, Entry, Frame, Payload, Rejection, StoredFrame } from '../../src/types';
import { groupPayload, hex } from '../support/bytes';
import { LOG_ID, bytesOf, expectPicture, payloadBytes, stored, textOf } from './helpers';

/** Encodes a letter as its capital; refuses x. */
const codec: Codec<string> = {
  encode: (value) => {
    if (value === 'x') throw new TypeError('no x');
    return bytesOf(value.toUpperCase());
  },
  decode: (payload) => {
    const text = textOf(payload);
    if (text === 'X') throw new TypeError('no X');
    return text.toLowerCase();
  },
};

const letters = { a: 'a', g: group(['b', 'c', 'd']), e: 'e', h: group(['b', 'x', 'd']), s: group(['f']) };
const shown = map(({ buffer, start, end, records }: Payload) => `${records ?? 1}:${hex(buffer.subarray(start, end))}`);
const G = `3:${hex(groupPayload('B', 'C', 'D'))}`;

describe('group', () => {
  it('reads what it is given to the end, at once', () => {
    function* values(): Generator<number> {
      yield 1;
      yield 2;
    }
    expect(group(values())).toEqual(new Group([1, 2]));
    expect(group(new Set([1, undefined])).values).toEqual([1, undefined]);
  });

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'values must be iterable, not undefined'],
    ['null', null, 'values must be iterable, not null'],
    ['a number', 7, 'values must be iterable, not number'],
    ['an object', {}, 'values must be iterable, not object'],
    ['no value', [], 'values must be at least one, not none: a group without a record has no ack'],
  ])('refuses %s', (_what, values, message) => {
    expect(() => group(values as string[])).toThrow(new TypeError(message));
  });

  it('throws on what the iterable throws', () => {
    const failure = new Error('no more');
    const values = from([]) as unknown;
    expect(() => group(values as string[])).toThrow(TypeError);
    expect(() =>
      group({
        [Symbol.iterator]: () => {
          throw failure;
        },
      }),
    ).toThrow(failure);
  });
});

describe('serialize, of groups', () => {
  it('makes one payload of each; one value in it that cannot be encoded refuses it whole', () => {
    const rejections: Rejection<string>[] = [];
    const onRejected = (rejection: Rejection<string>): void => void rejections.push(rejection);
    expectPicture<string | Group<string>>((source) => source.pipe(serialize({ codec, onRejected }), shown), {
      source: '  -a-g-h-e-|',
      values: letters,
      subs: '    ^--------!',
      expected: '-A-G---E-|',
      results: { A: `1:${hex(bytesOf('A'))}`, G, E: `1:${hex(bytesOf('E'))}` },
    });
    expect(rejections).toEqual([{ value: 'b', group: ['b', 'x', 'd'], error: expect.any(WalRecordError) }]);
    expect(rejections[0]!.error.message).toBe('Value 1 of a group of 3: The value cannot be encoded: no x');
  });

  it('ends at the first refused group where nobody takes rejections', () => {
    expectPicture<string | Group<string>>((source) => source.pipe(serialize({ codec }), shown), {
      source: '  -g-h-e-|',
      values: letters,
      subs: '    ^--!',
      expected: '-G-#',
      results: { G },
      failure: new WalRecordError('Value 1 of a group of 3: The value cannot be encoded: no x', {
        cause: new TypeError('no x'),
      }),
    });
  });

  it('is left with its subscriber', () => {
    expectPicture<string | Group<string>>((source) => source.pipe(serialize({ codec }), shown), {
      source: '  -g-g-g-|',
      values: letters,
      unsub: '   --!',
      subs: '    ^-!',
      expected: '-G------',
      results: { G },
    });
  });

  it('makes a plain record of a group of one', () => {
    expectPicture<string | Group<string>>((source) => source.pipe(serialize({ codec }), shown), {
      source: '  -s-|',
      values: letters,
      expected: '-F-|',
      results: { F: `1:${hex(bytesOf('F'))}` },
    });
  });

  it.each([
    [['b', 'c'], false],
    [['b', 'C', 'd'], true],
    [['C'], true],
  ])('a group is a commit record if any of its values is: %j', (values, commit) => {
    const isCommit = (value: string): boolean => value === 'C';
    const seen: boolean[] = [];
    from([group(values)])
      .pipe(serialize({ codec, isCommit }))
      .subscribe((payload) => seen.push(payload.commit));
    expect(seen).toEqual([commit]);
  });

  it('says at which value isCommit threw', () => {
    const isCommit = (value: string): boolean => {
      if (value === 'c') throw new Error('what is c?');
      return false;
    };
    const rejections: Rejection<string>[] = [];
    from([group(['b', 'c'])])
      .pipe(serialize({ codec, isCommit, onRejected: (rejection) => rejections.push(rejection) }))
      .subscribe();
    expect(rejections.map(({ error }) => error.message)).toEqual([
      'Value 1 of a group of 2: isCommit threw: what is c?',
    ]);
  });

  it.each([
    ['a codec of its own memory', { ...rawCodec() }],
    ['a codec that encodes in place', rawCodec()],
  ])('limits the group as a whole, and names size, limit and number: %s', (_what, raw) => {
    const messages: string[] = [];
    const taken: number[] = [];
    // 4 for the number, and 4 + 100 for each: 1,044 bytes.
    const values = Array.from({ length: 10 }, () => new Uint8Array(100));
    for (const maxRecordBytes of [1044, 1043, 3]) {
      const onRejected = ({ error }: Rejection<Uint8Array>): void => void messages.push(error.message);
      from([group(values)])
        .pipe(serialize({ codec: raw, maxRecordBytes, onRejected }))
        .subscribe((payload) => taken.push(payloadBytes(payload).length));
    }
    expect(taken).toEqual([1044]);
    expect(messages).toEqual([
      'The group of 10 values takes 1044 bytes and maxRecordBytes is 1043',
      'The group of 10 values takes 1044 bytes and maxRecordBytes is 3',
    ]);
  });

  it('grows with its values, in place and copied, and begins anew with each group', () => {
    const plain = cborCodec<unknown>();
    const values = Array.from({ length: 3000 }, (_, index) =>
      index % 7 === 0 ? new Map([[index, 'x'.repeat(index)]]) : { index, text: 'y'.repeat(index % 50) },
    );
    const expected = (of: readonly unknown[]): string =>
      hex(groupPayload(...of.map((value) => plain.encode(value).slice())));
    const seen: string[] = [];
    from([group(values), group([1, 2]), group(values.slice(0, 100))])
      .pipe(serialize({ codec: cborCodec<unknown>() }))
      .subscribe((payload) => seen.push(hex(payloadBytes(payload))));
    expect(seen).toEqual([expected(values), expected([1, 2]), expected(values.slice(0, 100))]);
  });

  it('a value, or a group, that is pushed in from within comes before it', () => {
    const source$ = new Subject<string | Group<string>>();
    const pushing: Codec<string> = {
      ...codec,
      encode: (value) => {
        if (value === '1') source$.next('a');
        if (value === '2') source$.next(group(['i', 'j']));
        return codec.encode(value);
      },
    };
    const seen: string[] = [];
    source$.pipe(serialize({ codec: pushing }), frame()).subscribe(({ lsn, buffer, start, end }) => {
      seen.push(`${lsn}: ${hex(framePayload(buffer, start, end))}`);
    });
    source$.next(group(['b', '1', '2', 'c']));
    expect(seen).toEqual([
      `1: ${hex(bytesOf('A'))}`,
      `2: ${hex(groupPayload('I', 'J'))}`,
      `4: ${hex(groupPayload('B', '1', '2', 'C'))}`,
    ]);
  });
});

describe('frame and batch, of groups', () => {
  const inputs = { A: payload('A'), G: { ...payload('three'), records: 3 }, C: payload('C') };

  it('gives a group as many LSNs as it has records, and its frame the first of them', () => {
    const said = map(({ kind, lsn, records }: Frame) => `${kind} ${lsn} ${records}`);
    expectPicture<Payload>((source) => source.pipe(frame({ after: 6 }), said), {
      source: '  -A-G-C-|',
      values: inputs,
      subs: '    ^------!',
      expected: '-a-g-c-|',
      results: { a: 'record 7 undefined', g: 'group 8 3', c: 'record 11 undefined' },
    });
  });

  it('a batch counts its records, and is never split inside one', () => {
    const said = map(({ records, firstLsn, lastLsn, reason }: Batch) => `${records}: ${firstLsn}-${lastLsn} ${reason}`);
    const options = { durability: { mode: 'batch', maxDelayMs: 100, maxRecords: 4 } } as const;
    expectPicture<Payload>((source) => source.pipe(frame(), batch(options), said), {
      source: '  -A-G-C-G-|',
      values: inputs,
      expected: '---x---y-|',
      results: { x: '4: 1-4 count', y: '4: 5-8 count' },
    });
  });
});

describe('reading groups', () => {
  const g = stored('group', 8, groupPayload('B', 'C', 'D'));
  const frames = {
    7: stored('record', 7, bytesOf('A')),
    g,
    m: stored('mark', 10),
    n: stored('mark', 11),
    e: stored('record', 11, bytesOf('E')),
    x: stored('group', 8, groupPayload('B', 'X', 'D')),
    o: stored('group', 8, Uint8Array.from([...groupPayload('B', 'C'), 0])),
    p: stored('group', 9, groupPayload('B', 'C')),
    0: stored('group', 8, groupPayload()),
  };
  const entry = (lsn: number, value: string): Entry<string> => ({ lsn, value });
  const entries = { a: entry(7, 'a'), b: entry(8, 'b'), c: entry(9, 'c'), d: entry(10, 'd'), e: entry(11, 'e') };

  it('deserialize gives an entry for each record', () => {
    expectPicture<StoredFrame>(deserialize(codec), {
      source: '  -7-g----m-e-|',
      values: frames,
      subs: '    ^-----------!',
      expected: '-a-(bcd)--e-|',
      results: entries,
    });
  });

  it('deserialize names the LSN of a record in a group that does not decode', () => {
    expectPicture<StoredFrame>(deserialize(codec), {
      source: '  -7-x-e-|',
      values: frames,
      subs: '    ^--!',
      expected: '-a-(b#)',
      results: entries,
      failure: new WalRecordError('The record with LSN 9 does not decode (another codec wrote it?): no X', {
        cause: new TypeError('no X'),
      }),
    });
  });

  it('deserialize decodes no more of a group than is wanted', () => {
    const decoded: string[] = [];
    const spying = { ...codec, decode: (bytes: Uint8Array) => `${decoded.push(textOf(bytes))}` };
    const seen: unknown[] = [];
    from([g])
      .pipe(deserialize(spying), take(2))
      .subscribe((one) => seen.push(one));
    expect(seen).toEqual([entry(8, '1'), entry(9, '2')]);
    expect(decoded).toEqual(['B', 'C']);
  });

  it('deserialize lets a frame wait that is pushed in while a group is on its way out', () => {
    const source$ = new Subject<StoredFrame>();
    const seen: number[] = [];
    source$.pipe(deserialize(codec)).subscribe(({ lsn }) => {
      seen.push(lsn);
      if (lsn === 8) {
        source$.next(frames.e);
        source$.complete();
      }
    });
    source$.next(g);
    expect(seen).toEqual([8, 9, 10, 11]);
  });

  it('deserialize fails with its source', () => {
    expectPicture<StoredFrame>(deserialize(codec), {
      source: '  -g----#',
      values: frames,
      expected: '-(bcd)#',
      results: entries,
    });
  });

  it.each<[string, string, string, string | undefined]>([
    ['lets a group through, and what follows its last record', '-7-g-m-e-|', '-7-g-m-e-|', undefined],
    [
      'refuses a mark behind its last record',
      '-7-g-n-e-|',
      '-7-g-#',
      'a mark proves that LSN 11 was durable, and it is not there',
    ],
    ['refuses a group whose records do not fit it', '-7-o-e-|', '-7-#', 'the records of a group do not fit its length'],
    ['refuses a group of none', '-7-0-e-|', '-7-#', 'the records of a group do not fit its length'],
    ['refuses a group that is not the next', '-7-p-e-|', '-7-#', 'LSN 9 stands there'],
    ['refuses what does not follow its last record', '-7-g-7-|', '-7-g-#', 'LSN 7 stands there'],
  ])('verify %s', (_what, source, expected, reason) => {
    const lsn = expected.includes('g') ? 11 : 8;
    const failure =
      reason === undefined ? undefined : new WalCorruptError({ file: 'segment', offset: 32, lsn, reason });
    expectPicture<StoredFrame>(verify({ logId: LOG_ID, after: 6 }), {
      source,
      values: frames,
      expected,
      results: frames,
      failure,
    });
  });

  it.each([
    [undefined, 10, [8, 9, 10]],
    [8, 10, [9, 10]],
    [undefined, 9, [8, 9]],
    [8, 9, [9]],
    [10, 10, []],
  ])('entriesOf begins after %p and ends with %p, also inside a group', (after, lastLsn, expected) => {
    const run = { buffer: g.buffer, start: 0, end: g.end, offset: 32, after: 7, lastLsn };
    const seen: number[] = [];
    from([run])
      .pipe(entriesOf(codec, after))
      .subscribe(({ lsn }) => seen.push(lsn));
    expect(seen).toEqual(expected);
  });

  it('what a line by hand writes is read back by hand, cut anywhere', () => {
    const value = fc.string({ maxLength: 12 });
    const input = fc.oneof(value, fc.array(value, { minLength: 1, maxLength: 5 }).map(group));
    fc.assert(
      fc.property(fc.array(input, { maxLength: 12 }), fc.array(fc.nat(300), { maxLength: 6 }), (inputs, cuts) => {
        const pieces: Uint8Array[] = [];
        from(inputs)
          .pipe(serialize<string>({ codec: cborCodec() }), frame({ after: 4 }), checksum(LOG_ID))
          .subscribe(({ buffer, start, end }) => pieces.push(buffer.slice(start, end)));
        const bytes = Buffer.concat(pieces);
        const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort((a, b) => a - b);
        const chunks = places.slice(1).map((to, index) => new Uint8Array(bytes.subarray(places[index], to)));
        let read: Entry<string>[] = [];
        from(chunks)
          .pipe(unframe({ after: 4 }), verify({ logId: LOG_ID, after: 4 }), deserialize(cborCodec<string>()), toArray())
          .subscribe((all) => (read = all));
        const values = inputs.flatMap((one) => (one instanceof Group ? one.values : [one]));
        expect(read).toEqual(values.map((one, index) => ({ lsn: 5 + index, value: one })));
      }),
    );
  });

  it('knows a group by its checksum as any other frame', () => {
    expect(hex(encodeFrame('group', 8, groupPayload('B', 'C', 'D'), crcStart(LOG_ID)))).toBe(hex(g.buffer));
  });
});

function payload(text: string): Payload {
  const buffer = bytesOf(text);
  return { buffer, start: 0, end: buffer.length, commit: true };
}
