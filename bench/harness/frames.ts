/** The frames of floor and ideal: as long as rxwal's (length, number, payload, CRC-32), without anything that makes a log of them. */
import { Encoder } from 'cbor-x';
import { buf } from 'crc-32';
import type { Order } from '../order';

const HEAD_BYTES = 12;
const CRC_BYTES = 4;

/** Room that one frame of an order needs at the most. */
export const FRAME_ROOM_BYTES = 1024;

const encoder = new Encoder({ useRecords: false, mapsAsObjects: true });

export function encode(order: Order): Buffer {
  return encoder.encode(order);
}

export function decode(payload: Uint8Array): Order {
  return encoder.decode(payload) as Order;
}

/** Lays a frame into `arena` at `at`; gives the offset behind it. */
export function layFrame(arena: Buffer, at: number, number: number, payload: Uint8Array): number {
  const end = at + HEAD_BYTES + payload.length;
  arena.writeUInt32LE(payload.length, at);
  arena.writeUInt32LE(number >>> 0, at + 4);
  arena.writeUInt32LE(Math.floor(number / 0x1_0000_0000), at + 8);
  arena.set(payload, at + HEAD_BYTES);
  arena.writeInt32LE(buf(arena.subarray(at, end)), end);
  return end + CRC_BYTES;
}

/** The payloads of the frames in `bytes`, one after another, each checked, up to the first zero length. */
export function* payloads(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at + HEAD_BYTES + CRC_BYTES < bytes.length;) {
    const length = bytes.readUInt32LE(at);
    if (length === 0) return;
    const end = at + HEAD_BYTES + length;
    if (buf(bytes.subarray(at, end)) !== bytes.readInt32LE(end)) throw new Error(`the frame at ${at} is not whole`);
    yield bytes.subarray(at + HEAD_BYTES, end);
    at = end + CRC_BYTES;
  }
}

/** Frames of these payloads, side by side, in memory of their own. */
export function framesOf(payloads: readonly Uint8Array[]): Buffer {
  const arena = Buffer.allocUnsafe(payloads.reduce((sum, { length }) => sum + length + HEAD_BYTES + CRC_BYTES, 0));
  let end = 0;
  for (const [index, payload] of payloads.entries()) end = layFrame(arena, end, index + 1, payload);
  return arena;
}
