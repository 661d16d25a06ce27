import type { KeptBy } from '../types';
import type { ReaderShown, ReadersShown } from './report';

/** Readers that are shown, at most: a log may have a thousand. */
const MAX_READERS = 50;

/** Readers for the page, those first that are furthest behind. */
export function heldBy(readers: readonly ReaderShown[], floorLsn: number, keptBy: KeptBy): ReadersShown {
  const inOrder = [...readers].sort((one, other) => one.lsn - other.lsn).slice(0, MAX_READERS);
  const shown = inOrder.map(({ name, lsn, lag, movedAt, stuck }) => ({
    name,
    lsn,
    lag,
    movedAt,
    ...(stuck === undefined ? {} : { stuck }),
  }));
  return { readers: shown, more: readers.length - shown.length, floorLsn, keptBy };
}
