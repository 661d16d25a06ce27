import type { FrameKind, StoredFrame } from '../types';
import { CRC_BYTES, FRAME_HEAD_BYTES } from './frame';
import { readUint32 } from './integers';

/**
 * A group: several records in one frame, so that all or none of them are there.
 *
 * ```
 * u32 count | count times: u32 length, payload         the payload of a frame of kind 3
 * ```
 *
 * The frame has the LSN of the first of them; the others follow without a gap.
 */

/** Bytes of the number of records, at the beginning of the payload. */
export const GROUP_COUNT_BYTES = 4;
/** Bytes of the length before each record. */
export const GROUP_LENGTH_BYTES = 4;

/** What of a frame tells how many records it has. */
type Extent = Pick<StoredFrame, 'buffer' | 'start' | 'end'> & { readonly kind: FrameKind };

/** A record by itself; one of a group lies as in a frame of its own, but for the head and the checksum, which the group has. */
export type RecordFrame = StoredFrame & { readonly kind: 'record' };

/**
 * How many records the group `buffer[start, end)` has; 0 where its inner lengths do not fit it exactly, and so it is none. As many steps as it has
 * records, and no byte outside of it is read.
 */
export function groupRecords(buffer: Uint8Array, start: number, end: number): number {
  const payloadEnd = end - CRC_BYTES;
  let at = start + FRAME_HEAD_BYTES;
  if (payloadEnd - at < GROUP_COUNT_BYTES) return 0;
  const count = readUint32(buffer, at);
  at += GROUP_COUNT_BYTES;
  if (count > (payloadEnd - at) / GROUP_LENGTH_BYTES) return 0;
  for (let left = count; left > 0; left -= 1) {
    if (payloadEnd - at < GROUP_LENGTH_BYTES) return 0;
    at += GROUP_LENGTH_BYTES + readUint32(buffer, at);
    if (at > payloadEnd) return 0;
  }
  return at === payloadEnd ? count : 0;
}

/** How many records a frame that has been checked holds: none for a mark or a checkpoint. */
export function recordsIn({ kind, buffer, start }: Extent): number {
  if (kind === 'record') return 1;
  return kind === 'group' ? readUint32(buffer, start + FRAME_HEAD_BYTES) : 0;
}

/** The last LSN behind a frame that has been checked; `before` for a mark or a checkpoint. */
export function lsnBehind(frame: Extent & { readonly lsn: number }, before: number): number {
  const records = recordsIn(frame);
  return records > 0 ? frame.lsn + records - 1 : before;
}

/** Each record of a frame that has been checked: itself, those of a group, none of a mark or a checkpoint. */
export function* recordFrames(frame: StoredFrame): Generator<RecordFrame> {
  if (isRecord(frame)) yield frame;
  if (frame.kind !== 'group') return;
  const { buffer, start, offset } = frame;
  let at = start + FRAME_HEAD_BYTES + GROUP_COUNT_BYTES;
  for (let index = 0; index < recordsIn(frame); index += 1) {
    const payloadStart = at + GROUP_LENGTH_BYTES;
    at = payloadStart + readUint32(buffer, at);
    const from = payloadStart - FRAME_HEAD_BYTES;
    yield {
      kind: 'record',
      lsn: frame.lsn + index,
      buffer,
      start: from,
      end: at + CRC_BYTES,
      offset: offset + from - start,
    };
  }
}

function isRecord(frame: StoredFrame): frame is RecordFrame {
  return frame.kind === 'record';
}
