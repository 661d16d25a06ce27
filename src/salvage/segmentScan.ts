import { EMPTY, catchError, concat, concatMap, defer, from, map, of, throwError, type Observable } from 'rxjs';
import { WalCorruptError, WalRecordError } from '../errors';
import { decodeCheckpoint } from '../format/checkpoint';
import { crcStart, framePayload } from '../format/frame';
import { lsnBehind, recordsIn } from '../format/group';
import { HEADER_BYTES, MAX_FIRST_LSN } from '../format/header';
import { segmentFrames } from '../reading/segmentFrames';
import { examineTail } from '../tornTail';
import type { Checkpoint, FrameKind, StoredFrame } from '../types';
import { whileMore } from '../whileMore';
import type { Gap } from './gap';
import { FIRST_BYTES, nextFrame } from './nextFrame';
import type { ReadableFile } from './readable';

/** What salvage comes upon: a record or a group of them, or a place where something cannot be proven. In the order of the log. */
export type Salvaged =
  | {
      readonly frame: StoredFrame;
      /** The first record of it that is wanted: of a group, an earlier segment may have had some already. */
      readonly firstLsn: number;
      /** Name of the file that it stands in. */
      readonly file: string;
    }
  | { readonly gap: Gap };

export interface SegmentScanOptions {
  readonly logId: Uint8Array;
  readonly maxRecordBytes: number;
  /** Size of the file. */
  readonly size: number;
  /** What the header says; absent where it cannot be believed. */
  readonly firstLsn: number | undefined;
  /** Whether groups may stand in it, as the header says. */
  readonly groups: boolean;
  /** Why the header cannot be believed. */
  readonly complaint: string | undefined;
  /** The last record before this segment, there or lost; absent where nothing tells. */
  readonly lastLsn: number | undefined;
  /** A later segment begins there: nothing in this one reaches it. */
  readonly bound: number;
  /** What the very next segment says of its first record; absent where there is none, or it does not tell. */
  readonly nextFirstLsn: number | undefined;
  /** This is where the log ends: a crash may have torn it. */
  readonly isLast: boolean;
  /** The checkpoint's LSN: known to have been durable, and not needed any more. */
  readonly checkpointLsn: number;
  /** Up to here a file beside the segments proves the log to have been durable. */
  readonly besideLsn: number;
}

/** Records that can be lost at one place: as many as fit into a gigabyte. A frame that claims more is none of ours. */
const MOST_LOST = 2 ** 26;

/** Bytes that may be read, and checksummed in searches, for each byte of the file: bytes made to look like frames would take for ever otherwise. */
const SEARCH_FACTOR = 64;
const SEARCH_BYTES = 16 * 1024 * 1024;

/** Where the proof ends, up to the next record. */
interface Break {
  readonly offset: number;
  readonly reason: string;
  /** What strict reading says of it; absent for a header that cannot be believed. */
  readonly invalid?: WalCorruptError;
}

/** Records that an earlier segment has had. */
interface Repetition {
  readonly offset: number;
  readonly end: number;
  readonly firstLsn: number;
  readonly lastLsn: number;
}

/** Reads one segment as far as it can be proven. Used once. */
export class SegmentScan {
  /** The last record there, or known to be lost; 0 before the first. */
  lastLsn: number;
  /** The newest checkpoint among the frames. */
  checkpoint: Checkpoint | undefined;

  /** Offset of the next frame. */
  #at = HEADER_BYTES;
  /** The LSN before it, as this segment counts. */
  #after: number;
  /** Whether something says so: the records before, or the header. */
  #anchored: boolean;
  #searching = false;
  /** Where a search has found what is to be read next. */
  #foundAt: number | undefined;
  #break: Break | undefined;
  #repetition: Repetition | undefined;
  /** The highest LSN that a mark behind the break says had been durable. */
  #provenLsn = 0;
  #done = false;
  /** Bytes that may still be checksummed in searches. */
  readonly #budget: { bytes: number };
  /** Bytes that may be read in all, so that what stands behind a break comes to an end. */
  readonly #mostRead: number;

  constructor(
    private readonly file: ReadableFile,
    private readonly options: SegmentScanOptions,
  ) {
    const { firstLsn, lastLsn, complaint, size } = options;
    this.#after = firstLsn === undefined ? (lastLsn ?? 0) : firstLsn - 1;
    this.lastLsn = lastLsn ?? this.#after;
    this.#anchored = firstLsn !== undefined || lastLsn !== undefined;
    this.#break = complaint === undefined ? undefined : { offset: 0, reason: complaint };
    this.#budget = { bytes: SEARCH_FACTOR * size + SEARCH_BYTES };
    this.#mostRead = file.bytesRead + this.#budget.bytes;
  }

  run(): Observable<Salvaged> {
    return defer(() => {
      if (this.#break && this.file.bytesRead > this.#mostRead) return this.#finish(this.options.size);
      return this.#searching ? this.#search() : this.#read();
    }).pipe(whileMore(() => !this.#done));
  }

  /** Frames, up to the first that is not valid. */
  #read(): Observable<Salvaged> {
    const { logId, maxRecordBytes, size, groups } = this.options;
    const at = { after: this.#after, from: this.#at, ...(this.#break && { firstBytes: FIRST_BYTES }) };
    const frames = segmentFrames(this.file, { logId, maxRecordBytes, size, groups, ...at });
    return concat(
      frames.pipe(
        concatMap((frame) => this.#accept(frame)),
        catchError((error: unknown) => {
          if (!(error instanceof WalCorruptError) && !(error instanceof WalRecordError)) return throwError(() => error);
          this.#searching = true;
          // A group whose checksum is right and whose records do not fit it is none.
          if (this.#at === this.#foundAt) this.#at += 1;
          this.#break ??= this.#breakOf(error);
          return EMPTY;
        }),
      ),
      defer(() => (this.#searching ? EMPTY : this.#finish(this.#at))),
    );
  }

  #breakOf(error: WalCorruptError | WalRecordError): Break {
    const [offset, lsn] = [this.#at, this.#after + 1];
    if (error instanceof WalCorruptError) return { offset, reason: error.reason, invalid: error };
    const reason = error.message;
    return { offset, reason, invalid: new WalCorruptError({ file: this.file.name, offset, lsn, reason }) };
  }

  #accept(frame: StoredFrame): Observable<Salvaged> {
    this.#at = frame.offset + (frame.end - frame.start);
    if (frame.kind === 'checkpoint') {
      this.checkpoint = decodeCheckpoint(framePayload(frame.buffer, frame.start, frame.end)) ?? this.checkpoint;
    }
    if (recordsIn(frame) === 0) return EMPTY;
    const lastLsn = (this.#after = lsnBehind(frame, 0));
    const isRepeated = this.#anchored && frame.lsn <= this.lastLsn;
    if (isRepeated && lastLsn <= this.lastLsn) return from(this.#repeat(frame, lastLsn));
    const firstLsn = isRepeated ? this.lastLsn + 1 : frame.lsn;
    const found = [
      ...(isRepeated ? this.#repeat(frame, this.lastLsn) : []),
      ...this.#endRepetition(),
      ...this.#mend(frame.offset, firstLsn - 1),
      { frame, firstLsn, file: this.file.name },
    ];
    this.lastLsn = lastLsn;
    this.#anchored = true;
    return from(found);
  }

  /** Looks for the next frame behind the break, wherever it begins. */
  #search(): Observable<Salvaged> {
    const { logId, maxRecordBytes, size } = this.options;
    return nextFrame(this.file, this.#at, {
      size,
      crcFrom: crcStart(logId),
      maxRecordBytes,
      accepts: (kind, lsn) => this.#mayStand(kind, lsn),
      budget: this.#budget,
    }).pipe(
      concatMap(({ found, end }) => {
        if (!found) return this.#finish(end);
        this.#searching = false;
        if (found.kind === 'record' || found.kind === 'group') {
          this.#after = found.lsn - 1;
          this.#at = this.#foundAt = found.offset;
        } else {
          // It says what had been durable, not what comes next: a record will tell that.
          if (found.lsn > this.#after) this.#provenLsn = Math.max(this.#provenLsn, found.lsn);
          this.#at = found.offset + found.bytes;
        }
        return EMPTY;
      }),
    );
  }

  /** Whether a frame that says so of itself can be one of this place. */
  #mayStand(kind: FrameKind, lsn: number): boolean {
    if (lsn > MAX_FIRST_LSN || lsn >= this.options.bound) return false;
    if (kind === 'group' && !this.options.groups) return false;
    if (kind === 'mark' || kind === 'checkpoint') return true;
    return lsn > this.#after && (!this.#anchored || lsn - this.#after <= MOST_LOST);
  }

  /** @param end where the bytes end that are not zeros. */
  #finish(end: number): Observable<Salvaged> {
    this.#done = true;
    const { nextFirstLsn = 0 } = this.options;
    const durableLsn = Math.max(nextFirstLsn - 1, this.#provenLsn);
    return this.#isTorn(end).pipe(
      concatMap((torn) => {
        const found = [...this.#endRepetition()];
        if (durableLsn > this.lastLsn) {
          this.#break ??= {
            offset: end,
            reason: `the segment ends with LSN ${this.lastLsn}, and LSN ${durableLsn} was durable`,
          };
        }
        const isKnown = nextFirstLsn > 0 || durableLsn > this.lastLsn;
        found.push(...this.#mend(end, isKnown ? Math.max(durableLsn, this.lastLsn) : undefined, torn));
        this.lastLsn = Math.max(this.lastLsn, durableLsn);
        return from(found);
      }),
    );
  }

  /** Whether the break is what a crash may leave at the end of a log. */
  #isTorn(end: number): Observable<boolean> {
    const { isLast, besideLsn, logId, size, groups } = this.options;
    const isProven = this.lastLsn < besideLsn || this.#provenLsn > this.lastLsn;
    // What cannot be read may have been anything.
    if (!this.#break || !isLast || isProven || this.file.hasBadPlace) return of(false);
    const { invalid } = this.#break;
    // Half a header and nothing behind it: the trace of a crash while the segment was made.
    if (!invalid) return of(end <= HEADER_BYTES);
    return examineTail(this.file, invalid, { logId, size, groups }).pipe(
      map(() => true),
      catchError((error: unknown) => (error instanceof WalCorruptError ? of(false) : throwError(() => error))),
    );
  }

  /** The gap that ends here, where one is open. */
  *#mend(end: number, lostLsn: number | undefined, torn = false): Generator<Salvaged> {
    if (!this.#break) return;
    const { offset, reason } = this.#break;
    this.#break = undefined;
    // Where nothing says what the first record was, those below the checkpoint count as removed.
    const expected = this.#anchored ? this.lastLsn + 1 : this.options.checkpointLsn + 1;
    const firstLsn = lostLsn === undefined ? expected : Math.min(expected, lostLsn + 1);
    const bytes = Math.max(0, Math.min(end, this.options.size) - offset);
    yield { gap: { file: this.file.name, offset, bytes, firstLsn, lastLsn: lostLsn, reason, torn } };
  }

  /** One more frame whose records, up to `lastLsn`, have been there before. */
  *#repeat({ lsn, offset }: StoredFrame, lastLsn: number): Generator<Salvaged> {
    const before = this.#repetition;
    if (before?.end !== offset) yield* this.#endRepetition();
    const { offset: from, firstLsn } = this.#repetition ?? { offset, firstLsn: lsn };
    this.#repetition = { offset: from, end: this.#at, firstLsn, lastLsn };
  }

  *#endRepetition(): Generator<Salvaged> {
    if (!this.#repetition) return;
    const { offset, end, firstLsn, lastLsn } = this.#repetition;
    this.#repetition = undefined;
    const reason = `LSN ${firstLsn} to ${lastLsn} stand here once more`;
    const next = this.lastLsn + 1;
    yield {
      gap: {
        file: this.file.name,
        offset,
        bytes: end - offset,
        firstLsn: next,
        lastLsn: next - 1,
        reason,
        torn: false,
      },
    };
  }
}
