import { cborCodec } from '../codec/cborCodec';
import { framePayload } from '../format/frame';
import type { Checkpoint, StoredFrame } from '../types';

const codec = cborCodec<Checkpoint>();

/** What a checkpoint's frame says; only its LSN, where the payload is none that this version can read. */
export function decodeCheckpoint({ lsn, buffer, start, end }: StoredFrame): Partial<Checkpoint> {
  try {
    return codec.decode(framePayload(buffer, start, end));
  } catch {
    return { lsn };
  }
}
