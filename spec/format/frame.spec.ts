import * as fc from 'fast-check';
import { crc32 } from 'node:zlib';
import {
  FRAME_OVERHEAD_BYTES,
  MAX_PAYLOAD_BYTES,
  claimedPayloadBytes,
  crcStart,
  encodeFrame,
  frameKind,
  frameLsn,
  framePayload,
  isSealed,
  layFrame,
  sealFrame,
} from '../../src/format/frame';
import { frameBytes, hex, le } from '../support/bytes';
import { LOG_ID, OTHER_LOG_ID, flippedBits } from '../support/logs';

const START = crcStart(LOG_ID);
const kind = fc.constantFrom('record' as const, 'mark' as const, 'checkpoint' as const);
const lsn = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

describe('frame', () => {
  it('encodes and decodes any kind, LSN and payload', () => {
    fc.assert(
      fc.property(kind, lsn, fc.uint8Array({ maxLength: 600 }), (itsKind, itsLsn, payload) => {
        const bytes = encodeFrame(itsKind, itsLsn, payload, START);
        expect(hex(bytes)).toBe(hex(frameBytes(itsKind, itsLsn, payload, LOG_ID)));
        expect(frameKind(bytes, 0)).toBe(itsKind);
        expect(frameLsn(bytes, 0)).toBe(itsLsn);
        expect(claimedPayloadBytes(bytes, 0)).toBe(payload.length);
        expect(hex(framePayload(bytes, 0, bytes.length))).toBe(hex(payload));
        expect(isSealed(bytes, 0, bytes.length, START)).toBe(true);
      }),
    );
  });

  it('stands anywhere in a buffer, next to others', () => {
    const buffer = new Uint8Array(200).fill(0xee);
    const end = layFrame(buffer, 7, 'record', 1, Uint8Array.of(1, 2, 3));
    const next = layFrame(buffer, end, 'mark', 2 ** 33, new Uint8Array(0));
    sealFrame(buffer, end, next, START);
    sealFrame(buffer, 7, end, START);
    expect([end, next]).toEqual([7 + FRAME_OVERHEAD_BYTES + 3, 7 + 2 * FRAME_OVERHEAD_BYTES + 3]);
    expect(hex(buffer.subarray(7, end))).toBe(hex(frameBytes('record', 1, Uint8Array.of(1, 2, 3), LOG_ID)));
    expect(hex(buffer.subarray(end, next))).toBe(hex(frameBytes('mark', 2 ** 33, '', LOG_ID)));
    expect(buffer.subarray(0, 7).every((byte) => byte === 0xee)).toBe(true);
    expect(buffer.subarray(next).every((byte) => byte === 0xee)).toBe(true);
  });

  it('lays every byte but the checksum', () => {
    const bytes = new Uint8Array(19).fill(0xee);
    layFrame(bytes, 0, 'record', 1, Uint8Array.of(1, 2, 3));
    expect(hex(bytes)).toBe('030000000100000000000000010203eeeeeeee');
  });

  it.each<[number, string]>([
    [0, 'record'],
    [1, 'mark'],
    [2, 'checkpoint'],
    [3, 'group'],
  ])('the two upper bits of the word, %d, are the kind %s', (bits, name) => {
    for (const length of [0, 1, MAX_PAYLOAD_BYTES]) {
      const word = Uint8Array.from(le(bits * 2 ** 30 + length, 4));
      expect(frameKind(word, 0)).toBe(name);
      expect(claimedPayloadBytes(word, 0)).toBe(length);
    }
  });

  it('notices every flipped bit: in the word, the LSN, the payload and the checksum', () => {
    const bytes = encodeFrame('record', 2 ** 40 + 3, Buffer.from('payload'), START);
    const unnoticed = [...flippedBits(bytes)].filter((flipped) => isSealed(flipped.bytes, 0, bytes.length, START));
    expect(unnoticed).toEqual([]);
  });

  it("does not take another log's frame, or zeros", () => {
    const bytes = frameBytes('record', 1, 'x', OTHER_LOG_ID);
    expect(isSealed(bytes, 0, bytes.length, START)).toBe(false);
    expect(isSealed(new Uint8Array(16), 0, 16, START)).toBe(false);
  });

  it('starts its checksum from the CRC-32 of the log id', () => {
    expect(START).toBe(crc32(LOG_ID));
  });
});
