import type { RetentionOptions } from '../types';

/** One segment, as a cap sees it. */
export interface SegmentUse {
  readonly firstLsn: number;
  /** Size, without zeros laid ahead; `undefined` where it is not known. */
  readonly bytes: number | undefined;
  /** When its last record was written, in milliseconds of the log's clock; `undefined` where that is not known. */
  readonly writtenAt: number | undefined;
}

/** What the caps ask for. */
export interface OverCap {
  /** Segments whose records are all up to here should go; 0 where none should. */
  readonly lsn: number;
  /** When the next segment will be too old, in milliseconds of the log's clock; `undefined` where none will by itself. */
  readonly dueAt: number | undefined;
}

/**
 * What should go so that the caps are kept. The last segment is the one that is being written. Its size never makes it go; its age does, when
 * all its records are too old: then `lsn` is the last one, and the segment is to be ended first.
 *
 * A size or an age that is not known removes nothing.
 */
export function overCap(
  segments: readonly SegmentUse[],
  lastLsn: number,
  now: number,
  { maxBytes = Infinity, maxAgeMs = Infinity }: RetentionOptions,
): OverCap {
  const bySize = firstThatFits(segments, maxBytes);
  const byAge = segments.findIndex(
    ({ firstLsn, writtenAt }) => firstLsn > lastLsn || writtenAt === undefined || writtenAt + maxAgeMs > now,
  );
  const kept = byAge < 0 ? segments.length : Math.max(bySize, byAge);
  const next = segments[kept];
  if (!next) return { lsn: lastLsn, dueAt: undefined };
  const agesAt = next.firstLsn <= lastLsn && maxAgeMs < Infinity ? next.writtenAt : undefined;
  return {
    lsn: kept === 0 ? 0 : next.firstLsn - 1,
    dueAt: agesAt === undefined ? undefined : agesAt + maxAgeMs,
  };
}

/** Index of the oldest segment from which on all are no larger than `maxBytes` together; the last one always stays. */
function firstThatFits(segments: readonly SegmentUse[], maxBytes: number): number {
  let bytes = 0;
  for (let at = segments.length - 1; at >= 0; at -= 1) {
    const size = segments[at]?.bytes;
    if (size === undefined) return 0;
    bytes += size;
    if (bytes > maxBytes) return Math.min(at + 1, segments.length - 1);
  }
  return 0;
}
