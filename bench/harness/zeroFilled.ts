/** A file with zeros laid ahead and made durable, so that a write into it changes neither its size nor its extents. */
import { closeSync, constants, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const PIECE_BYTES = 1024 * 1024;

/** Space for a second of the fastest writer, and then some. A writer that comes to its end begins again at its start, which is zero-filled space too. */
export const SPACE_BYTES = 64 * PIECE_BYTES;

/** @param dSync whether a write is to be durable when it returns. @returns the descriptor of `dir`/log. */
export function openZeroFilled(dir: string, dSync: boolean, bytes = SPACE_BYTES): number {
  const file = join(dir, 'log');
  const filling = openSync(file, 'w');
  const zeros = Buffer.alloc(PIECE_BYTES);
  for (let at = 0; at < bytes; at += PIECE_BYTES) writeSync(filling, zeros, 0, PIECE_BYTES, at);
  fsyncSync(filling);
  closeSync(filling);
  const directory = openSync(dir, 'r');
  fsyncSync(directory);
  closeSync(directory);
  return openSync(file, constants.O_RDWR | (dSync ? constants.O_DSYNC : 0));
}
