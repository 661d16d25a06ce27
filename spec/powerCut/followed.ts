import { firstValueFrom } from 'rxjs';
import type { Projected, Projection } from '../../src/projection/projection';
import type { Wal } from '../../src/wal';
import { NOTHING_FOLDED, folded, type Fold } from '../support/fold';
import { openingOf } from './records';

/** The reader that the writer moves on. */
export const READER = 'mail';

/** A state of the whole log, with snapshots, so that each opening goes on where one before it has ended. */
export function projectFold(wal: Wal<Uint8Array>, snapshotEvery: number): Projection<Fold> {
  const projection = wal.project<Fold>({
    name: 'fold',
    initial: NOTHING_FOLDED,
    reduce: (fold, { lsn, value }) => folded(fold, openingOf(lsn, value) ?? NaN, lsn),
    snapshotEvery,
    checkpoint: false,
  });
  // What fails is the log, and it says so itself.
  projection.state$.subscribe({ error: () => undefined });
  projection.snapshots$.subscribe();
  return projection;
}

/** What a projection is when it has caught up with a log, held against the records that must be in it. @returns what is wrong with it. */
export async function wrongFold(
  wal: Wal<Uint8Array>,
  openingAt: (lsn: number) => number | undefined,
): Promise<readonly string[]> {
  const { lastLsn } = wal;
  let begun: Projected<Fold>;
  try {
    begun = await firstValueFrom(projectFold(wal, 1000).state$);
  } catch (error) {
    return [`a projection does not begin: ${error instanceof Error ? error.message : String(error)}`];
  }
  const { lsn, state } = begun;
  if (lsn !== lastLsn) return [`a projection begins with LSN ${lsn}, and the log ends with ${lastLsn}`];
  let expected = NOTHING_FOLDED;
  while (expected.lsn < lsn) expected = folded(expected, openingAt(expected.lsn + 1) ?? NaN, expected.lsn + 1);
  return state.lsn === lsn && state.hash === expected.hash
    ? []
    : [`a projection's state at LSN ${lsn} is not what the records up to there make`];
}

/** Shows what is appended from now on. @returns what is wrong with it, where something is. */
export function follow(wal: Wal<Uint8Array>, shown: (lsn: number) => void): { readonly wrong: readonly string[] } {
  const wrong: string[] = [];
  let due = wal.lastLsn + 1;
  wal.tail({ after: wal.lastLsn }).subscribe({
    next: ({ lsn, value }) => {
      if (lsn !== due) wrong.push(`a tail got LSN ${lsn} where ${due} was due`);
      if (openingOf(lsn, value) === undefined) wrong.push(`a tail got LSN ${lsn}, and it is not what was appended`);
      due = lsn + 1;
      shown(lsn);
    },
    error: () => undefined,
  });
  return { wrong };
}
