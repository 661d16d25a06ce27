import { defer, map, type OperatorFunction } from 'rxjs';
import { FRAME_OVERHEAD_BYTES, layFrame } from '../format/frame';
import type { Frame, Payload } from '../types';

export interface FrameOptions {
  /** The last LSN already taken; the first frame gets the next one. Default 0. */
  readonly after?: number;
  /** Frames are laid side by side into buffers of this many bytes. Default 256 KiB. */
  readonly bufferBytes?: number;
}

const BUFFER_BYTES = 256 * 1024;

/**
 * Gives each payload its LSN and lays it out as a frame, all but the checksum.
 *
 * ```
 * source:            --A-----B--C--|
 * frame({after: 6}): --7-----8--9--|     each the frame with that LSN
 * ```
 *
 * Frames made one after another stand side by side in one buffer, so `commit` can hand a whole batch to the operating system
 * in one piece, without copying it together (the group commit arena of many databases). The payload is copied; the codec may
 * use its memory again.
 */
export function frame(options: FrameOptions = {}): OperatorFunction<Payload, Frame> {
  const { after = 0, bufferBytes = BUFFER_BYTES } = options;
  return (source) =>
    defer(() => {
      let lsn = after;
      let buffer: Uint8Array = new Uint8Array(0);
      let free = 0;
      return source.pipe(
        map(({ bytes, commit }): Frame => {
          const size = bytes.length + FRAME_OVERHEAD_BYTES;
          if (buffer.length - free < size) {
            buffer = Buffer.allocUnsafeSlow(Math.max(bufferBytes, size));
            free = 0;
          }
          const start = free;
          free += size;
          lsn += 1;
          layFrame(buffer, start, 'record', lsn, bytes);
          return { kind: 'record', lsn, buffer, start, end: free, commit };
        }),
      );
    });
}
