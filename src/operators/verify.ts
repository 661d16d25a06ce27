import { defer, tap, type MonoTypeOperatorFunction } from 'rxjs';
import { checkFrame } from '../reading/checkFrame';
import { crcStart } from '../format/frame';
import type { StoredFrame } from '../types';

export interface VerifyOptions {
  /** Id of the log, from the segment's header. */
  readonly logId: Uint8Array;
  /** The last LSN before these frames. Default 0. */
  readonly after?: number;
  /** Name of the file, for errors. */
  readonly file?: string;
}

/**
 * Lets through the frames that are what they should be: the mirror of `checksum`. The first that is not ends the stream with a
 * `WalCorruptError` that says where.
 *
 * ```
 * source:                 --7--8--m--9--|      m: a mark that says "up to 8"
 * verify({after: 6}):     --7--8--m--9--|
 *
 * source:                 --7--9--------|      8 is gone
 * verify({after: 6}):     --7--#
 * ```
 *
 * A record must carry the next LSN; a mark or a checkpoint none past the last record's, for it was written after that record
 * had been durable.
 */
export function verify({ logId, after = 0, file = 'segment' }: VerifyOptions): MonoTypeOperatorFunction<StoredFrame> {
  const crcFrom = crcStart(logId);
  return (source) =>
    defer(() => {
      let lastLsn = after;
      return source.pipe(
        tap((frame) => {
          lastLsn = checkFrame(frame, lastLsn, crcFrom, file);
        }),
      );
    });
}
