import { concatMap, defer, forkJoin, map, of, tap, type Observable } from 'rxjs';
import { surveyBesideWriter } from '../besideWriter';
import { CHECKPOINT_FILE, MAX_CHECKPOINT_FILE_BYTES, decodeCheckpointFile } from '../format/checkpoint';
import { FRAME_OVERHEAD_BYTES, claimedPayloadBytes, crcStart, frameKind, frameLsn, isSealed } from '../format/frame';
import { HEADER_BYTES, decodeHeader } from '../format/header';
import { MAX_READERS_FILE_BYTES, READERS_FILE, decodeReadersFile } from '../format/readers';
import { asIoError } from '../ioError';
import { eachFile, withFile } from '../reading/segmentFrames';
import { NO_HOLDS } from '../retention/floor';
import { segmentName, type SegmentStore } from '../store/segmentStore';
import type { Survey } from '../survey';
import type { Checkpoint, Holds } from '../types';
import type { FilesShown, SegmentShown } from './report';

/** Segments on the map, at most. */
const MAX_SEGMENTS = 200;

/** What one look at a log's files tells. */
export interface FilesSeen {
  readonly files: FilesShown;
  readonly holds: Holds;
  readonly isEmpty: boolean;
  /** LSN of the mark that the log ends with, where it ends with one: what stands there has been synced, and nothing was written since. */
  readonly endsWithMark: number | undefined;
}

interface Saved {
  readonly checkpoint: Checkpoint | undefined;
  readonly holds: Holds;
}

interface LastSegment {
  readonly bytes: number;
  readonly endsWithMark: number | undefined;
}

/**
 * Looks at a log's files, beside whoever writes them: names, headers, sizes, the checkpoint, the last frame. Takes no lock. A look costs a listing, the
 * checkpoint and the last segment's end; headers and sizes are read anew only where there are other files than at the look before.
 */
export class FilesLook {
  #names: ReadonlySet<string> = new Set();
  #survey: Survey | undefined;
  /** Sizes of segments that no longer grow. */
  #sizes = new Map<number, number>();

  constructor(private readonly store: SegmentStore) {}

  /** Its errors are those of `survey`. */
  take(): Observable<FilesSeen> {
    return this.#surveyed().pipe(
      concatMap((found) => {
        const last = found.segments.at(-1);
        const sealed = found.segments.slice(-MAX_SEGMENTS, -1).map(({ sequence }) => sequence);
        return forkJoin({
          saved: this.#saved(),
          last: last && found.logId ? this.#last(last.sequence, found.logId) : of(undefined),
          sizes: this.#sealedSizes(sealed),
        }).pipe(map(({ saved, last: end }) => this.#seen(found, saved, end)));
      }),
    );
  }

  #surveyed(): Observable<Survey> {
    return defer(() => this.store.list()).pipe(
      asIoError('Listing', this.store.dir),
      concatMap((names) => {
        const same = names.length === this.#names.size && names.every((name) => this.#names.has(name));
        if (this.#survey && !this.#survey.headless && same) return of(this.#survey);
        return surveyBesideWriter(this.store).pipe(
          tap((found) => {
            this.#survey = found;
            this.#names = new Set(names);
          }),
        );
      }),
    );
  }

  /** Both are saved without a change of names, too. */
  #saved(): Observable<Saved> {
    const none = of(undefined);
    const read = (name: string, bytes: number): Observable<Uint8Array> =>
      withFile(this.store, name, (file) => file.read(0, bytes)).pipe(asIoError('Reading', name));
    return forkJoin({
      checkpoint: this.#names.has(CHECKPOINT_FILE)
        ? read(CHECKPOINT_FILE, MAX_CHECKPOINT_FILE_BYTES).pipe(map((bytes) => decodeCheckpointFile(bytes).checkpoint))
        : none,
      holds: this.#names.has(READERS_FILE)
        ? read(READERS_FILE, MAX_READERS_FILE_BYTES).pipe(map((bytes) => decodeReadersFile(bytes).holds))
        : of(NO_HOLDS),
    });
  }

  #sealedSizes(sequences: readonly number[]): Observable<unknown> {
    const known = this.#sizes;
    this.#sizes = new Map(
      sequences.flatMap((sequence) => {
        const bytes = known.get(sequence);
        return bytes === undefined ? [] : [[sequence, bytes] as const];
      }),
    );
    const missing = sequences.filter((sequence) => !this.#sizes.has(sequence));
    if (missing.length === 0) return of(undefined);
    return eachFile(missing, (sequence) => {
      const name = segmentName(sequence);
      return withFile(this.store, name, (file) => file.size()).pipe(
        asIoError('Reading', name),
        tap((bytes) => this.#sizes.set(sequence, bytes)),
      );
    });
  }

  #last(sequence: number, logId: Uint8Array): Observable<LastSegment> {
    const name = segmentName(sequence);
    return withFile(this.store, name, (file) =>
      forkJoin([file.size(), file.read(0, HEADER_BYTES)]).pipe(
        concatMap(([bytes, header]) => {
          // Another log may have taken the place of this one, under the same names: the next look reads all headers anew.
          if (Buffer.compare(decodeHeader(header, name).logId, logId) !== 0) this.#survey = undefined;
          const place = Math.max(HEADER_BYTES, bytes - FRAME_OVERHEAD_BYTES);
          return file
            .read(place, FRAME_OVERHEAD_BYTES)
            .pipe(map((end): LastSegment => ({ bytes, endsWithMark: markIn(end, logId) })));
        }),
      ),
    ).pipe(asIoError('Reading', name));
  }

  #seen(found: Survey, { checkpoint, holds }: Saved, last: LastSegment | undefined): FilesSeen {
    const { segments } = found;
    const shown = segments.slice(-MAX_SEGMENTS).map(({ sequence, firstLsn }, at, all): SegmentShown => {
      const next = all[at + 1];
      const bytes = next ? this.#sizes.get(sequence) : last?.bytes;
      return {
        sequence,
        firstLsn,
        ...(next ? { lastLsn: next.firstLsn - 1 } : {}),
        ...(bytes === undefined ? {} : { bytes }),
      };
    });
    const firstLsn = segments[0]?.firstLsn ?? (checkpoint?.lsn ?? 0) + 1;
    return {
      files: { segments: shown, olderSegments: segments.length - shown.length, checkpoint, firstLsn },
      holds,
      isEmpty: segments.length === 0,
      endsWithMark: last?.endsWithMark,
    };
  }
}

/** LSN of the mark that these last bytes of a segment are. */
function markIn(end: Uint8Array, logId: Uint8Array): number | undefined {
  if (end.length < FRAME_OVERHEAD_BYTES || frameKind(end, 0) !== 'mark' || claimedPayloadBytes(end, 0) !== 0)
    return undefined;
  return isSealed(end, 0, end.length, crcStart(logId)) ? frameLsn(end, 0) : undefined;
}
