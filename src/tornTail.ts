import { concatMap, map, reduce, type Observable } from 'rxjs';
import { WalCorruptError } from './errors';
import { FRAME_OVERHEAD_BYTES, crcStart, frameLsn, isSealed } from './format/frame';
import { dataEnd, readChunks } from './reading/readChunks';
import type { ReadOnlyFile } from './store/segmentStore';
import { wholeFrame, type FrameClaim } from './reading/wholeFrame';

export interface ExamineTailOptions {
  readonly logId: Uint8Array;
  /** Size of the file. */
  readonly size: number;
  /** Whether groups may stand in the segment, as its header says. */
  readonly groups: boolean | undefined;
}

/** The word of every mark: kind 1, no payload. What a search for proof looks for. */
const MARK_WORD = Buffer.of(0, 0, 0, 0x40);

/**
 * Tells a torn tail from damage, behind the last valid frame of the last segment.
 *
 * Two things prove that the invalid bytes had been durable. A mark behind them, with an LSN at or past the one expected there: it was
 * written after an fsync that covered them, because no second batch is on its way while one is being committed. And a frame
 * that is whole and in its place and only the wrong one: no torn write makes that. An earlier record alone is no proof: where a file
 * system shows old blocks, the bytes of a segment that is gone may stand where others were to be written.
 *
 * @param invalid where the first invalid frame stands, and which LSN was expected.
 * @returns how many bytes the torn tail has, up to its last byte that is not zero. Fails with `WalCorruptError` for damage.
 */
export function examineTail(
  file: ReadOnlyFile,
  invalid: WalCorruptError,
  options: ExamineTailOptions,
): Observable<number> {
  const crcFrom = crcStart(options.logId);
  return readChunks(file, invalid.offset, options.size).pipe(
    reduce((search, chunk) => search.next(chunk), new TailSearch(invalid, crcFrom)),
    concatMap((search) =>
      wholeFrame(file, invalid.offset, options.size, crcFrom).pipe(
        map((whole) => {
          if (whole && !isStale(whole, invalid, options.groups)) throw invalid;
          if (search.proof !== undefined) {
            throw new WalCorruptError({
              file: invalid.file,
              offset: invalid.offset,
              lsn: invalid.lsn,
              reason: `${invalid.reason}, and a mark at byte ${search.proof} proves that it had been durable`,
            });
          }
          return search.tornBytes;
        }),
      ),
    ),
  );
}

function isStale({ kind, lsn }: FrameClaim, invalid: WalCorruptError, groups = true): boolean {
  return (kind === 'record' || (kind === 'group' && groups)) && lsn < invalid.lsn;
}

/** Looks through the bytes behind the last valid frame, a chunk at a time. */
class TailSearch {
  /** Offset of the mark that proves damage. */
  proof: number | undefined;
  /** Bytes up to the last that is not zero. */
  tornBytes = 0;
  #seen = 0;
  #overlap: Uint8Array = new Uint8Array(0);

  constructor(
    private readonly invalid: WalCorruptError,
    private readonly crcFrom: number,
  ) {}

  next(chunk: Uint8Array): this {
    const data = dataEnd(chunk);
    if (data > 0) this.tornBytes = this.#seen + data;
    this.#seen += chunk.length;

    const bytes = Buffer.concat([this.#overlap, chunk]);
    const base = this.invalid.offset + this.#seen - bytes.length;
    let at = this.proof === undefined ? bytes.indexOf(MARK_WORD) : -1;
    while (at >= 0 && at + FRAME_OVERHEAD_BYTES <= bytes.length) {
      if (frameLsn(bytes, at) >= this.invalid.lsn && isSealed(bytes, at, at + FRAME_OVERHEAD_BYTES, this.crcFrom)) {
        this.proof = base + at;
        break;
      }
      at = bytes.indexOf(MARK_WORD, at + 1);
    }
    this.#overlap = bytes.subarray(Math.max(0, bytes.length - (FRAME_OVERHEAD_BYTES - 1)));
    return this;
  }
}
