import { catchError, map, of, throwError, type Observable } from 'rxjs';
import { WalCorruptError } from '../errors';
import { MAX_READERS_FILE_BYTES, READERS_FILE, decodeReadersFile } from '../format/readers';
import { asIoError } from '../ioError';
import { withFile } from '../reading/segmentFrames';
import { NO_HOLDS, floorOf } from '../retention/floor';
import type { SegmentStore } from '../store/segmentStore';
import type { Checkpoint, Holds, KeptBy, ReaderState } from '../types';

/** What a log keeps, and for whom, as its files tell. */
export interface KeptFacts {
  /** Segments whose records are all up to here may go. */
  readonly floorLsn: number;
  /** Why what comes behind is kept. The files do not tell a checkpoint of a cap from one of the application. */
  readonly keptBy: KeptBy;
  /** In the order of their names. Whether one is stuck only the log's own process can say. */
  readonly readers: readonly Omit<ReaderState, 'stuck'>[];
  /** Up to here a cap has let segments go whatever a reader needs; 0 = never. */
  readonly cutLsn: number;
}

/** @param lastLsn of the last record found: a reader's lag counts from there. */
export function keptFacts(
  checkpoint: Checkpoint | undefined,
  holds: Holds,
  { firstLsn, lastLsn }: { readonly firstLsn: number; readonly lastLsn: number },
): KeptFacts {
  return {
    ...floorOf(checkpoint, holds),
    cutLsn: holds.cutLsn,
    readers: holds.readers.map((reader) => ({
      ...reader,
      lag: Math.max(0, lastLsn - reader.lsn),
      lost: Math.max(0, firstLsn - 1 - reader.lsn),
    })),
  };
}

/** What `readers.meta` says, of a log that the survey has refused; nothing where that is harmed itself. */
export function readHolds(store: SegmentStore, names: readonly string[]): Observable<Holds> {
  if (!names.includes(READERS_FILE)) return of(NO_HOLDS);
  return withFile(store, READERS_FILE, (file) => file.read(0, MAX_READERS_FILE_BYTES)).pipe(
    asIoError('Reading', READERS_FILE),
    map((bytes) => decodeReadersFile(bytes).holds),
    catchError((error: unknown) => (error instanceof WalCorruptError ? of(NO_HOLDS) : throwError(() => error))),
  );
}
