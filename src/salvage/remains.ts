import {
  concatMap,
  defaultIfEmpty,
  forkJoin,
  from,
  map,
  of,
  take,
  catchError,
  throwError,
  type Observable,
} from 'rxjs';
import { WalCorruptError, WalError, WalVersionError } from '../errors';
import { CHECKPOINT_FILE, MAX_CHECKPOINT_FILE_BYTES, decodeCheckpointFile } from '../format/checkpoint';
import { HEADER_BYTES, LOG_ID_BYTES, decodeHeader, type SegmentHeader } from '../format/header';
import { asIoError } from '../ioError';
import { eachFile, withFile } from '../reading/segmentFrames';
import { segmentName, segmentSequences, type SegmentStore } from '../store/segmentStore';
import type { Checkpoint } from '../types';
import type { Gap } from './gap';
import { logIdOf } from './logIdOf';
import { ReadableFile, isBadPlace } from './readable';

/** One segment as the directory has it. */
export interface Remnant {
  readonly sequence: number;
  /** Bytes it has. */
  readonly size: number;
  /** What its header says, where that can be believed; 1 for the first segment of all. */
  readonly firstLsn: number | undefined;
  /** Why there is no header that can be believed. */
  readonly complaint: string | undefined;
  /** Nothing in it can be used. */
  readonly lost: boolean;
}

/** What lies in a log's directory, whatever has happened to it. The counterpart of a `Survey`, which refuses. */
export interface Remains {
  /** Of the log that most headers belong to; zeros where nothing tells. */
  readonly logId: Uint8Array;
  readonly checkpoint: Checkpoint | undefined;
  /** In the order of their records. */
  readonly segments: readonly Remnant[];
  /** What has been found out so far that cannot be used. */
  readonly gaps: readonly Gap[];
}

interface Found extends Omit<Remnant, 'firstLsn'> {
  readonly header: SegmentHeader | undefined;
}

interface FoundCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly logId: Uint8Array;
}

/**
 * Reads names, headers and `checkpoint.meta`, and refuses nothing. Fails with `WalIoError` only for what may be gone at the next try
 * (EMFILE, EACCES).
 */
export function lookAround(store: SegmentStore): Observable<Remains> {
  return store.list().pipe(
    asIoError('Listing', store.dir),
    concatMap((names) => {
      const sequences = segmentSequences(names);
      return forkJoin({
        found: eachFile(sequences, (sequence) => readSegment(store, sequence)),
        saved: names.includes(CHECKPOINT_FILE) ? readCheckpoint(store) : of(undefined),
      });
    }),
    concatMap(({ found, saved }) => {
      const checkpoint = saved && 'checkpoint' in saved ? saved : undefined;
      const gaps = saved && 'reason' in saved ? [saved] : [];
      return findLogId(store, found, checkpoint).pipe(map((logId) => putInOrder(logId, found, checkpoint, gaps)));
    }),
  );
}

function readSegment(store: SegmentStore, sequence: number): Observable<Found> {
  const name = segmentName(sequence);
  return withFile(store, name, (bare) => {
    const file = new ReadableFile(bare);
    return forkJoin([file.size(), file.read(0, HEADER_BYTES)]);
  }).pipe(
    map(([size, bytes]): Found => {
      const header = attempt(() => decodeHeader(bytes, name));
      return header instanceof WalError
        ? { sequence, size, header: undefined, complaint: reasonOf(header), lost: false }
        : { sequence, size, header, complaint: undefined, lost: false };
    }),
    catchError((error: unknown) =>
      isLost(error)
        ? of({ sequence, size: 0, header: undefined, complaint: (error as Error).message, lost: true })
        : throwError(() => error),
    ),
    asIoError('Reading', name),
  );
}

function readCheckpoint(store: SegmentStore): Observable<FoundCheckpoint | Gap> {
  const lost = (reason: string): Gap => ({
    file: CHECKPOINT_FILE,
    offset: 0,
    bytes: 0,
    firstLsn: 1,
    lastLsn: 0,
    reason,
    torn: false,
  });
  return withFile(store, CHECKPOINT_FILE, (file) => new ReadableFile(file).read(0, MAX_CHECKPOINT_FILE_BYTES)).pipe(
    map((bytes) => {
      const checkpoint = attempt(() => decodeCheckpointFile(bytes));
      return checkpoint instanceof WalError ? { ...lost(reasonOf(checkpoint)), bytes: bytes.length } : checkpoint;
    }),
    catchError((error: unknown) => (isLost(error) ? of(lost((error as Error).message)) : throwError(() => error))),
    asIoError('Reading', CHECKPOINT_FILE),
  );
}

/** A typed complaint as a value. */
function attempt<R>(decode: () => R): R | WalError {
  try {
    return decode();
  } catch (error) {
    if (error instanceof WalError) return error;
    throw error;
  }
}

function reasonOf(error: WalError): string {
  if (error instanceof WalCorruptError) return error.reason;
  return error instanceof WalVersionError ? error.message : String(error);
}

/** Whether a file is none of the log's, or one that the disk has lost. */
function isLost(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  return isBadPlace(error) || ['ELOOP', 'EISDIR', 'EINVAL', 'ENOENT', 'ENXIO'].includes(code);
}

/** The log id of most headers; where there is none, what the segments themselves tell. */
function findLogId(
  store: SegmentStore,
  found: readonly Found[],
  saved: FoundCheckpoint | undefined,
): Observable<Uint8Array> {
  const votes = new Map<string, number>();
  const vote = (logId: Uint8Array, weight: number): void => {
    const id = Buffer.from(logId).toString('hex');
    votes.set(id, (votes.get(id) ?? 0) + weight);
  };
  for (const { header } of found) if (header) vote(header.logId, 1);
  // Of two logs with as many segments, the one that the checkpoint belongs to.
  if (saved) vote(saved.logId, 0.5);
  const [most] = [...votes].sort(([, one], [, other]) => other - one);
  if (most) return of(new Uint8Array(Buffer.from(most[0], 'hex')));
  return from(found.filter(({ lost }) => !lost)).pipe(
    concatMap(({ sequence, size }) =>
      withFile(store, segmentName(sequence), (file) => logIdOf(new ReadableFile(file), size)).pipe(
        asIoError('Reading', segmentName(sequence)),
      ),
    ),
    take(1),
    defaultIfEmpty(new Uint8Array(LOG_ID_BYTES)),
  );
}

function putInOrder(
  logId: Uint8Array,
  found: readonly Found[],
  saved: FoundCheckpoint | undefined,
  gaps: readonly Gap[],
): Remains {
  const isOurs = (other: Uint8Array): boolean => Buffer.compare(logId, other) === 0;
  const checkpoint = saved && isOurs(saved.logId) ? saved.checkpoint : undefined;
  const strange: Gap[] =
    saved && !checkpoint
      ? [{ file: CHECKPOINT_FILE, offset: 0, bytes: 0, firstLsn: 1, lastLsn: 0, reason: STRANGE, torn: false }]
      : [];
  let segments: Remnant[] = [];
  let expected = 0;
  for (const { header, ...segment } of found) {
    const remnant: Remnant =
      header && !isOurs(header.logId)
        ? { ...segment, firstLsn: undefined, complaint: STRANGE, lost: true }
        : { ...segment, firstLsn: header?.firstLsn ?? (segment.sequence === 0 ? 1 : undefined) };
    // What stands before such a hole was on its way out when a crash came.
    const { firstLsn } = remnant;
    if (checkpoint && remnant.sequence !== expected && firstLsn !== undefined && firstLsn <= checkpoint.lsn + 1) {
      segments = segments.filter((before) => (before.firstLsn ?? 0) > firstLsn);
    }
    segments.push(remnant);
    expected = remnant.sequence + 1;
  }
  return { logId, checkpoint, segments: byFirstLsn(segments), gaps: [...gaps, ...strange] };
}

const STRANGE = 'it belongs to another log';

/** Sorted by what the headers say; a segment without one stays behind the one before it. */
function byFirstLsn(segments: readonly Remnant[]): Remnant[] {
  let lsn = 0;
  const keyed = segments.map((segment) => {
    lsn = segment.firstLsn ?? lsn;
    return { segment, lsn };
  });
  return keyed.sort((one, other) => one.lsn - other.lsn).map(({ segment }) => segment);
}
