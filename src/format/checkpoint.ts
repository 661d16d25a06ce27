import { cborCodec } from '../codec/cborCodec';
import { WalCorruptError } from '../errors';
import type { Checkpoint } from '../types';
import { encodeFrame } from './frame';
import { HEADER_BYTES, MAX_FIRST_LSN } from './header';
import { decodeOneFrame, encodeOneFrame } from './oneFrameFile';

/** The file that names the newest checkpoint. */
export const CHECKPOINT_FILE = 'checkpoint.meta';

const codec = cborCodec<Checkpoint>();

/** No checkpoint takes more; a larger file is none of ours. */
export const MAX_CHECKPOINT_FILE_BYTES = 4096;

/** The checkpoint as the log carries it: a frame that takes no LSN. */
export function encodeCheckpointFrame(checkpoint: Checkpoint, crcFrom: number): Uint8Array {
  return encodeFrame('checkpoint', checkpoint.lsn, codec.encode(checkpoint), crcFrom);
}

/** `checkpoint.meta`: a segment's header, whose first LSN is the first one still needed, and the checkpoint's frame. */
export function encodeCheckpointFile(checkpoint: Checkpoint, logId: Uint8Array): Uint8Array {
  return Buffer.concat(
    encodeOneFrame({ kind: 'checkpoint', lsn: checkpoint.lsn, payload: codec.encode(checkpoint) }, logId),
  );
}

/**
 * Reads `checkpoint.meta` back.
 *
 * @throws WalCorruptError where it is not whole: it is renamed into place when it is durable, so a crash never leaves it half made.
 * @throws WalVersionError for a newer format.
 */
export function decodeCheckpointFile(bytes: Uint8Array): {
  readonly checkpoint: Checkpoint;
  readonly logId: Uint8Array;
} {
  const { lsn, payload, logId } = decodeOneFrame(bytes, CHECKPOINT_FILE, 'checkpoint', 'checkpoint');
  const refuse = (reason: string): never => {
    throw new WalCorruptError({ file: CHECKPOINT_FILE, offset: HEADER_BYTES, lsn: 0, reason });
  };
  const checkpoint = decodeCheckpoint(payload) ?? refuse('its payload is not that of a checkpoint');
  if (checkpoint.lsn !== lsn) refuse('header and checkpoint name different LSNs');
  return { checkpoint, logId };
}

/** Reads the payload of a checkpoint's frame; `undefined` for anything but a checkpoint. */
export function decodeCheckpoint(payload: Uint8Array): Checkpoint | undefined {
  let claimed: unknown;
  try {
    claimed = codec.decode(payload);
  } catch {
    return undefined;
  }
  if (typeof claimed !== 'object' || claimed === null) return undefined;
  const { lsn, epoch, transactionId } = claimed as Partial<Record<keyof Checkpoint, unknown>>;
  if (!isCount(lsn) || lsn >= MAX_FIRST_LSN || !isCount(epoch)) return undefined;
  if (transactionId === undefined) return { lsn, epoch };
  return isCount(transactionId) ? { lsn, epoch, transactionId } : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
