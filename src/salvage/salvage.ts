import { EMPTY, concat, concatMap, defer, from, map, tap, type Observable } from 'rxjs';
import { asIoError } from '../ioError';
import { withFile } from '../reading/segmentFrames';
import { segmentName, type SegmentStore } from '../store/segmentStore';
import { lostAtTheEnd } from '../provenBeside';
import type { Checkpoint } from '../types';
import type { Gap } from './gap';
import { ReadableFile } from './readable';
import { lookAround, type Remains, type Remnant } from './remains';
import { SegmentScan, type Salvaged } from './segmentScan';

/**
 * Prepares to read what can be proven of a log, whatever has happened to it. Changes nothing.
 *
 * Where strict reading stops, this goes on: behind the damage it looks for the next frame that is whole by its own checksum. That starts
 * from the log's id and covers the LSN, so a frame of another log does not count, and one that has moved is where its LSN says. Names are
 * not trusted where headers tell otherwise, nor headers where frames do. Blocks that the disk cannot read are gaps.
 *
 * Fails with `WalIoError` only for what may be gone at the next try (EMFILE, EACCES).
 */
export function salvage(store: SegmentStore, maxRecordBytes: number): Observable<Salvage> {
  return lookAround(store).pipe(map((remains) => new Salvage(store, maxRecordBytes, remains)));
}

/** A log as far as it can be proven. Read once, from the first segment to the last. */
export class Salvage {
  /** The newest checkpoint that `checkpoint.meta` tells of or, where that is lost, the log as far as it has been read. */
  checkpoint: Checkpoint | undefined;
  /** The last record there, or known to be lost; absent before the first. */
  #lastLsn: number | undefined;

  constructor(
    private readonly store: SegmentStore,
    private readonly maxRecordBytes: number,
    private readonly remains: Remains,
  ) {
    this.checkpoint = remains.checkpoint;
  }

  /** In the order of their records. */
  get segments(): readonly Remnant[] {
    return this.remains.segments;
  }

  /** Names of the readers that the log was kept for. */
  get readers(): readonly string[] {
    return this.remains.readers;
  }

  /** What the names and `checkpoint.meta` tell. */
  get gaps(): readonly Gap[] {
    return this.remains.gaps;
  }

  /** All of it: each record once, in LSN order, and each gap where it stands. */
  all(): Observable<Salvaged> {
    const told = (gaps: readonly Gap[]): Observable<Salvaged> => from(gaps).pipe(map((gap) => ({ gap })));
    return concat(
      told(this.gaps),
      from(this.segments.keys()).pipe(concatMap((index) => this.segment(index))),
      defer(() => told(this.end())),
    );
  }

  /** One segment, and what is missing before it. */
  segment(index: number): Observable<Salvaged> {
    return defer(() => {
      const segment = this.segments[index];
      if (!segment) return EMPTY;
      const missing = this.#missingBefore(segment, this.segments[index - 1]);
      return concat(from(missing), segment.lost ? from(this.#lose(segment, index)) : this.#scan(segment, index));
    });
  }

  /** What only the end of the log tells. */
  end(): readonly Gap[] {
    const { proof } = this.remains;
    const lastLsn = this.#lastLsn ?? 0;
    const reason = lostAtTheEnd(lastLsn, proof);
    if (reason === undefined) return [];
    const last = this.segments.at(-1);
    return [
      {
        file: last ? segmentName(last.sequence) : proof.file,
        offset: last?.size ?? 0,
        bytes: 0,
        firstLsn: lastLsn + 1,
        lastLsn: proof.lsn,
        reason,
        torn: false,
      },
    ];
  }

  /** Records that are not there, by what the header says. */
  *#missingBefore({ sequence, firstLsn }: Remnant, before: Remnant | undefined): Generator<Salvaged> {
    if (firstLsn === undefined) return;
    const needed = this.#lastLsn === undefined ? (this.remains.checkpoint?.lsn ?? 0) + 1 : this.#lastLsn + 1;
    this.#lastLsn = Math.max(this.#lastLsn ?? 0, firstLsn - 1);
    if (firstLsn <= needed) return;
    const missing = (before?.sequence ?? -1) + 1;
    const isThere = missing >= sequence;
    const gap: Gap = {
      file: segmentName(isThere ? sequence : missing),
      offset: 0,
      bytes: 0,
      firstLsn: needed,
      lastLsn: firstLsn - 1,
      reason: isThere
        ? `it begins at LSN ${firstLsn}`
        : `it is missing: ${segmentName(sequence)} begins at LSN ${firstLsn}`,
      torn: false,
    };
    yield { gap };
  }

  /** A segment of which nothing can be used. */
  *#lose({ sequence, size, complaint = '' }: Remnant, index: number): Generator<Salvaged> {
    const next = this.segments[index + 1]?.firstLsn;
    const firstLsn = (this.#lastLsn ?? this.remains.checkpoint?.lsn ?? 0) + 1;
    const lastLsn = next === undefined ? undefined : Math.max(next, firstLsn) - 1;
    this.#lastLsn = lastLsn ?? this.#lastLsn;
    const file = segmentName(sequence);
    yield { gap: { file, offset: 0, bytes: size, firstLsn, lastLsn, reason: complaint, torn: false } };
  }

  #scan({ sequence, size, firstLsn, groups, complaint }: Remnant, index: number): Observable<Salvaged> {
    const name = segmentName(sequence);
    const behind = this.segments.slice(index + 1);
    const own = firstLsn ?? this.#lastLsn ?? 0;
    return withFile(this.store, name, (file) => {
      const scan = new SegmentScan(new ReadableFile(file), {
        logId: this.remains.logId,
        maxRecordBytes: this.maxRecordBytes,
        size,
        firstLsn,
        groups,
        complaint,
        lastLsn: this.#lastLsn,
        bound: behind.find((later) => (later.firstLsn ?? 0) > own)?.firstLsn ?? Infinity,
        // Where a segment is missing in between, the next one tells of that.
        nextFirstLsn: behind[0]?.sequence === sequence + 1 ? behind[0].firstLsn : undefined,
        isLast: behind.length === 0,
        checkpointLsn: this.remains.checkpoint?.lsn ?? 0,
        besideLsn: this.remains.proof.lsn,
      });
      return scan.run().pipe(
        tap({
          complete: () => {
            if (scan.lastLsn > 0) this.#lastLsn = scan.lastLsn;
            this.checkpoint = newer(this.checkpoint, this.remains.checkpoint ? undefined : scan.checkpoint);
          },
        }),
      );
    }).pipe(asIoError('Reading', name));
  }
}

function newer(one: Checkpoint | undefined, other: Checkpoint | undefined): Checkpoint | undefined {
  return one && other && one.lsn > other.lsn ? one : (other ?? one);
}
