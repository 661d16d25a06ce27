import { defer, map, type OperatorFunction } from 'rxjs';
import { bytesBetween } from '../format/bytesBetween';
import { CRC_BYTES, FRAME_HEAD_BYTES, layHead } from '../format/frame';
import { ARENA_BUFFER_BYTES, FrameArena } from '../format/frameArena';
import type { Frame, Payload } from '../types';

export interface FrameOptions {
  /** The last LSN already taken; the first frame gets the next one. Default 0. */
  readonly after?: number;
  /** Payloads that are copied are laid side by side into buffers of this many bytes. Default 256 KiB. */
  readonly bufferBytes?: number;
}

/**
 * Gives each payload its LSN and lays it out as a frame, all but the checksum.
 *
 * ```
 * source:            --A-----B--C--|
 * frame({after: 6}): --7-----8--9--|     each the frame with that LSN
 * ```
 *
 * A group is one frame and takes an LSN for each of its records; the frame has that of the first. Here `G` has three:
 *
 * ```
 * source:            --A-----G--C--|
 * frame({after: 6}): --7-----8--(11)--|
 * ```
 *
 * Frames made one after another stand side by side in one buffer, so `commit` can hand a whole batch to the operating system
 * in one piece, without copying it together (the group commit arena of many databases). Where a payload stands in such a buffer already, with
 * room around it, the frame is made about it; any other is copied, and the codec may use its memory again.
 */
export function frame(options: FrameOptions = {}): OperatorFunction<Payload, Frame> {
  const { after = 0, bufferBytes = ARENA_BUFFER_BYTES } = options;
  return (source) =>
    defer(() => {
      let lsn = after;
      const arena = new FrameArena(bufferBytes);
      return source.pipe(
        map((payload): Frame => {
          const { buffer, start, end } = payload.claimRoom?.() ? payload : copied(payload, arena);
          const { commit, records } = payload;
          const firstLsn = lsn + 1;
          const at = start - FRAME_HEAD_BYTES;
          if (records !== undefined) {
            lsn += records;
            layHead(buffer, at, 'group', firstLsn, end - start);
            return { kind: 'group', lsn: firstLsn, buffer, start: at, end: end + CRC_BYTES, commit, records };
          }
          lsn = firstLsn;
          layHead(buffer, at, 'record', lsn, end - start);
          return { kind: 'record', lsn, buffer, start: at, end: end + CRC_BYTES, commit };
        }),
      );
    });
}

/** The payload, with room around it. */
function copied({ buffer, start, end }: Payload, arena: FrameArena): Pick<Payload, 'buffer' | 'start' | 'end'> {
  const at = arena.copy(bytesBetween(buffer, start, end));
  return { buffer: arena.buffer, start: at, end: at + end - start };
}
