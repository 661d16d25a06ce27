import type { Checkpoint, Holds, KeptBy } from '../types';

/** Nobody needs the log. */
export const NO_HOLDS: Holds = { readers: [], cutLsn: 0 };

/**
 * LSN up to which segments may go, and who keeps what is behind it: the checkpoint alone lets a segment go, and never one that holds a
 * record which a reader has not taken, unless a cap was told to.
 */
export function floorOf(
  checkpoint: Checkpoint | undefined,
  { readers, cutLsn }: Holds,
): { readonly floorLsn: number; readonly keptBy: KeptBy } {
  if (!checkpoint) return { floorLsn: 0, keptBy: { kind: 'nothing asked' } };
  const [first] = readers;
  if (!first) return { floorLsn: checkpoint.lsn, keptBy: { kind: 'checkpoint' } };
  const slowest = readers.reduce((least, reader) => (reader.lsn < least.lsn ? reader : least), first);
  const heldLsn = Math.max(slowest.lsn, cutLsn);
  if (heldLsn >= checkpoint.lsn) return { floorLsn: checkpoint.lsn, keptBy: { kind: 'checkpoint' } };
  return { floorLsn: heldLsn, keptBy: { kind: 'reader', name: slowest.name } };
}
