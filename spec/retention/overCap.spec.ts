import * as fc from 'fast-check';
import { overCap, type SegmentUse } from '../../src/retention/overCap';

/** Two records a segment, the last one being written: LSN 1-2, 3-4, 5-6, 7. */
const uses = (...last: Partial<SegmentUse>[]): SegmentUse[] =>
  [1, 3, 5, 7].map((firstLsn, at) => ({ firstLsn, bytes: 100, writtenAt: 10 * (at + 1), ...last[at] }));

describe('overCap', () => {
  it.each<[maxBytes: number, lsn: number]>([
    [400, 0],
    [399, 2],
    [300, 2],
    [200, 4],
    [100, 6],
    [1, 6],
  ])('four segments of 100 bytes under %d bytes: LSN %d', (maxBytes, lsn) => {
    expect(overCap(uses(), 7, 1000, { maxBytes })).toEqual({ lsn, dueAt: undefined });
  });

  it.each<[now: number, lsn: number, dueAt: number | undefined]>([
    [0, 0, 15],
    [14, 0, 15],
    [15, 2, 25],
    [34, 4, 35],
    [35, 6, 45],
    [45, 7, undefined],
  ])('written at 10, 20, 30 and 40, at most 5 old, at %d: LSN %d, the next at %p', (now, lsn, dueAt) => {
    expect(overCap(uses(), 7, now, { maxAgeMs: 5 })).toEqual({ lsn, dueAt });
  });

  it('a last segment without a record has no age', () => {
    expect(overCap(uses(), 6, 1000, { maxAgeMs: 5 })).toEqual({ lsn: 6, dueAt: undefined });
  });

  it('the stricter of two caps counts', () => {
    expect(overCap(uses(), 7, 15, { maxAgeMs: 5, maxBytes: 200 })).toEqual({ lsn: 4, dueAt: 35 });
    expect(overCap(uses(), 7, 36, { maxAgeMs: 5, maxBytes: 300 })).toEqual({ lsn: 6, dueAt: 45 });
  });

  it('what is not known removes nothing', () => {
    expect(overCap(uses({ bytes: undefined }), 7, 0, { maxBytes: 350 }).lsn).toBe(0);
    expect(overCap(uses({}, { writtenAt: undefined }), 7, 1000, { maxAgeMs: 5 })).toEqual({ lsn: 2, dueAt: undefined });
    // The later ones are too large already, whatever the first one is.
    expect(overCap(uses({ bytes: undefined }), 7, 0, { maxBytes: 250 }).lsn).toBe(4);
  });

  it('keeps as much as fits and no more, of any segments', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 500 }), (bytes, maxBytes) => {
        const segments = bytes.map((size, at) => ({ firstLsn: at + 1, bytes: size, writtenAt: 0 }));
        const { lsn } = overCap(segments, bytes.length, 0, { maxBytes });
        const sum = (from: number): number => bytes.slice(from).reduce((total, size) => total + size, 0);
        const fits = sum(lsn) <= maxBytes || lsn === bytes.length - 1;
        expect(fits && (lsn === 0 || sum(lsn - 1) > maxBytes)).toBe(true);
      }),
    );
  });
});
