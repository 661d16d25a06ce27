import { WalCorruptError } from '../errors';
import type { FrameKind } from '../types';
import {
  FRAME_OVERHEAD_BYTES,
  claimedPayloadBytes,
  crcStart,
  encodeFrame,
  frameKind,
  frameLsn,
  framePayload,
  isSealed,
} from './frame';
import { HEADER_BYTES, decodeHeader, encodeHeader } from './header';

/** What a file beside the segments holds: a header, and one frame whose LSN is the one before the header's first. */
export interface OneFrame {
  readonly kind: FrameKind;
  readonly lsn: number;
  readonly payload: Uint8Array;
}

/** The bytes of such a file, in two pieces. */
export function encodeOneFrame({ kind, lsn, payload }: OneFrame, logId: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const header = encodeHeader({ firstLsn: lsn + 1, logId, groups: false });
  return [header, encodeFrame(kind, lsn, payload, crcStart(logId))];
}

/**
 * Reads such a file back. `what` it holds is for the error.
 *
 * @throws WalCorruptError where it is not whole: it is renamed into place when it is durable, so a crash never leaves it half made.
 * @throws WalVersionError for a newer format.
 */
export function decodeOneFrame(
  bytes: Uint8Array,
  file: string,
  kind: FrameKind,
  what: string,
): { readonly lsn: number; readonly payload: Uint8Array; readonly logId: Uint8Array } {
  const { firstLsn, logId } = decodeHeader(bytes, file);
  const refuse = (reason: string): never => {
    throw new WalCorruptError({ file, offset: HEADER_BYTES, lsn: 0, reason });
  };
  const end = bytes.length;
  if (end < HEADER_BYTES + FRAME_OVERHEAD_BYTES) refuse(`the ${what} is cut short`);
  if (claimedPayloadBytes(bytes, HEADER_BYTES) !== end - HEADER_BYTES - FRAME_OVERHEAD_BYTES) {
    refuse(`the length of the ${what} does not match`);
  }
  if (!isSealed(bytes, HEADER_BYTES, end, crcStart(logId))) refuse(`the ${what}'s checksum does not match`);
  if (frameKind(bytes, HEADER_BYTES) !== kind) refuse(`it holds something other than a ${what}`);
  const lsn = frameLsn(bytes, HEADER_BYTES);
  if (lsn !== firstLsn - 1) refuse(`header and ${what} name different LSNs`);
  return { lsn, payload: framePayload(bytes, HEADER_BYTES, end), logId };
}
