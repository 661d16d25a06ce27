import { WalCorruptError } from '../errors';
import { isSealed } from '../format/frame';
import { groupRecords } from '../format/group';
import type { StoredFrame } from '../types';

/**
 * Holds a frame against its checksum and against what stands before it.
 *
 * @param lastLsn of the records before it.
 * @param file its name, for the error.
 * @returns the last LSN behind it.
 * @throws WalCorruptError where it is not what it should be.
 */
export function checkFrame(frame: StoredFrame, lastLsn: number, crcFrom: number, file: string): number {
  const { kind, lsn } = frame;
  const { buffer, start, end } = frame;
  const isRecord = kind === 'record' || kind === 'group';
  const records = kind === 'group' ? groupRecords(buffer, start, end) : 1;
  const reason = !isSealed(buffer, start, end, crcFrom)
    ? "a frame's checksum does not match"
    : isRecord && lsn !== lastLsn + 1
      ? `LSN ${lsn} stands there`
      : !isRecord && lsn > lastLsn
        ? `a ${kind} proves that LSN ${lsn} was durable, and it is not there`
        : records === 0
          ? 'the records of a group do not fit its length'
          : undefined;
  if (reason !== undefined) throw new WalCorruptError({ file, offset: frame.offset, lsn: lastLsn + 1, reason });
  return isRecord ? lsn + records - 1 : lastLsn;
}
