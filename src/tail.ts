import { concatMap, map, of, reduce, type Observable } from 'rxjs';
import { WalCorruptError, WalRecordError } from './errors';
import {
  FRAME_HEAD_BYTES,
  FRAME_OVERHEAD_BYTES,
  claimedPayloadBytes,
  crcStart,
  frameKind,
  frameLsn,
  isSealed,
} from './format/frame';
import { crc32 } from './format/crc';
import { readUint32 } from './format/integers';
import { readChunks } from './segmentFrames';
import type { SegmentFile } from './store/segmentStore';

export interface ExamineTailOptions {
  readonly logId: Uint8Array;
  /** Size of the file. */
  readonly size: number;
  readonly maxRecordBytes: number;
}

/** The word of every mark: kind 1, no payload. What a search for proof looks for. */
const MARK_WORD = Buffer.of(0, 0, 0, 0x40);

/**
 * Tells a torn tail from damage, behind the last valid frame of the last segment.
 *
 * Two things prove that the invalid bytes had been durable. A mark behind them, with an LSN at or past the one expected there: it was
 * written after an fsync that covered them, because no second batch is on its way while one is being committed. And a frame
 * that is whole and in its place and only the wrong one: no torn write makes that.
 *
 * @param invalid where the first invalid frame stands, and which LSN was expected.
 * @returns how many bytes the torn tail has, up to its last byte that is not zero. Fails with `WalCorruptError` for damage, and with
 *   `WalRecordError` for a valid record that is only larger than `maxRecordBytes`.
 */
export function examineTail(
  file: SegmentFile,
  invalid: WalCorruptError,
  options: ExamineTailOptions,
): Observable<number> {
  const crcFrom = crcStart(options.logId);
  return readChunks(file, invalid.offset, options.size).pipe(
    reduce((search, chunk) => search.next(chunk), new TailSearch(invalid, crcFrom)),
    concatMap((search) =>
      isWhole(file, invalid.offset, options.size, crcFrom).pipe(
        map((whole) => {
          if (whole && whole.payloadBytes > options.maxRecordBytes) {
            throw new WalRecordError(
              `${invalid.file} holds a record of ${whole.payloadBytes} bytes (LSN ${whole.lsn}) and maxRecordBytes is ` +
                `${options.maxRecordBytes}: open it with a larger maxRecordBytes`,
            );
          }
          if (whole) throw invalid;
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
    const last = chunk.findLastIndex((byte) => byte !== 0);
    if (last >= 0) this.tornBytes = this.#seen + last + 1;
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

/** Whether the frame at `offset` is whole by its own checksum, whatever it says. Reads it in pieces: its length is not to be trusted yet. */
function isWhole(
  file: SegmentFile,
  offset: number,
  size: number,
  crcFrom: number,
): Observable<{ readonly lsn: number; readonly payloadBytes: number } | undefined> {
  if (size - offset < FRAME_OVERHEAD_BYTES) return of(undefined);
  return file.read(offset, FRAME_HEAD_BYTES).pipe(
    concatMap((head) => {
      if (head.length < FRAME_HEAD_BYTES) return of(undefined);
      const payloadBytes = claimedPayloadBytes(head, 0);
      const crcAt = offset + FRAME_HEAD_BYTES + payloadBytes;
      if (crcAt + 4 > size) return of(undefined);
      const claimed = { lsn: frameLsn(head, 0), payloadBytes, kind: frameKind(head, 0) };
      return readChunks(file, offset, crcAt).pipe(
        reduce((crc, chunk) => crc32(chunk, crc), crcFrom),
        concatMap((crc) =>
          file.read(crcAt, 4).pipe(map((stored) => stored.length === 4 && readUint32(stored, 0) === crc)),
        ),
        map((whole) => (whole ? claimed : undefined)),
      );
    }),
  );
}
