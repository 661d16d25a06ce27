import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  defer,
  forkJoin,
  from,
  ignoreElements,
  map,
  of,
  tap,
  throwError,
  type Observable,
} from 'rxjs';
import { WalCorruptError, type CorruptionPlace } from '../errors';
import { framesFrom, isVanished, judgeTail, surveyBesideWriter } from '../besideWriter';
import { CHECKPOINT_FILE, MAX_CHECKPOINT_FILE_BYTES, decodeCheckpointFile } from '../format/checkpoint';
import { FRAME_OVERHEAD_BYTES } from '../format/frame';
import { GROUP_COUNT_BYTES, GROUP_LENGTH_BYTES, lsnBehind, recordsIn } from '../format/group';
import { HEADER_BYTES, decodeHeader, type SegmentHeader } from '../format/header';
import { asIoError } from '../ioError';
import { eachFile, withFile } from '../reading/segmentFrames';
import { lostAtTheEnd, provenBeside } from '../provenBeside';
import { segmentName, segmentSequences, type SegmentStore } from '../store/segmentStore';
import type { Survey } from '../survey';
import type { Checkpoint, Holds, StoredFrame } from '../types';
import { keptFacts, readHolds, type KeptFacts } from './keptFacts';

/** A place at which a log is not what it should be. */
export interface Spot extends CorruptionPlace {
  /** `torn`: a crash may honestly leave it. `damaged`: nothing but harm explains it. */
  readonly kind: 'torn' | 'damaged';
  /** Bytes of a torn tail; of damage, what stands from there to the end of the file. */
  readonly bytes: number;
}

/** One segment, read from end to end. */
export interface SegmentFacts {
  readonly file: string;
  readonly sequence: number;
  /** Size of the file. */
  readonly bytes: number;
  /** Offset behind the last valid frame. */
  readonly validBytes: number;
  /** Bytes behind it that are zeros laid ahead. */
  readonly zeroBytes: number;
  readonly firstLsn: number;
  /** `firstLsn - 1` where it holds no record. */
  readonly lastLsn: number;
  readonly records: number;
  readonly payloadBytes: number;
  readonly marks: number;
  readonly checkpoints: number;
  readonly spot: Spot | undefined;
}

/** Everything that reading a log's directory from end to end tells. */
export interface LogFacts {
  readonly dir: string;
  readonly verdict: 'whole' | 'torn' | 'damaged';
  /** `closed`: it ends with a mark for its last record. `open`: it is being written, or was left by a crash. */
  readonly state: 'closed' | 'open' | 'empty';
  /** In hex; absent where no segment has a header. */
  readonly logId: string | undefined;
  readonly checkpoint: Checkpoint | undefined;
  readonly kept: KeptFacts;
  readonly segments: readonly SegmentFacts[];
  /** Files that a crash left half made, or that a checkpoint had begun to remove: the next opening removes them. */
  readonly leftovers: readonly string[];
  readonly spots: readonly Spot[];
  readonly firstLsn: number;
  readonly lastLsn: number;
  /** The newest LSN that a mark names: up to there every record is proven to be durable. */
  readonly markedLsn: number;
  readonly records: number;
  readonly marks: number;
  readonly checkpoints: number;
  /** Size of the segments. */
  readonly bytes: number;
  readonly payloadBytes: number;
}

export interface ExamineOptions {
  readonly maxRecordBytes: number;
  /** Sees every valid frame, and the segment that it is in. */
  readonly onFrame?: (frame: StoredFrame, file: string) => void;
  /** Is told the size of all segments, and then how many bytes have been gone through. */
  readonly progress?: { expect(bytes: number): void; add(bytes: number): void };
}

/**
 * Reads every frame of every segment, and tells what is there. Changes nothing and takes no lock. Damage does not end it: each
 * segment is read up to its own first invalid frame. Fails with `WalIoError`, `WalVersionError`, and `WalRecordError` for a record above
 * `maxRecordBytes`.
 */
export function examineLog(store: SegmentStore, options: ExamineOptions): Observable<LogFacts> {
  return surveyBesideWriter(store).pipe(
    map((found): Found => ({ found, refusal: undefined })),
    catchError((error: unknown) =>
      error instanceof WalCorruptError ? of<Found>({ found: undefined, refusal: error }) : throwError(() => error),
    ),
    concatMap(({ found, refusal }) =>
      store.list().pipe(
        asIoError('Listing', store.dir),
        concatMap((names) => {
          const wanted = found ? surveyed(found) : segmentSequences(names);
          return eachFile(wanted, (sequence) => lookInto(store, sequence)).pipe(
            concatMap((looks) =>
              forkJoin([readCheckpoint(store, found, names), found ? of(found.holds) : readHolds(store, names)]).pipe(
                concatMap(([saved, holds]) => {
                  const inspector = new Inspector(store, options, found, refusal, saved, holds);
                  return inspector.read(looks.filter((look) => look !== undefined));
                }),
              ),
            ),
          );
        }),
      ),
    ),
  );
}

interface Found {
  readonly found: Survey | undefined;
  readonly refusal: WalCorruptError | undefined;
}

/** A segment before its frames are read. */
interface Look {
  readonly sequence: number;
  readonly bytes: number;
  readonly header: SegmentHeader | WalCorruptError;
}

/** What the survey saw, and has found to be without a gap. What has come since is left for another look. */
function surveyed({ segments, headless }: Survey): number[] {
  return [...segments.map(({ sequence }) => sequence), ...(headless ? [headless.sequence] : [])];
}

type Saved = ReturnType<typeof decodeCheckpointFile> | undefined;

/** Size and header; nothing for a segment that a checkpoint has removed meanwhile. */
function lookInto(store: SegmentStore, sequence: number): Observable<Look | undefined> {
  const name = segmentName(sequence);
  return withFile(store, name, (file) =>
    file
      .size()
      .pipe(
        concatMap((bytes) =>
          file.read(0, HEADER_BYTES).pipe(map((head): Look => ({ sequence, bytes, header: headerOf(head, name) }))),
        ),
      ),
  ).pipe(
    asIoError('Reading', name),
    catchError((error: unknown) => (isVanished(error) ? of(undefined) : throwError(() => error))),
  );
}

function headerOf(bytes: Uint8Array, name: string): SegmentHeader | WalCorruptError {
  try {
    return decodeHeader(bytes, name);
  } catch (error) {
    if (error instanceof WalCorruptError) return error;
    throw error;
  }
}

/** What `checkpoint.meta` says, where the survey did not get so far. */
function readCheckpoint(store: SegmentStore, found: Survey | undefined, names: readonly string[]): Observable<Saved> {
  if (found)
    return of(found.checkpoint && found.logId ? { checkpoint: found.checkpoint, logId: found.logId } : undefined);
  if (!names.includes(CHECKPOINT_FILE)) return of(undefined);
  return withFile(store, CHECKPOINT_FILE, (file) => file.read(0, MAX_CHECKPOINT_FILE_BYTES)).pipe(
    asIoError('Reading', CHECKPOINT_FILE),
    map((bytes) => {
      try {
        return decodeCheckpointFile(bytes);
      } catch (error) {
        if (error instanceof WalCorruptError) return undefined;
        throw error;
      }
    }),
  );
}

class Inspector {
  readonly #segments: SegmentFacts[] = [];
  readonly #spots: Spot[] = [];
  #markedLsn = 0;
  #closed = false;

  constructor(
    private readonly store: SegmentStore,
    private readonly options: ExamineOptions,
    private readonly found: Survey | undefined,
    private readonly refusal: WalCorruptError | undefined,
    private readonly saved: Saved,
    private readonly holds: Holds,
  ) {}

  read(looks: readonly Look[]): Observable<LogFacts> {
    this.options.progress?.expect(looks.reduce((sum, { bytes }) => sum + bytes, 0));
    const all = from(looks.entries()).pipe(
      concatMap(([index, look]) => this.#segment(look, looks[index - 1], looks[index + 1])),
      tap((facts) => {
        this.#segments.push(facts);
        if (facts.spot) this.#spots.push(facts.spot);
      }),
      ignoreElements(),
    );
    return concat(
      all,
      defer(() => of(this.#facts())),
    );
  }

  #segment(look: Look, before: Look | undefined, next: Look | undefined): Observable<SegmentFacts> {
    const { sequence, bytes, header } = look;
    const file = segmentName(sequence);
    const empty: SegmentFacts = {
      file,
      sequence,
      bytes,
      validBytes: 0,
      zeroBytes: 0,
      firstLsn: 0,
      lastLsn: -1,
      records: 0,
      payloadBytes: 0,
      marks: 0,
      checkpoints: 0,
      spot: undefined,
    };
    if (!this.found) this.#missing(look, before);
    if (header instanceof WalCorruptError) {
      const headless = this.found?.headless?.sequence === sequence ? this.found.headless : undefined;
      const reason = headless ? 'a crash came before its header was whole' : header.reason;
      const kind = headless ? 'torn' : 'damaged';
      const torn = headless?.bytes ?? bytes;
      this.options.progress?.add(bytes);
      return of({ ...empty, spot: { kind, file, offset: 0, bytes: torn, lsn: 0, reason } });
    }
    return this.#frames({ ...empty, firstLsn: header.firstLsn, lastLsn: header.firstLsn - 1 }, header, next);
  }

  /** Notes the segments that should stand between two that are there. */
  #missing({ sequence, header }: Look, before: Look | undefined): void {
    const expected = before ? before.sequence + 1 : 0;
    if (sequence === expected || header instanceof WalCorruptError) return;
    const needed = (this.saved?.checkpoint.lsn ?? 0) + 1;
    if (header.firstLsn <= needed) return;
    const reason = `it is missing: the next segment begins at LSN ${header.firstLsn}, and all from ${needed} are needed`;
    this.#spots.push({ kind: 'damaged', file: segmentName(expected), offset: 0, bytes: 0, lsn: 0, reason });
  }

  #frames(empty: SegmentFacts, { logId, groups }: SegmentHeader, next: Look | undefined): Observable<SegmentFacts> {
    const { file: name, firstLsn, bytes } = empty;
    const { maxRecordBytes, onFrame, progress } = this.options;
    let at: SegmentFacts = { ...empty, validBytes: HEADER_BYTES };
    let told = 0;
    const tell = (offset: number): void => {
      progress?.add(offset - told);
      told = offset;
    };
    return withFile(this.store, name, (file) =>
      concat(
        framesFrom(file, { logId, offset: HEADER_BYTES, after: firstLsn - 1, maxRecordBytes, groups }).pipe(
          tap((frame) => {
            at = withFrame(at, frame);
            this.#closed = frame.kind === 'mark' && frame.lsn === at.lastLsn;
            if (frame.kind === 'mark') this.#markedLsn = Math.max(this.#markedLsn, frame.lsn);
            if (at.validBytes - told >= PROGRESS_BYTES) tell(at.validBytes);
            onFrame?.(frame, name);
          }),
          ignoreElements(),
          catchError((error: unknown) => {
            if (!(error instanceof WalCorruptError)) return throwError(() => error);
            const damaged = (what: CorruptionPlace): void => {
              at = { ...at, spot: spotOf('damaged', what, bytes - what.offset) };
            };
            if (next) {
              damaged(error);
              return EMPTY;
            }
            return judgeTail(file, error, { logId, maxRecordBytes, groups }).pipe(
              tap((torn) => {
                if (torn > 0) at = { ...at, spot: spotOf('torn', error, torn) };
              }),
              ignoreElements(),
              catchError((worse: unknown) => {
                if (!(worse instanceof WalCorruptError)) return throwError(() => worse);
                damaged(worse);
                return EMPTY;
              }),
            );
          }),
        ),
        defer(() => {
          tell(bytes);
          if (at.spot) return of(at);
          return of({ ...at, zeroBytes: Math.max(0, bytes - at.validBytes), spot: this.#cutShort(at, next, logId) });
        }),
      ),
    ).pipe(
      asIoError('Reading', name),
      catchError((error: unknown) => (isVanished(error) ? EMPTY : throwError(() => error))),
    );
  }

  /** A segment whose frames are all valid, and that ends before what something else proves to have been there. */
  #cutShort(at: SegmentFacts, next: Look | undefined, logId: Uint8Array): Spot | undefined {
    const here = { file: at.file, offset: at.validBytes, lsn: at.lastLsn + 1 };
    if (next && !(next.header instanceof WalCorruptError)) {
      // What belongs to another log proves nothing of this one.
      if (Buffer.compare(next.header.logId, logId) !== 0) return undefined;
      const due = next.header.firstLsn - 1;
      if (at.lastLsn === due || next.sequence !== at.sequence + 1) return undefined;
      return spotOf(
        'damaged',
        { ...here, reason: `the segment ends with LSN ${at.lastLsn}, and LSN ${due} was durable` },
        0,
      );
    }
    const reason = lostAtTheEnd(at.lastLsn, provenBeside(this.saved?.checkpoint, this.holds));
    return next || reason === undefined ? undefined : spotOf('damaged', { ...here, reason }, 0);
  }

  #facts(): LogFacts {
    const { found, refusal, saved } = this;
    const segments = this.#segments;
    const spots = [...this.#spots];
    // What the survey refused may be none of the above: another log's segment, LSNs that go back, a harmed checkpoint.meta.
    if (refusal && !spots.some(({ file, offset }) => file === refusal.file && offset === refusal.offset)) {
      const size = segments.find(({ file }) => file === refusal.file)?.bytes ?? 0;
      spots.unshift(spotOf('damaged', refusal, Math.max(0, size - refusal.offset)));
    }
    const whole = segments.filter(({ firstLsn }) => firstLsn > 0);
    const sum = (of: (facts: SegmentFacts) => number): number =>
      segments.reduce((total, facts) => total + of(facts), 0);
    const logId = found?.logId ?? saved?.logId;
    const lastLsn = whole.at(-1)?.lastLsn ?? saved?.checkpoint.lsn ?? 0;
    const firstLsn = whole[0]?.firstLsn ?? lastLsn + 1;
    const verdict = spots.some(({ kind }) => kind === 'damaged') ? 'damaged' : spots.length > 0 ? 'torn' : 'whole';
    return {
      dir: this.store.dir,
      verdict,
      state: segments.length === 0 ? 'empty' : this.#closed && verdict === 'whole' ? 'closed' : 'open',
      logId: logId && Buffer.from(logId).toString('hex'),
      checkpoint: saved?.checkpoint,
      segments,
      leftovers: [...(found?.orphans.map(({ sequence }) => segmentName(sequence)) ?? []), ...(found?.leftovers ?? [])],
      spots,
      firstLsn,
      kept: keptFacts(saved?.checkpoint, this.holds, { firstLsn, lastLsn }),
      lastLsn,
      markedLsn: this.#markedLsn,
      records: sum(({ records }) => records),
      marks: sum(({ marks }) => marks),
      checkpoints: sum(({ checkpoints }) => checkpoints),
      bytes: sum(({ bytes }) => bytes),
      payloadBytes: sum(({ payloadBytes }) => payloadBytes),
    };
  }
}

/** Bytes between one word to the progress bar and the next. */
const PROGRESS_BYTES = 1024 * 1024;

function withFrame(facts: SegmentFacts, frame: StoredFrame): SegmentFacts {
  const { kind, lsn, offset, start, end } = frame;
  const validBytes = offset + (end - start);
  switch (kind) {
    case 'record': {
      const payloadBytes = facts.payloadBytes + (end - start - FRAME_OVERHEAD_BYTES);
      return { ...facts, validBytes, lastLsn: lsn, records: facts.records + 1, payloadBytes };
    }
    case 'group': {
      const records = recordsIn(frame);
      const lengths = GROUP_COUNT_BYTES + records * GROUP_LENGTH_BYTES;
      const payloadBytes = facts.payloadBytes + (end - start - FRAME_OVERHEAD_BYTES - lengths);
      const lastLsn = lsnBehind(frame, lsn);
      return { ...facts, validBytes, lastLsn, records: facts.records + records, payloadBytes };
    }
    case 'mark':
      return { ...facts, validBytes, marks: facts.marks + 1 };
    case 'checkpoint':
      return { ...facts, validBytes, checkpoints: facts.checkpoints + 1 };
  }
}

function spotOf(kind: Spot['kind'], { file, offset, lsn, reason }: CorruptionPlace, bytes: number): Spot {
  return { kind, file, offset, bytes, lsn, reason };
}
