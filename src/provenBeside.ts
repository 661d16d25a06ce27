import { CHECKPOINT_FILE } from './format/checkpoint';
import { READERS_FILE } from './format/readers';
import type { Checkpoint, Holds } from './types';

/** A file beside the segments, and the LSN that it proves to have been durable. */
export interface ProofBeside {
  readonly file: string;
  readonly lsn: number;
}

/** What the files beside the segments prove of the log's end: the last LSN of which one of them tells. 0 where none does. */
export function provenBeside(checkpoint: Checkpoint | undefined, { readers }: Pick<Holds, 'readers'>): ProofBeside {
  const readLsn = readers.reduce((newest, { lsn }) => Math.max(newest, lsn), 0);
  const checkpointLsn = checkpoint?.lsn ?? 0;
  return readLsn > checkpointLsn ? { file: READERS_FILE, lsn: readLsn } : { file: CHECKPOINT_FILE, lsn: checkpointLsn };
}

/** Why a log that ends with `lastLsn` has lost records; `undefined` where nothing proves it. */
export function lostAtTheEnd(lastLsn: number, { file, lsn }: ProofBeside): string | undefined {
  return lsn > lastLsn ? `the log ends here, and ${file} proves that LSN ${lsn} was durable` : undefined;
}
