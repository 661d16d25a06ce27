import { map, type MonoTypeOperatorFunction } from 'rxjs';
import { crcStart, sealFrame } from '../format/frame';
import type { Frame } from '../types';

/**
 * Fills in each frame's checksum: CRC-32 over word, LSN and payload, started from the CRC-32 of the log's id.
 *
 * ```
 * source:           --7-----8--9--|
 * checksum(logId):  --7'----8'-9'-|      the same frames, sealed
 * ```
 *
 * Length and position are covered, so a frame that was dropped, repeated, moved, or left over from another log never passes for
 * the one that belongs there.
 *
 * @param logId 8 bytes, the same for every segment of one log.
 */
export function checksum(logId: Uint8Array): MonoTypeOperatorFunction<Frame> {
  const start = crcStart(logId);
  return map((frame) => {
    sealFrame(frame.buffer, frame.start, frame.end, start);
    return frame;
  });
}
