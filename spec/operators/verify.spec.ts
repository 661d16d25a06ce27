import { Subject, from, map } from 'rxjs';
import fc from 'fast-check';
import { WalCorruptError } from '../../src/errors';
import { crcStart, encodeFrame } from '../../src/format/frame';
import { checksum } from '../../src/operators/checksum';
import { deserialize } from '../../src/operators/deserialize';
import { frame } from '../../src/operators/frame';
import { serialize } from '../../src/operators/serialize';
import { unframe } from '../../src/operators/unframe';
import { verify } from '../../src/operators/verify';
import { rawCodec } from '../../src/codec/rawCodec';
import type { Entry, StoredFrame } from '../../src/types';
import { FOREIGN_LOG_ID, LOG_ID, bytesOf, expectPicture, shown, stored } from './helpers';

const frames = {
  7: stored('record', 7, bytesOf('a'), { offset: 32 }),
  8: stored('record', 8, bytesOf('b'), { offset: 49 }),
  m: stored('mark', 8, bytesOf(''), { offset: 66 }),
  k: stored('checkpoint', 8, bytesOf('k'), { offset: 66 }),
  9: stored('record', 9, bytesOf('c'), { offset: 82 }),
  n: stored('mark', 9, bytesOf(''), { offset: 66 }),
  f: stored('record', 8, bytesOf('b'), { offset: 49, logId: FOREIGN_LOG_ID }),
};

const crcFrom = crcStart(LOG_ID);
/** A small segment of all kinds, frame by frame; the first is as close to zeros as a frame can be. */
const segment = [
  { bytes: encodeFrame('record', 1, bytesOf(''), crcFrom), lsn: 1 },
  { bytes: encodeFrame('record', 2, bytesOf('two'), crcFrom), lsn: 2 },
  { bytes: encodeFrame('mark', 2, bytesOf(''), crcFrom), lsn: 3 },
  { bytes: encodeFrame('checkpoint', 2, bytesOf('{}'), crcFrom), lsn: 3 },
  { bytes: encodeFrame('record', 3, bytesOf('three'), crcFrom), lsn: 3 },
  { bytes: encodeFrame('mark', 3, bytesOf(''), crcFrom), lsn: 4 },
];
const segmentShown = [
  'record 1 "" at 32',
  'record 2 "two" at 48',
  'mark 2 "" at 67',
  'checkpoint 2 "{}" at 83',
  'record 3 "three" at 101',
  'mark 3 "" at 122',
];

interface Outcome {
  readonly frames: readonly string[];
  readonly error: unknown;
}

/** Reads bytes as recovery does. */
function readBack(parts: readonly Uint8Array[], { logId = LOG_ID, after = 0 } = {}): Outcome {
  const size = 32 + parts.reduce((sum, { length }) => sum + length, 0);
  const seen: string[] = [];
  let error: unknown;
  from(parts)
    .pipe(unframe({ size, after }), verify({ logId, after }))
    .subscribe({
      next: (each) => seen.push(shown(each)),
      error: (failure: unknown) => {
        error = failure;
      },
    });
  return { frames: seen, error };
}

function corrupt(offset: number, lsn: number, reason: string, file = 'segment'): WalCorruptError {
  return new WalCorruptError({ file, offset, lsn, reason });
}

describe('verify', () => {
  it('lets through the frames that are what they should be', () => {
    expectPicture(verify({ logId: LOG_ID, after: 6 }), {
      source: '  --7--8--m--9--|',
      values: frames,
      subs: '    ^-------------!',
      expected: '--7--8--m--9--|',
      results: frames,
    });
  });

  it('ends where a record is gone', () => {
    expectPicture(verify({ logId: LOG_ID, after: 6 }), {
      source: '  --7--9--------|',
      values: frames,
      subs: '    ^----!',
      expected: '--7--#',
      results: frames,
      failure: corrupt(82, 8, 'LSN 9 stands there'),
    });
  });

  it('expects LSN 1 first by default', () => {
    expectPicture(verify({ logId: LOG_ID }), {
      source: '  --7--|',
      values: frames,
      expected: '--#',
      failure: corrupt(32, 1, 'LSN 7 stands there'),
    });
  });

  it('ends where a record comes twice', () => {
    expectPicture(verify({ logId: LOG_ID, after: 6 }), {
      source: '  --7--7--8--|',
      values: frames,
      expected: '--7--#',
      results: frames,
      failure: corrupt(32, 8, 'LSN 7 stands there'),
    });
  });

  it('ends at the first of two records that have changed places', () => {
    expectPicture(verify({ logId: LOG_ID, after: 6 }), {
      source: '  --8--7--9--|',
      values: frames,
      expected: '--#',
      failure: corrupt(49, 7, 'LSN 8 stands there'),
    });
  });

  it('ends at a frame of another log', () => {
    expectPicture(verify({ logId: LOG_ID, after: 6, file: 'wal_00000003.log' }), {
      source: '  --7--f--9--|',
      values: frames,
      expected: '--7--#',
      results: frames,
      failure: corrupt(49, 8, "a frame's checksum does not match", 'wal_00000003.log'),
    });
  });

  it('ends at a mark that names a record that is not there', () => {
    expectPicture(verify({ logId: LOG_ID, after: 6 }), {
      source: '  --7--8--n--|',
      values: frames,
      expected: '--7--8--#',
      results: frames,
      failure: corrupt(66, 9, 'a mark proves that LSN 9 was durable, and it is not there'),
    });
  });

  it('ends at a checkpoint of a record that is not there', () => {
    expectPicture(verify({ logId: LOG_ID, after: 6 }), {
      source: '  --7--k--|',
      values: frames,
      expected: '--7--#',
      results: frames,
      failure: corrupt(66, 8, 'a checkpoint proves that LSN 8 was durable, and it is not there'),
    });
  });

  it('lets a mark or a checkpoint through that names a record before the last', () => {
    expectPicture(verify({ logId: LOG_ID, after: 8 }), {
      source: '  --9--m--k--m--|',
      values: frames,
      expected: '--9--m--k--m--|',
      results: frames,
    });
  });

  it('begins anew for each subscriber', () => {
    const operator = verify({ logId: LOG_ID, after: 6 });
    for (let time = 0; time < 2; time += 1) {
      expectPicture(operator, { source: '7|', values: frames, expected: '7|', results: frames });
    }
  });

  describe('over the bytes of a segment', () => {
    it('lets them all through as they are', () => {
      expect(readBack(segment.map(({ bytes }) => bytes))).toEqual({ frames: segmentShown, error: undefined });
    });

    it('refuses every single flipped bit, at the frame in which it is', () => {
      let offset = 32;
      for (const [index, { bytes, lsn }] of segment.entries()) {
        for (let bit = 0; bit < bytes.length * 8; bit += 1) {
          const damaged = segment.map((each) => each.bytes.slice());
          damaged[index]![bit >>> 3]! ^= 1 << (bit & 7);
          const outcome = readBack(damaged);
          expect(outcome.frames).toEqual(segmentShown.slice(0, index));
          expect(outcome.error).toBeInstanceOf(WalCorruptError);
          expect(outcome.error).toMatchObject({ offset, lsn });
        }
        offset += bytes.length;
      }
    });

    it('refuses every byte that was zeroed', () => {
      for (const [index, { bytes }] of segment.entries()) {
        for (const [at, byte] of bytes.entries()) {
          if (byte === 0) continue;
          const damaged = segment.map((each) => each.bytes.slice());
          damaged[index]![at] = 0;
          const outcome = readBack(damaged);
          expect(outcome.frames).toEqual(segmentShown.slice(0, index));
          expect(outcome.error).toBeInstanceOf(WalCorruptError);
        }
      }
    });

    it.each([
      { gone: 0, left: 0, stands: 'LSN 2 stands there' },
      { gone: 1, left: 1, stands: 'a mark proves that LSN 2 was durable, and it is not there' },
      { gone: 4, left: 4, stands: 'a mark proves that LSN 3 was durable, and it is not there' },
    ])('refuses what stands behind record frame $gone when that was dropped', ({ gone, left, stands }) => {
      const { frames: seen, error } = readBack(segment.toSpliced(gone, 1).map(({ bytes }) => bytes));
      expect(seen).toEqual(segmentShown.slice(0, left));
      expect(error).toMatchObject({ lsn: segment[gone]!.lsn, reason: stands });
    });

    it.each([0, 1, 4])('refuses the second of two when record frame %d is repeated', (index) => {
      const twice = segment.toSpliced(index, 0, segment[index]!).map(({ bytes }) => bytes);
      const { frames: seen, error } = readBack(twice);
      expect(seen).toEqual(segmentShown.slice(0, index + 1));
      expect(error).toMatchObject({ lsn: index === 4 ? 4 : index + 2 });
    });

    it('refuses two records that have changed places', () => {
      const [one, two, ...rest] = segment.map(({ bytes }) => bytes);
      const { frames: seen, error } = readBack([two!, one!, ...rest]);
      expect(seen).toEqual([]);
      expect(error).toEqual(corrupt(32, 1, 'LSN 2 stands there'));
    });

    it('refuses all of it under another log id', () => {
      const { frames: seen, error } = readBack(
        segment.map(({ bytes }) => bytes),
        { logId: FOREIGN_LOG_ID },
      );
      expect(seen).toEqual([]);
      expect(error).toEqual(corrupt(32, 1, "a frame's checksum does not match"));
    });

    it('refuses what an older file of the same log has left behind the end', () => {
      const older = encodeFrame('record', 3, bytesOf('older'), crcFrom);
      const { frames: seen, error } = readBack([...segment.map(({ bytes }) => bytes), older]);
      expect(seen).toEqual(segmentShown);
      expect(error).toMatchObject({ lsn: 4, reason: 'LSN 3 stands there' });
    });
  });

  it('lets through exactly what serialize, frame and checksum made, whatever the values and the chunks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 15 }),
        fc.array(fc.nat(), { maxLength: 15 }),
        fc.nat(1000),
        fc.nat(200),
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        (values, seeds, after, bufferBytes, logId) => {
          const written: Uint8Array[] = [];
          from(values)
            .pipe(serialize({ codec: rawCodec() }), frame({ after, bufferBytes }), checksum(logId))
            .subscribe(({ buffer, start, end }) => written.push(buffer.slice(start, end)));
          const bytes = Buffer.concat(written);
          const cuts = [...seeds.map((seed) => seed % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
          const chunks = cuts.map((cut, index) => bytes.subarray(cuts[index - 1] ?? 0, cut));

          const entries: Entry<Uint8Array>[] = [];
          let error: unknown;
          from(chunks)
            .pipe(
              unframe({ after, size: 32 + bytes.length }),
              verify({ logId, after }),
              deserialize(rawCodec()),
              map(({ lsn, value }) => ({ lsn, value: new Uint8Array(value) })),
            )
            .subscribe({
              next: (entry) => entries.push(entry),
              error: (failure: unknown) => {
                error = failure;
              },
            });
          expect(error).toBeUndefined();
          expect(entries).toEqual(values.map((value, index) => ({ lsn: after + index + 1, value })));
        },
      ),
    );
  });

  it('checks a frame that is pushed in while another one is on its way out against the one before it', () => {
    const source$ = new Subject<StoredFrame>();
    const seen: number[] = [];
    source$.pipe(verify({ logId: LOG_ID, after: 6 })).subscribe(({ lsn }) => {
      seen.push(lsn);
      if (lsn === 7) source$.next(frames[8]);
    });
    source$.next(frames[7]);
    source$.next(frames[9]);
    expect(seen).toEqual([7, 8, 9]);
  });

  it('is empty where its source is', () => {
    expectPicture(verify({ logId: LOG_ID }), { source: '|', subs: '(^!)', expected: '|' });
  });

  it('never ends where its source never does', () => {
    expectPicture(verify({ logId: LOG_ID }), { source: '-', subs: '^', expected: '-' });
  });

  it("passes its source's error on", () => {
    expectPicture(verify({ logId: LOG_ID, after: 6 }), {
      source: '  -7-#',
      values: frames,
      subs: '    ^--!',
      expected: '-7-#',
      results: frames,
    });
  });

  it('leaves its source when it is left', () => {
    expectPicture(verify({ logId: LOG_ID, after: 6 }), {
      source: '  -7--8--',
      values: frames,
      subs: '    ^--!',
      expected: '-7--',
      results: frames,
      unsub: '   ---!',
    });
  });
});
