import type { FrameKind } from '../types';
import { bytesBetween } from './bytesBetween';
import { crc32 } from './crc';
import { readLsn, readUint32, writeLsn, writeUint32 } from './integers';

/** Bytes before the payload: the word and the LSN. */
export const FRAME_HEAD_BYTES = 12;
/** Bytes a frame takes beyond its payload: word, LSN and CRC. */
export const FRAME_OVERHEAD_BYTES = 16;
/** The largest payload a word can name: 30 bits. */
export const MAX_PAYLOAD_BYTES = 0x3fff_ffff;

/** The largest payload of a mark (which has none) or a checkpoint (three small numbers): no room for a length that lies. */
export const MAX_CHECKPOINT_BYTES = 1024;

/** Bytes behind the payload: the CRC. */
export const CRC_BYTES = 4;
const KINDS = ['record', 'mark', 'checkpoint', 'group'] as const satisfies readonly FrameKind[];
const KIND_BITS: Readonly<Record<FrameKind, number>> = { record: 0, mark: 1, checkpoint: 2, group: 3 };

/**
 * The value that every checksum of a log starts from: the CRC-32 of its id. So zeros, and the frames of another log, never verify.
 */
export function crcStart(logId: Uint8Array): number {
  return crc32(logId);
}

/**
 * Lays out a frame in `buffer` from `at` on, all but its checksum.
 *
 * ```
 * u32 word | u64 lsn | payload | u32 crc        word: bits 0-29 payload length, bits 30-31 kind
 * ```
 *
 * @returns the offset behind the frame.
 */
export function layFrame(buffer: Uint8Array, at: number, kind: FrameKind, lsn: number, payload: Uint8Array): number {
  layHead(buffer, at, kind, lsn, payload.length);
  buffer.set(payload, at + FRAME_HEAD_BYTES);
  return at + FRAME_OVERHEAD_BYTES + payload.length;
}

/** Lays out a frame's head alone: the payload stands behind it already, or will. */
export function layHead(buffer: Uint8Array, at: number, kind: FrameKind, lsn: number, payloadBytes: number): void {
  writeUint32(buffer, at, payloadBytes | (KIND_BITS[kind] << 30));
  writeLsn(buffer, at + 4, lsn);
}

/** Fills in the checksum of the frame `buffer[start, end)`. */
export function sealFrame(buffer: Uint8Array, start: number, end: number, crcFrom: number): void {
  writeUint32(buffer, end - CRC_BYTES, frameCrc(buffer, start, end, crcFrom));
}

/** Whether the checksum of the frame `buffer[start, end)` is right. */
export function isSealed(buffer: Uint8Array, start: number, end: number, crcFrom: number): boolean {
  return readUint32(buffer, end - CRC_BYTES) === frameCrc(buffer, start, end, crcFrom);
}

function frameCrc(buffer: Uint8Array, start: number, end: number, crcFrom: number): number {
  return crc32(bytesBetween(buffer, start, end - CRC_BYTES), crcFrom);
}

/** A whole frame in a buffer of its own: marks, checkpoints, and what a test wants to see. */
export function encodeFrame(kind: FrameKind, lsn: number, payload: Uint8Array, crcFrom: number): Uint8Array {
  const frame = new Uint8Array(FRAME_OVERHEAD_BYTES + payload.length);
  layFrame(frame, 0, kind, lsn, payload);
  sealFrame(frame, 0, frame.length, crcFrom);
  return frame;
}

/** Payload bytes that the frame at `at` claims to have. Not to be trusted before it is bounded. */
export function claimedPayloadBytes(buffer: Uint8Array, at: number): number {
  return readUint32(buffer, at) & MAX_PAYLOAD_BYTES;
}

/** The kind of the frame at `at`. A group counts only in a segment whose header says that it may hold one. */
export function frameKind(buffer: Uint8Array, at: number): FrameKind {
  return KINDS[buffer[at + 3]! >>> 6]!;
}

/** The LSN of the frame at `at`. */
export function frameLsn(buffer: Uint8Array, at: number): number {
  return readLsn(buffer, at + 4);
}

/** The payload of the frame `buffer[start, end)`: a view. */
export function framePayload(buffer: Uint8Array, start: number, end: number): Uint8Array {
  return buffer.subarray(start + FRAME_HEAD_BYTES, end - CRC_BYTES);
}
