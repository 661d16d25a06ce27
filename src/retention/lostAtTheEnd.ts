import { CHECKPOINT_FILE } from '../format/checkpoint';
import { READERS_FILE } from '../format/readers';
import type { Checkpoint, Holds } from '../types';

/** What proves that a log which ends with `lastLsn` has lost records; `undefined` where nothing does. */
export function lostAtTheEnd(lastLsn: number, checkpoint: Checkpoint | undefined, holds: Holds): string | undefined {
  const newestRead = holds.readers.reduce((newest, { lsn }) => Math.max(newest, lsn), 0);
  const proofs = [
    { file: CHECKPOINT_FILE, lsn: checkpoint?.lsn ?? 0 },
    { file: READERS_FILE, lsn: newestRead },
  ];
  const proof = proofs.find(({ lsn }) => lsn > lastLsn);
  return proof && `the log ends here, and ${proof.file} proves that LSN ${proof.lsn} was durable`;
}
