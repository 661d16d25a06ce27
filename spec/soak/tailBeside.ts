import { map, timer } from 'rxjs';
import { WalClosedError, WalTruncatedError, type Entry, type Wal } from 'rxwal';
import { identify } from './record';
import { tell } from './words';

/**
 * Follows a log beside its writer, from behind `after` to its close, and tells of each record that it is shown. One that comes too early, twice, or not at all
 * ends the process. A checkpoint may overtake it: then it goes on with the first record that is there.
 *
 * @param paceMs what it takes for each entry; 0: it takes what comes.
 */
export async function tailBeside(wal: Wal<Uint8Array>, after: number, paceMs: number): Promise<void> {
  let lsn = after;
  let isOvertaken = false;
  const see = (entry: Entry<Uint8Array>): void => {
    lsn += 1;
    if (entry.lsn !== lsn) throw new Error(`a tail got LSN ${entry.lsn} where ${lsn} was due`);
    if (lsn > wal.durableLsn) throw new Error(`a tail got LSN ${lsn}, and ${wal.durableLsn} is durable`);
    if (!identify(entry.value)) throw new Error(`a tail got LSN ${lsn}, and it is not what was appended`);
    tell('shown', lsn);
  };
  for (;;) {
    try {
      const tail$ = wal.tail({ after: lsn });
      await (paceMs === 0 ? tail$ : tail$.each((entry) => timer(paceMs).pipe(map(() => entry)))).forEach(see);
      if (lsn < wal.durableLsn) throw new Error(`a tail ended with LSN ${lsn}, and ${wal.durableLsn} is durable`);
      return;
    } catch (error) {
      // The log may have been closed between two tails.
      if (isOvertaken && error instanceof WalClosedError) return;
      if (!(error instanceof WalTruncatedError) || error.firstLsn <= lsn + 1) throw error;
      isOvertaken = true;
      lsn = error.firstLsn - 1;
    }
  }
}
