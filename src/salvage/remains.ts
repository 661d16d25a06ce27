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
import { MAX_READERS_FILE_BYTES, READERS_FILE, decodeReadersFile } from '../format/readers';
import { NO_HOLDS, floorOf } from '../retention/floor';
import { HEADER_BYTES, LOG_ID_BYTES, decodeHeader, type SegmentHeader } from '../format/header';
import { asIoError } from '../ioError';
import { provenBeside, type ProofBeside } from '../provenBeside';
import { eachFile, withFile } from '../reading/segmentFrames';
import { segmentName, segmentSequences, type SegmentStore } from '../store/segmentStore';
import type { Checkpoint, Holds } from '../types';
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
  /** Whether groups may stand in it, as its header says; `true` where that cannot be believed. */
  readonly groups: boolean;
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
  /** What the files beside the segments prove of its end. */
  readonly proof: ProofBeside;
  /** Names of the readers that it was kept for. */
  readonly readers: readonly string[];
  /** In the order of their records. */
  readonly segments: readonly Remnant[];
  /** What has been found out so far that cannot be used. */
  readonly gaps: readonly Gap[];
}

interface Found extends Omit<Remnant, 'firstLsn' | 'groups'> {
  readonly header: SegmentHeader | undefined;
}

interface FoundHolds {
  readonly holds: Holds;
  readonly logId: Uint8Array;
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
        saved: names.includes(CHECKPOINT_FILE) ? readMeta(store, CHECKPOINT) : of(undefined),
        kept: names.includes(READERS_FILE) ? readMeta(store, READERS) : of(undefined),
      });
    }),
    concatMap(({ found, saved, kept }) => {
      const checkpoint = saved && 'checkpoint' in saved ? saved : undefined;
      const gaps = [saved, kept].filter((one) => one !== undefined && 'reason' in one);
      return findLogId(store, found, checkpoint).pipe(map((logId) => putInOrder(logId, found, checkpoint, kept, gaps)));
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

/** A file beside the segments. */
interface Meta<R> {
  readonly file: string;
  readonly maxBytes: number;
  readonly decode: (bytes: Uint8Array) => R;
}

const CHECKPOINT: Meta<FoundCheckpoint> = {
  file: CHECKPOINT_FILE,
  maxBytes: MAX_CHECKPOINT_FILE_BYTES,
  decode: decodeCheckpointFile,
};
const READERS: Meta<FoundHolds> = { file: READERS_FILE, maxBytes: MAX_READERS_FILE_BYTES, decode: decodeReadersFile };

function readMeta<R extends object>(store: SegmentStore, { file, maxBytes, decode }: Meta<R>): Observable<R | Gap> {
  const lost = (reason: string): Gap => ({
    file,
    offset: 0,
    bytes: 0,
    firstLsn: 1,
    lastLsn: 0,
    reason,
    torn: false,
  });
  return withFile(store, file, (bare) => new ReadableFile(bare).read(0, maxBytes)).pipe(
    map((bytes) => {
      const meta = attempt(() => decode(bytes));
      return meta instanceof WalError ? { ...lost(reasonOf(meta)), bytes: bytes.length } : meta;
    }),
    catchError((error: unknown) => (isLost(error) ? of(lost((error as Error).message)) : throwError(() => error))),
    asIoError('Reading', file),
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
  kept: FoundHolds | Gap | undefined,
  gaps: readonly Gap[],
): Remains {
  const isOurs = (other: Uint8Array): boolean => Buffer.compare(logId, other) === 0;
  const checkpoint = saved && isOurs(saved.logId) ? saved.checkpoint : undefined;
  const holds = kept && 'holds' in kept && isOurs(kept.logId) ? kept.holds : undefined;
  const strange = [
    ...(saved && !checkpoint ? [CHECKPOINT_FILE] : []),
    ...(kept && 'holds' in kept && !holds ? [READERS_FILE] : []),
  ].map((file): Gap => ({ file, offset: 0, bytes: 0, firstLsn: 1, lastLsn: 0, reason: STRANGE, torn: false }));
  // Of a log whose readers nobody knows, nothing was on its way out for certain.
  const floorLsn = kept && !holds ? -1 : floorOf(checkpoint, holds ?? NO_HOLDS).floorLsn;
  let segments: Remnant[] = [];
  let expected = 0;
  for (const { header, ...segment } of found) {
    const groups = header?.groups ?? true;
    const remnant: Remnant =
      header && !isOurs(header.logId)
        ? { ...segment, groups, firstLsn: undefined, complaint: STRANGE, lost: true }
        : { ...segment, groups, firstLsn: header?.firstLsn ?? (segment.sequence === 0 ? 1 : undefined) };
    // What stands before a hole that no reader minds was on its way out when a crash came.
    const { firstLsn } = remnant;
    if (checkpoint && remnant.sequence !== expected && firstLsn !== undefined && firstLsn <= floorLsn + 1) {
      segments = segments.filter((before) => (before.firstLsn ?? 0) > firstLsn);
    }
    segments.push(remnant);
    expected = remnant.sequence + 1;
  }
  const readers = (holds ?? NO_HOLDS).readers.map(({ name }) => name);
  const proof = provenBeside(checkpoint, holds ?? NO_HOLDS);
  return { logId, checkpoint, proof, readers, segments: byFirstLsn(segments), gaps: [...gaps, ...strange] };
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
