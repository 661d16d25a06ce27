import { from, map, take } from 'rxjs';
import fc from 'fast-check';
import { crcStart, encodeFrame } from '../../src/format/frame';
import { eachFrame, runUntil, type StoredRun } from '../../src/reading/storedRun';
import { unframe } from '../../src/operators/unframe';
import { verify } from '../../src/operators/verify';
import { sealedRuns } from '../../src/reading/sealedRuns';
import type { FrameKind, StoredFrame } from '../../src/types';
import { LOG_ID, bytesOf, expectPicture, shown, synchronousSource } from '../operators/helpers';

const crcFrom = crcStart(LOG_ID);
const record = (lsn: number, text = `record ${lsn}`): Uint8Array => encodeFrame('record', lsn, bytesOf(text), crcFrom);
const mark = (lsn: number): Uint8Array => encodeFrame('mark', lsn, bytesOf(''), crcFrom);
const join = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
const placeOf = ({ after, lastLsn, offset }: StoredRun): string => `${after}<${lastLsn} at ${offset}`;

/** What a reader sees: frames, and how it ends. */
function seenBy(
  chunks: readonly Uint8Array[],
  options: { readonly size: number; readonly after: number; readonly maxRecordBytes: number },
  many: boolean,
): unknown[] {
  const seen: unknown[] = [];
  const file = 'wal_00000003.log';
  const frames$ = many
    ? from(chunks).pipe(sealedRuns({ ...options, logId: LOG_ID, file }), eachFrame())
    : from(chunks).pipe(unframe({ ...options, file }), verify({ logId: LOG_ID, after: options.after, file }));
  frames$.subscribe({
    next: (frame) => seen.push(shown(frame)),
    error: (error: unknown) => seen.push({ ...(error as object), message: (error as Error).message }),
    complete: () => seen.push('end'),
  });
  return seen;
}

/** The same bytes, once as stages of one frame and once as runs. */
function expectSame(
  bytes: Uint8Array,
  cuts: readonly number[],
  { size = 32 + bytes.length, after = 6, limit = 500 } = {},
): void {
  const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort((a, b) => a - b);
  const chunks = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
  const options = { size, after, maxRecordBytes: limit };
  expect(seenBy(chunks, options, true)).toEqual(seenBy(chunks, options, false));
}

const segment = join(
  record(7),
  record(8, ''),
  mark(8),
  encodeFrame('checkpoint', 8, bytesOf('kept'), crcFrom),
  record(9),
  mark(9),
);

describe('sealedRuns', () => {
  it('gives the whole frames of a chunk at once, and one that lies across two by itself', () => {
    const nine = record(9);
    expectPicture((source) => source.pipe(sealedRuns({ logId: LOG_ID, after: 6 }), map(placeOf)), {
      source: '  --x----y---|',
      values: {
        x: join(record(7), record(8), nine.subarray(0, 12)),
        y: join(nine.subarray(12), record(10), record(11)),
      },
      subs: '    ^----------!',
      expected: '--a----(bc)|',
      results: { a: '6<8 at 32', b: '8<9 at 80', c: '9<11 at 104' },
    });
  });

  it('is unframe and verify, for every cut', () => {
    const bytes = join(segment, new Uint8Array(30));
    for (let first = 0; first <= bytes.length; first += 1) {
      for (let second = first; second <= bytes.length; second += 7) expectSame(bytes, [first, second]);
    }
  });

  it('is unframe and verify, byte by byte', () => {
    expectSame(segment, [...segment.keys()]);
  });

  it('is unframe and verify, for every flipped bit, in one chunk and in two', () => {
    for (let bit = 0; bit < segment.length * 8; bit += 1) {
      const bytes = segment.slice();
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
      expectSame(bytes, []);
      expectSame(bytes, [(bit * 7) % bytes.length]);
    }
  });

  it('is unframe and verify, for every length of the file', () => {
    for (let size = 0; size <= segment.length; size += 1) {
      expectSame(segment.subarray(0, size), [size >>> 1]);
      expectSame(segment, [], { size: 32 + size });
    }
  });

  it('is unframe and verify, whatever the frames, the chunks and the damage', () => {
    const frame = fc.record({
      kind: fc.constantFrom<FrameKind>('record', 'record', 'record', 'mark', 'checkpoint'),
      bytes: fc.oneof(fc.nat(60), fc.nat(9000)),
      // As a rule the LSN is the one that is due.
      skip: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 1, -1),
    });
    const damage = fc.record({ at: fc.nat(), bytes: fc.uint8Array({ minLength: 1, maxLength: 20 }) });
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 30 }),
        fc.array(damage, { maxLength: 2 }),
        fc.array(fc.nat(60_000), { maxLength: 6 }),
        fc.nat(40),
        (frames, damages, cuts, zeros) => {
          let lsn = 6;
          const parts = frames.map(({ kind, bytes, skip }) => {
            if (kind === 'record') lsn += 1;
            return encodeFrame(kind, lsn + skip, new Uint8Array(kind === 'mark' ? 0 : bytes % 1200).fill(lsn), crcFrom);
          });
          const bytes = join(...parts, new Uint8Array(zeros));
          for (const { at, bytes: wrong } of damages) {
            if (bytes.length > 0) bytes.set(wrong.subarray(0, bytes.length - (at % bytes.length)), at % bytes.length);
          }
          expectSame(bytes, cuts, { limit: 1000 });
        },
      ),
      { numRuns: 500 },
    );
  });

  it('looks at nothing behind the run that is the last one wanted', () => {
    const damaged = record(8);
    damaged[14]! ^= 1;
    const seen: unknown[] = [];
    from([join(record(7), damaged)])
      .pipe(sealedRuns({ logId: LOG_ID, after: 6 }), take(1))
      .subscribe({ next: (run) => seen.push(placeOf(run)), error: (error: unknown) => seen.push(error) });
    expect(seen).toEqual(['6<7 at 32']);
  });

  it('asks a source that hands out everything at once for no more than is wanted', () => {
    const { source$, asked } = synchronousSource([join(record(7), record(8)), record(9)]);
    source$.pipe(sealedRuns({ logId: LOG_ID, after: 6 }), take(1)).subscribe();
    expect(asked).toHaveLength(1);
  });

  it("passes its source's error on", () => {
    expectPicture((source) => source.pipe(sealedRuns({ logId: LOG_ID, after: 6 })), {
      source: '  -x-#',
      values: { x: record(7).subarray(0, 13) },
      subs: '    ^--!',
      expected: '---#',
    });
  });

  it('leaves its source when it is left', () => {
    expectPicture<Uint8Array>((source) => source.pipe(sealedRuns({ logId: LOG_ID })), {
      source: '  ------',
      values: {},
      subs: '    ^--!',
      expected: '----',
      unsub: '   ---!',
    });
  });
});

describe('a run', () => {
  const runsOf = (bytes: Uint8Array): StoredRun[] => {
    const runs: StoredRun[] = [];
    from([bytes])
      .pipe(sealedRuns({ logId: LOG_ID, after: 6 }))
      .subscribe((run) => runs.push(run));
    return runs;
  };
  const framesOf = (run: StoredRun): StoredFrame[] => {
    const frames: StoredFrame[] = [];
    from([run])
      .pipe(eachFrame())
      .subscribe((frame) => frames.push(frame));
    return frames;
  };

  it('is cut behind the last record up to an LSN, with the marks that follow it', () => {
    const [run] = runsOf(segment);
    const texts = (until: number): string[] => framesOf(runUntil(run!, until)).map(({ kind, lsn }) => `${kind} ${lsn}`);
    expect(texts(9)).toEqual(['record 7', 'record 8', 'mark 8', 'checkpoint 8', 'record 9', 'mark 9']);
    expect(runUntil(run!, 9)).toBe(run);
    expect(texts(8)).toEqual(['record 7', 'record 8', 'mark 8', 'checkpoint 8']);
    expect(texts(7)).toEqual(['record 7']);
    expect(runUntil(run!, 7)).toMatchObject({ after: 6, lastLsn: 7 });
  });

  it('is left in the middle where no more is wanted', () => {
    const seen: number[] = [];
    from(runsOf(segment))
      .pipe(eachFrame(), take(2))
      .subscribe(({ lsn }) => seen.push(lsn));
    expect(seen).toEqual([7, 8]);
  });
});
