import { buf } from 'crc-32';
import { crc32 as zlibCrc32 } from 'node:zlib';

/**
 * Bytes from which `zlib.crc32` beats `crc-32`: it has a call into native code to make up for, and runs up to three times as fast
 * then. Measured by `bench/crc.ts`.
 */
const NATIVE_FROM_BYTES = 416;

/**
 * CRC-32 (IEEE 802.3, the one of zip and PNG) of `bytes`, continued from `start`, as an unsigned number.
 *
 * @param start the CRC-32 of what came before; `crc32(b, crc32(a))` is the CRC-32 of `a` followed by `b`.
 */
export function crc32(bytes: Uint8Array, start = 0): number {
  return bytes.length < NATIVE_FROM_BYTES ? buf(bytes, start) >>> 0 : zlibCrc32(bytes, start);
}

/** What the CRC-32 of `bytes` must have been continued from to come out as `crc`: the calculation run backwards. */
export function crc32Start(bytes: Uint8Array, crc: number): number {
  let register = ~crc;
  for (let at = bytes.length - 1; at >= 0; at -= 1) {
    register = (register << 8) ^ BACKWARDS[register >>> 24]! ^ bytes[at]!;
  }
  return ~register >>> 0;
}

/** By the upper byte of a CRC's register: the step that led there, undone. */
const BACKWARDS = backwards();

function backwards(): Int32Array {
  const steps = new Int32Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    // The entry of the usual table for this byte: the CRC of a register that holds nothing else.
    let entry = byte;
    for (let bit = 0; bit < 8; bit += 1) entry = entry & 1 ? (entry >>> 1) ^ 0xedb8_8320 : entry >>> 1;
    steps[entry >>> 24] = (entry << 8) ^ byte;
  }
  return steps;
}
