import { cborCodec } from '../codec/cborCodec';
import { WalCorruptError } from '../errors';
import { HEADER_BYTES } from './header';
import { decodeOneFrame, encodeOneFrame } from './oneFrameFile';

/** What a projection had made of a log up to an LSN. */
export interface Snapshot {
  /** Of the projection. */
  readonly name: string;
  /** Of the code that made it; a projection of another version begins anew. */
  readonly version: number;
  /** Every record up to this LSN has been applied, and none behind it. */
  readonly lsn: number;
  /** The state, as the projection's codec encodes it. */
  readonly state: Uint8Array;
}

interface Payload {
  readonly name: string;
  readonly version: number;
  readonly state: Uint8Array;
}

const codec = cborCodec<Payload>();

const SNAPSHOT_NAME = /^([a-z0-9][a-z0-9._-]{0,99})\.(\d{16})\.snapshot$/;

/** What the name of a projection may be: it is part of a file's name, on file systems that do not know upper case from lower as well. */
export const PROJECTION_NAME = /^[a-z0-9][a-z0-9._-]{0,99}$/;

/** `balances.0000000000000042.snapshot` */
export function snapshotName(name: string, lsn: number): string {
  return `${name}.${String(lsn).padStart(16, '0')}.snapshot`;
}

/** Whose snapshot a file is, and of which LSN; `undefined` for a name that is none of ours. */
export function snapshotOf(file: string): { readonly name: string; readonly lsn: number } | undefined {
  const [, name, digits] = SNAPSHOT_NAME.exec(file) ?? [];
  return name === undefined ? undefined : { name, lsn: Number(digits) };
}

/**
 * A snapshot's file: a segment's header, whose first LSN is the first one that is not in it, and one frame of kind 0 with the LSN before, whose
 * payload is the CBOR map `{ name, version, state }`.
 *
 * @throws RangeError where the state takes more than a frame holds, 1 GiB.
 */
export function encodeSnapshot({ name, version, lsn, state }: Snapshot, logId: Uint8Array): readonly Uint8Array[] {
  return encodeOneFrame({ kind: 'record', lsn, payload: codec.encode({ name, version, state }) }, logId);
}

/**
 * Reads a snapshot back.
 *
 * @throws WalCorruptError where it is not whole, or another log's: it is renamed into place when it is durable, so a crash never leaves it half made.
 * @throws WalVersionError for a newer format.
 */
export function decodeSnapshot(bytes: Uint8Array, file: string, logId: Uint8Array): Snapshot {
  const refuse = (reason: string, offset = HEADER_BYTES): never => {
    throw new WalCorruptError({ file, offset, lsn: 0, reason });
  };
  const found = decodeOneFrame(bytes, file, 'record', 'snapshot');
  if (Buffer.compare(found.logId, logId) !== 0) refuse('it belongs to another log', 0);
  const { lsn } = found;
  const named = snapshotOf(file);
  if (lsn !== named?.lsn) refuse('name and snapshot tell different LSNs');
  const { name, version, state } = decodePayload(found.payload) ?? refuse('its payload is not that of a snapshot');
  if (name !== named?.name) refuse(`it is the snapshot of ${name}`);
  return { name, version, lsn, state };
}

function decodePayload(payload: Uint8Array): Payload | undefined {
  let claimed: unknown;
  try {
    claimed = codec.decode(payload);
  } catch {
    return undefined;
  }
  if (typeof claimed !== 'object' || claimed === null) return undefined;
  const { name, version, state } = claimed as Partial<Record<keyof Payload, unknown>>;
  const isOurs = typeof name === 'string' && Number.isSafeInteger(version) && state instanceof Uint8Array;
  return isOurs ? { name, version: version as number, state } : undefined;
}
