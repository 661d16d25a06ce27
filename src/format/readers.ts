import { cborCodec } from '../codec/cborCodec';
import { WalCorruptError } from '../errors';
import type { Holds, Reader } from '../types';
import { HEADER_BYTES, MAX_FIRST_LSN } from './header';
import { decodeOneFrame, encodeOneFrame } from './oneFrameFile';

/** The file that names the readers that the log is kept for. */
export const READERS_FILE = 'readers.meta';

/** Readers that a log may have: every change of one writes all of them anew. */
export const MAX_READERS = 1000;

/** UTF-16 units that a reader's name may have. */
export const MAX_READER_NAME_LENGTH = 200;

/** No set of readers takes more; a larger file is none of ours. */
export const MAX_READERS_FILE_BYTES = 1024 * 1024;

/** The last millisecond that a `Date` knows. */
const MAX_TIME_MS = 8.64e15;

const codec = cborCodec<Holds>();

/**
 * `readers.meta`: a segment's header, whose first LSN is the first one that is kept for a reader (1 where there is none), and one frame
 * of kind 0, whose LSN is the one before. Readers stand in the order of their names.
 */
export function encodeReadersFile({ readers, cutLsn }: Holds, logId: Uint8Array): Uint8Array {
  const held = heldLsn(readers);
  const inOrder = readers
    .map(({ name, lsn, movedAt }) => ({ name, lsn, movedAt }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return Buffer.concat(
    encodeOneFrame({ kind: 'record', lsn: held, payload: codec.encode({ readers: inOrder, cutLsn }) }, logId),
  );
}

/**
 * Reads `readers.meta` back.
 *
 * @throws WalCorruptError where it is not whole: it is renamed into place when it is durable, so a crash never leaves it half made.
 * @throws WalVersionError for a newer format.
 */
export function decodeReadersFile(bytes: Uint8Array): { readonly holds: Holds; readonly logId: Uint8Array } {
  const { lsn, payload, logId } = decodeOneFrame(bytes, READERS_FILE, 'record', 'reader list');
  const refuse = (reason: string): never => {
    throw new WalCorruptError({ file: READERS_FILE, offset: HEADER_BYTES, lsn: 0, reason });
  };
  const holds = decodeHolds(payload) ?? refuse('its payload is not that of readers');
  if (lsn !== heldLsn(holds.readers)) refuse('header, frame and readers name different LSNs');
  return { holds, logId };
}

/** Why a text cannot be a reader's name; `undefined` where it can. */
export function nameFault(name: unknown): string | undefined {
  if (typeof name !== 'string') return 'a string';
  if (name === '' || name.length > MAX_READER_NAME_LENGTH) return `of 1 to ${MAX_READER_NAME_LENGTH} characters`;
  // Half a surrogate pair has no UTF-8: two such names would be one.
  return /\p{Surrogate}/u.test(name) ? 'well-formed text, without half a surrogate pair' : undefined;
}

/** LSN up to which every reader has everything; 0 where there is none. */
function heldLsn(readers: readonly Reader[]): number {
  return readers.length === 0 ? 0 : readers.reduce((least, { lsn }) => Math.min(least, lsn), Infinity);
}

function decodeHolds(payload: Uint8Array): Holds | undefined {
  let claimed: unknown;
  try {
    claimed = codec.decode(payload);
  } catch {
    return undefined;
  }
  if (typeof claimed !== 'object' || claimed === null) return undefined;
  const { readers, cutLsn } = claimed as Partial<Record<keyof Holds, unknown>>;
  if (!isLsn(cutLsn) || !Array.isArray(readers) || readers.length > MAX_READERS) return undefined;
  const found = readers.map(readerIn).filter((reader) => reader !== undefined);
  const names = new Set(found.map(({ name }) => name));
  return names.size === readers.length ? { readers: found, cutLsn } : undefined;
}

function readerIn(claimed: unknown): Reader | undefined {
  if (typeof claimed !== 'object' || claimed === null) return undefined;
  const { name, lsn, movedAt } = claimed as Partial<Record<keyof Reader, unknown>>;
  if (nameFault(name) !== undefined || !isLsn(lsn) || !isCount(movedAt) || movedAt > MAX_TIME_MS) return undefined;
  return { name: name as string, lsn, movedAt };
}

function isLsn(value: unknown): value is number {
  return isCount(value) && value < MAX_FIRST_LSN;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
