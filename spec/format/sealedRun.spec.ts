import fc from 'fast-check';
import { crc32 } from '../../src/format/crc';
import { MAX_CRC_SHIFT_BYTES, crcShift } from '../../src/format/crcShift';
import { crcStart, encodeFrame } from '../../src/format/frame';
import { SealedRun } from '../../src/format/sealedRun';
import type { FrameKind } from '../../src/types';

const LOG_ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

describe('crcShift', () => {
  it('is what zeros make of a register', () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(MAX_CRC_SHIFT_BYTES - 1), (register, bytes) => {
        // crc32 turns the register over before and after.
        expect(~crcShift(~register, bytes) >>> 0).toBe(crc32(new Uint8Array(bytes), register >>> 0));
      }),
    );
  });
});

interface Spec {
  readonly kind: FrameKind;
  readonly bytes: number;
}
const kinds = fc.constantFrom<FrameKind>('record', 'record', 'record', 'mark', 'checkpoint');
const small = fc.nat(300).map((bytes) => bytes);
const specs = fc.array(fc.record({ kind: kinds, bytes: fc.oneof(small, small, small, fc.nat(30_000)) }), {
  maxLength: 60,
});

/** Frames one behind the other, and where each ends. */
function segment(
  frames: readonly Spec[],
  after: number,
  crcFrom: number,
): { bytes: Buffer; ends: number[]; lsns: number[] } {
  let lsn = after;
  let end = 0;
  const parts = frames.map(({ kind, bytes }, index) => {
    if (kind === 'record') lsn += 1;
    const length = kind === 'record' ? bytes : kind === 'mark' ? 0 : bytes % 1024;
    return { lsn, part: encodeFrame(kind, lsn, new Uint8Array(length).fill(index + 1), crcFrom) };
  });
  return {
    bytes: Buffer.concat(parts.map(({ part }) => part)),
    ends: parts.map(({ part }) => (end += part.length)),
    lsns: parts.map((each) => each.lsn),
  };
}

describe('SealedRun', () => {
  const crcFrom = crcStart(LOG_ID);

  it('proves all frames that are what they should be', () => {
    fc.assert(
      fc.property(specs, fc.nat(2 ** 31), fc.uint8Array({ minLength: 8, maxLength: 8 }), (frames, after, id) => {
        const start = crcStart(id);
        const { bytes, lsns } = segment(frames, after, start);
        const run = new SealedRun(start, Infinity);
        run.scan(bytes, 0, bytes.length, after);
        expect({ end: run.end, lastLsn: run.lastLsn }).toEqual({ end: bytes.length, lastLsn: lsns.at(-1) ?? after });
      }),
    );
  });

  it('proves no frame in which anything was changed, and ends where a frame does', () => {
    fc.assert(
      fc.property(specs, fc.nat(), fc.integer({ min: 1, max: 255 }), (frames, seed, flip) => {
        const { bytes, ends, lsns } = segment(frames, 7, crcFrom);
        if (bytes.length === 0) return;
        const at = seed % bytes.length;
        bytes[at]! ^= flip;
        const run = new SealedRun(crcFrom, Infinity);
        run.scan(bytes, 0, bytes.length, 7);
        expect(run.end).toBeLessThanOrEqual(at);
        expect([0, ...ends]).toContain(run.end);
        expect(run.lastLsn).toBe(run.end === 0 ? 7 : lsns[ends.indexOf(run.end)]);
      }),
    );
  });

  it('proves nothing of the frame in which a bit is flipped, for each bit of a small segment', () => {
    const { bytes, ends } = segment(
      [
        { kind: 'record', bytes: 0 },
        { kind: 'record', bytes: 5 },
        { kind: 'mark', bytes: 0 },
        { kind: 'checkpoint', bytes: 3 },
        { kind: 'record', bytes: 20 },
      ],
      0,
      crcFrom,
    );
    const run = new SealedRun(crcFrom, 100);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
      run.scan(bytes, 0, bytes.length, 0);
      expect(run.end).toBeLessThanOrEqual([0, ...ends].findLast((end) => end <= bit >>> 3)!);
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
    }
    run.scan(bytes, 0, bytes.length, 0);
    expect(run.end).toBe(bytes.length);
  });

  it('takes frames that are whole, and no others', () => {
    const { bytes, ends } = segment(
      Array.from({ length: 5 }, (_, at) => ({ kind: 'record', bytes: 10 * at })),
      0,
      crcFrom,
    );
    const run = new SealedRun(crcFrom, Infinity);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      run.scan(bytes, 0, cut, 0);
      expect(run.end).toBe([0, ...ends].findLast((end) => end <= cut));
    }
  });

  it.each<[what: string, frames: readonly (readonly [FrameKind, number])[], proven: number]>([
    [
      'a record missing',
      [
        ['record', 1],
        ['record', 3],
      ],
      0,
    ],
    [
      'a record twice',
      [
        ['record', 1],
        ['record', 1],
      ],
      0,
    ],
    [
      'a mark past the last record',
      [
        ['record', 1],
        ['mark', 2],
      ],
      0,
    ],
    ['a checkpoint past the last record', [['checkpoint', 1]], 0],
    [
      'marks of records before',
      [
        ['record', 1],
        ['mark', 1],
        ['mark', 0],
        ['record', 2],
      ],
      1,
    ],
  ])('%s', (_what, frames, whole) => {
    const bytes = Buffer.concat(frames.map(([kind, lsn]) => encodeFrame(kind, lsn, new Uint8Array(0), crcFrom)));
    const run = new SealedRun(crcFrom, Infinity);
    run.scan(bytes, 0, bytes.length, 0);
    expect(run.end === bytes.length).toBe(whole === 1);
  });

  it.each([
    { payload: 101, taken: false },
    { payload: 100, taken: true },
  ])('a record of $payload bytes where 100 are allowed', ({ payload, taken }) => {
    const bytes = encodeFrame('record', 1, new Uint8Array(payload), crcFrom);
    const run = new SealedRun(crcFrom, 100);
    run.scan(bytes, 0, bytes.length, 0);
    expect(run.end).toBe(taken ? bytes.length : 0);
  });

  it('takes no frame of another log, no zeros, and no group whose records do not fit it', () => {
    const run = new SealedRun(crcFrom, 100);
    const fourth = encodeFrame('record', 1, new Uint8Array(4), crcFrom);
    fourth[3]! |= 0xc0;
    for (const bytes of [
      encodeFrame('record', 1, new Uint8Array(4), crcStart(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 9))),
      new Uint8Array(1000),
      fourth,
    ]) {
      run.scan(bytes, 0, bytes.length, 0);
      expect(run.end).toBe(0);
    }
  });
});
