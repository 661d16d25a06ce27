import { Subject } from 'rxjs';
import { cborCodec } from '../../src/codec/cborCodec';
import { WalRecordError } from '../../src/errors';
import { deserialize } from '../../src/operators/deserialize';
import type { Codec, Entry, StoredFrame } from '../../src/types';
import { bytesOf, expectPicture, stored, textOf } from './helpers';

/** Reads letters; refuses x. */
const codec: Codec<string> = {
  encode: bytesOf,
  decode: (payload) => {
    const text = textOf(payload);
    if (text === 'x') throw new TypeError('no x');
    return text;
  },
};
const frames = {
  7: stored('record', 7, bytesOf('a')),
  8: stored('record', 8, bytesOf('b')),
  m: stored('mark', 7),
  k: stored('checkpoint', 7, bytesOf('not of this codec: x')),
  x: stored('record', 8, bytesOf('x')),
};
const entries = { a: { lsn: 7, value: 'a' }, b: { lsn: 8, value: 'b' } };

describe('deserialize', () => {
  it('turns record frames into entries, and leaves marks out', () => {
    expectPicture(deserialize(codec), {
      source: '  --7--m--8--|',
      values: frames,
      subs: '    ^----------!',
      expected: '--a-----b--|',
      results: entries,
    });
  });

  it('leaves checkpoints out', () => {
    expectPicture(deserialize(codec), {
      source: '  --7--k--8--|',
      values: frames,
      expected: '--a-----b--|',
      results: entries,
    });
  });

  it('is empty for a source of marks alone', () => {
    expectPicture(deserialize(codec), { source: '--m--k--|', values: frames, expected: '--------|' });
  });

  it('gives the codec the payload alone', () => {
    const seen: number[][] = [];
    const spying: Codec<string> = {
      ...codec,
      decode: (payload) => {
        seen.push([...payload]);
        return '';
      },
    };
    expectPicture(deserialize(spying), {
      source: '  -7|',
      values: frames,
      expected: '-a|',
      results: { a: { lsn: 7, value: '' } },
    });
    expect(seen).toEqual([[0x61]]);
  });

  it('decodes undefined and null as values like any other', () => {
    const cbor = cborCodec<unknown>();
    expectPicture(deserialize(cbor), {
      source: '  -u-n-|',
      values: {
        u: stored('record', 1, cbor.encode(undefined).slice()),
        n: stored('record', 2, cbor.encode(null).slice()),
      },
      expected: '-u-n-|',
      results: { u: { lsn: 1, value: undefined }, n: { lsn: 2, value: null } },
    });
  });

  it('ends with a WalRecordError that names the LSN at a payload that does not decode', () => {
    expectPicture(deserialize(codec), {
      source: '  --7--x--8--|',
      values: frames,
      subs: '    ^----!',
      expected: '--a--#',
      results: entries,
      failure: new WalRecordError('The record with LSN 8 does not decode (another codec wrote it?): no x', {
        cause: new TypeError('no x'),
      }),
    });
  });

  it('decodes a frame that is pushed in while an entry is on its way out', () => {
    const source$ = new Subject<StoredFrame>();
    const seen: Entry<string>[] = [];
    source$.pipe(deserialize(codec)).subscribe((entry) => {
      seen.push(entry);
      if (entry.lsn === 7) source$.next(frames[8]);
    });
    source$.next(frames[7]);
    expect(seen).toEqual([entries.a, entries.b]);
  });

  it('is empty where its source is', () => {
    expectPicture(deserialize(codec), { source: '|', subs: '(^!)', expected: '|' });
  });

  it('never ends where its source never does', () => {
    expectPicture(deserialize(codec), { source: '-', subs: '^', expected: '-' });
  });

  it("passes its source's error on", () => {
    expectPicture(deserialize(codec), {
      source: '  -7-#',
      values: frames,
      subs: '    ^--!',
      expected: '-a-#',
      results: entries,
    });
  });

  it('leaves its source when it is left', () => {
    expectPicture(deserialize(codec), {
      source: '  -7--8--',
      values: frames,
      subs: '    ^--!',
      expected: '-a--',
      results: entries,
      unsub: '   ---!',
    });
  });
});
