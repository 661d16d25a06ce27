import {
  catchError,
  concatMap,
  defer,
  endWith,
  forkJoin,
  ignoreElements,
  map,
  of,
  reduce,
  tap,
  throwError,
  type Observable,
} from 'rxjs';
import { WalCorruptError } from './errors';
import { CHECKPOINT_FILE, MAX_CHECKPOINT_FILE_BYTES, decodeCheckpointFile } from './format/checkpoint';
import { MAX_READERS_FILE_BYTES, READERS_FILE, decodeReadersFile } from './format/readers';
import { HEADER_BYTES, decodeHeader, type SegmentHeader } from './format/header';
import { asIoError } from './ioError';
import { dataEnd, readChunks } from './reading/readChunks';
import { eachFile, withFile } from './reading/segmentFrames';
import { NO_HOLDS, floorOf } from './retention/floor';
import { MAX_SEQUENCE, isLeftover, segmentName, segmentSequences, type SegmentStore } from './store/segmentStore';
import type { Checkpoint, Holds, SegmentInfo } from './types';

/** What lies in a log's directory, as far as names, headers and `checkpoint.meta` tell. */
export interface Survey {
  /** Absent for a log that has no segment with a header yet. */
  readonly logId: Uint8Array | undefined;
  readonly checkpoint: Checkpoint | undefined;
  /** What `readers.meta` says: who needs the log. */
  readonly holds: Holds;
  /** Without a gap, oldest first; the last one is left out where its header cannot be read. */
  readonly segments: readonly SegmentInfo[];
  /** Segments before a gap: below the checkpoint and every reader, and on their way out when a crash came. */
  readonly orphans: readonly SegmentInfo[];
  /** Half-made files that a crash left. */
  readonly leftovers: readonly string[];
  /** The last segment, where a crash came before its header was whole: nothing stands behind that. */
  readonly headless: { readonly sequence: number; readonly bytes: number } | undefined;
}

/** The last segment, without a header. */
interface Headless {
  readonly sequence: number;
  readonly error: WalCorruptError;
}

interface Found {
  readonly sequence: number;
  readonly header: SegmentHeader | WalCorruptError;
}

/**
 * Reads names, headers and `checkpoint.meta`, and holds them against each other. Changes nothing; reads 32 bytes a segment.
 *
 * Fails with `WalCorruptError` for a segment that is missing, repeated, or another log's; `WalVersionError` for a newer format;
 * `WalIoError` for what cannot be read. Files that the log does not know are not looked at.
 */
export function survey(store: SegmentStore): Observable<Survey> {
  return store.list().pipe(
    asIoError('Listing', store.dir),
    concatMap((names) => {
      const sequences = segmentSequences(names);
      return forkJoin({
        checkpoint: names.includes(CHECKPOINT_FILE) ? readCheckpoint(store) : of(undefined),
        readers: names.includes(READERS_FILE) ? readReaders(store) : of(undefined),
        found: readHeaders(store, sequences),
        leftovers: of(names.filter(isLeftover)),
      });
    }),
    concatMap(({ checkpoint, readers, found, leftovers }) => {
      const { headless, ...judged } = judge(found, checkpoint, readers);
      if (!headless) return of({ ...judged, leftovers, headless: undefined });
      const { sequence } = headless;
      return headlessBytes(store, headless).pipe(
        map((bytes) => ({ ...judged, leftovers, headless: { sequence, bytes } })),
      );
    }),
  );
}

function readCheckpoint(store: SegmentStore): Observable<ReturnType<typeof decodeCheckpointFile>> {
  return withFile(store, CHECKPOINT_FILE, (file) => file.read(0, MAX_CHECKPOINT_FILE_BYTES)).pipe(
    asIoError('Reading', CHECKPOINT_FILE),
    map(decodeCheckpointFile),
  );
}

function readReaders(store: SegmentStore): Observable<ReturnType<typeof decodeReadersFile>> {
  return withFile(store, READERS_FILE, (file) => file.read(0, MAX_READERS_FILE_BYTES)).pipe(
    asIoError('Reading', READERS_FILE),
    map(decodeReadersFile),
  );
}

/** A log that is opened without one of its segments would go on over it. */
const MISSING = 'the store gave nothing of it';

/** A store that fails has given all that stands before the file it fails at: the failure is about the next one. */
function readHeaders(store: SegmentStore, sequences: readonly number[]): Observable<readonly Found[]> {
  const names = sequences.map(segmentName);
  return defer(() => {
    const found: Found[] = [];
    return readStarts(store, names).pipe(
      tap((starts) => {
        for (const [at, sequence] of sequences.slice(found.length, found.length + starts.length).entries()) {
          const start = starts[at];
          if (!start) throw new Error(MISSING);
          found.push({ sequence, header: headerIn(start, sequence, sequence === sequences.at(-1)) });
        }
      }),
      tap({
        complete: () => {
          if (found.length < names.length) throw new Error(MISSING);
        },
      }),
      catchError((error: unknown) =>
        throwError(() => error).pipe(asIoError('Reading', names[found.length] ?? store.dir)),
      ),
      ignoreElements(),
      endWith(found),
    );
  });
}

function readStarts(store: SegmentStore, names: readonly string[]): Observable<readonly Uint8Array[]> {
  if (store.readStarts) return store.readStarts(names, HEADER_BYTES);
  const read = (name: string): Observable<Uint8Array> => withFile(store, name, (file) => file.read(0, HEADER_BYTES));
  return eachFile(names, (name) => read(name).pipe(asIoError('Reading', name)));
}

/** The header of the last segment may be missing: a crash while it was made. That is for recovery to judge. */
function headerIn(start: Uint8Array, sequence: number, isLast: boolean): SegmentHeader | WalCorruptError {
  try {
    return decodeHeader(start, segmentName(sequence));
  } catch (error) {
    if (isLast && error instanceof WalCorruptError) return error;
    throw error;
  }
}

function judge(
  found: readonly Found[],
  saved: ReturnType<typeof decodeCheckpointFile> | undefined,
  readers: ReturnType<typeof decodeReadersFile> | undefined,
): Omit<Survey, 'leftovers' | 'headless'> & { readonly headless: Headless | undefined } {
  const checkpoint = saved?.checkpoint;
  const needed = (checkpoint?.lsn ?? 0) + 1;
  const holds = readers?.holds ?? NO_HOLDS;
  const { floorLsn } = floorOf(checkpoint, holds);
  let logId = saved?.logId;
  let whole: SegmentInfo[] = [];
  const orphans: SegmentInfo[] = [];
  let headless: Headless | undefined;
  let expected = 0;

  for (const { sequence, header } of found) {
    const refuse = (reason: string, missing = sequence): never => {
      throw new WalCorruptError({ file: segmentName(missing), offset: 0, lsn: 0, reason });
    };
    if (sequence > MAX_SEQUENCE) refuse('no log comes that far');
    const gap = sequence !== expected;
    if (header instanceof WalCorruptError) {
      // Only the segment before it can say where it begins.
      if (gap || (sequence > 0 && whole.length === 0)) throw header;
      headless = { sequence, error: header };
      break;
    }
    const { firstLsn, groups } = header;
    logId ??= header.logId;
    if (Buffer.compare(logId, header.logId) !== 0) refuse('it belongs to another log');
    const before = whole.at(-1);
    if (before && firstLsn <= before.firstLsn) {
      const reason = `it begins at LSN ${firstLsn}, and the segment before it at ${before.firstLsn}`;
      if (gap || sequence !== found.at(-1)?.sequence) refuse(reason);
      // Some file systems show old blocks: a header that never reached the disk may be another segment's.
      headless = { sequence, error: new WalCorruptError({ file: segmentName(sequence), offset: 0, lsn: 0, reason }) };
      break;
    }
    if (sequence === 0 && firstLsn !== 1) refuse(`it is the first segment and begins at LSN ${firstLsn}`);
    if (gap) {
      // What was removed from the front is gone, whoever did it, and a reader will hear of it. A hole is torn by nothing but a removal that
      // a crash interrupted, and none of those takes what a reader needs.
      const from = whole.length === 0 ? needed : floorLsn + 1;
      if (firstLsn > from)
        refuse(`it is missing: the next segment begins at LSN ${firstLsn}, and all from ${from} are needed`, expected);
      orphans.push(...whole);
      whole = [];
    }
    whole.push(groups ? { sequence, firstLsn } : { sequence, firstLsn, groups });
    expected = sequence + 1;
  }
  if (saved && whole.length === 0) {
    throw new WalCorruptError({
      file: CHECKPOINT_FILE,
      offset: 0,
      lsn: needed,
      reason: 'there is a checkpoint and no segment',
    });
  }
  if (readers) refuseStray(readers.logId, logId, whole);
  return { logId, checkpoint, holds, segments: whole, orphans, headless };
}

/** Readers are saved when a log is open, and so has a segment. */
function refuseStray(logId: Uint8Array, ours: Uint8Array | undefined, segments: readonly SegmentInfo[]): void {
  const refuse = (reason: string): never => {
    throw new WalCorruptError({ file: READERS_FILE, offset: 0, lsn: 0, reason });
  };
  if (segments.length === 0) refuse('there are readers and no segment');
  if (ours && Buffer.compare(logId, ours) !== 0) refuse('it belongs to another log');
}

/**
 * How many bytes of a header the last segment has. A header is fsync'd before the first frame is written, so with nothing but zeros
 * behind it this is the trace of a crash while the segment was made; with anything else it is damage, and fails.
 */
function headlessBytes(store: SegmentStore, { sequence, error }: Headless): Observable<number> {
  const name = segmentName(sequence);
  return withFile(store, name, (file) =>
    file.size().pipe(
      concatMap((size) =>
        readChunks(file, 0, size).pipe(
          reduce(
            ({ seen, end }, chunk) => {
              const data = dataEnd(chunk);
              return { seen: seen + chunk.length, end: data > 0 ? seen + data : end };
            },
            { seen: 0, end: 0 },
          ),
          map(({ end }) => end),
        ),
      ),
    ),
  ).pipe(
    asIoError('Reading', name),
    tap((end) => {
      if (end > HEADER_BYTES) throw error;
    }),
  );
}
