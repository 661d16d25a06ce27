import { Subject, take } from 'rxjs';
import { WalRecordError } from '../../src/errors';
import { entriesOf } from '../../src/reading/entriesOf';
import { crcStart, encodeFrame } from '../../src/format/frame';
import type { StoredRun } from '../../src/reading/storedRun';
import type { Codec } from '../../src/types';
import { LOG_ID, bytesOf, expectPicture, synchronousSource, textOf } from '../operators/helpers';

const crcFrom = crcStart(LOG_ID);
const frame = (lsn: number, text: string): Uint8Array => encodeFrame('record', lsn, bytesOf(text), crcFrom);
const mark = (lsn: number): Uint8Array => encodeFrame('mark', lsn, bytesOf(''), crcFrom);

function run(after: number, lastLsn: number, ...frames: readonly Uint8Array[]): StoredRun {
  const buffer = new Uint8Array(Buffer.concat([bytesOf('before'), ...frames, bytesOf('behind')]));
  return { buffer, start: 6, end: buffer.length - 6, offset: 32, after, lastLsn };
}

/** Texts; refuses an empty one, and counts. */
function textCodec(): Codec<string> & { decoded: number } {
  const codec = {
    decoded: 0,
    encode: bytesOf,
    decode: (payload: Uint8Array) => {
      codec.decoded += 1;
      if (payload.length === 0) throw new TypeError('no text');
      return textOf(payload);
    },
  };
  return codec;
}

describe('entriesOf', () => {
  const a = run(6, 8, frame(7, 'seven'), mark(7), frame(8, 'eight'));
  const b = run(8, 9, frame(9, 'nine'));

  it('decodes the records of each run, one by one, and leaves out marks', () => {
    expectPicture((source) => source.pipe(entriesOf(textCodec())), {
      source: '  --a-----b--|',
      values: { a, b },
      subs: '    ^----------!',
      expected: '--(78)--9--|',
      results: { 7: { lsn: 7, value: 'seven' }, 8: { lsn: 8, value: 'eight' }, 9: { lsn: 9, value: 'nine' } },
    });
  });

  it('leaves out records up to an LSN, without decoding them', () => {
    const codec = textCodec();
    expectPicture((source) => source.pipe(entriesOf(codec, 7)), {
      source: '  a|',
      values: { a },
      expected: '8|',
      results: { 8: { lsn: 8, value: 'eight' } },
    });
    expect(codec.decoded).toBe(1);
  });

  it('ends at a payload that does not decode, behind the entries before it, and names its LSN', () => {
    const { source$, asked } = synchronousSource([run(0, 3, frame(1, 'one'), frame(2, ''), frame(3, 'three')), b]);
    const seen: unknown[] = [];
    source$.pipe(entriesOf(textCodec())).subscribe({
      next: ({ value }) => seen.push(value),
      error: (error: unknown) => seen.push(error),
    });
    expect(seen).toEqual([
      'one',
      new WalRecordError('The record with LSN 2 does not decode (another codec wrote it?): no text'),
    ]);
    expect(asked).toHaveLength(1);
  });

  it('decodes no record that is not wanted', () => {
    const codec = textCodec();
    const { source$, asked } = synchronousSource([a, b]);
    const seen: string[] = [];
    source$.pipe(entriesOf(codec), take(1)).subscribe(({ value }) => seen.push(value));
    expect({ seen, decoded: codec.decoded, asked: asked.length }).toEqual({ seen: ['seven'], decoded: 1, asked: 1 });
  });

  it('stops in the middle of a run when it is left', () => {
    const seen: number[] = [];
    const source$ = new Subject<StoredRun>();
    const subscription = source$.pipe(entriesOf(textCodec())).subscribe(({ lsn }) => {
      seen.push(lsn);
      subscription.unsubscribe();
    });
    source$.next(a);
    expect(seen).toEqual([7]);
    expect(source$.observed).toBe(false);
  });

  it("passes its source's error on", () => {
    expectPicture<StoredRun>((source) => source.pipe(entriesOf(textCodec())), {
      source: '-#',
      values: {},
      expected: '-#',
    });
  });
});
