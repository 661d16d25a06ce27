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
