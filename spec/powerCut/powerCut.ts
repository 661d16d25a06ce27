import type { JournalEntry } from './journal';
import type { Draw } from '../support/draw';
import { NEEDLE } from './records';

export const SECTOR_BYTES = 512;

/** Bytes that reached the disk, and where. */
export interface Piece {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** A moment at which the power went, and what the disk kept of the writes that no flush had covered. */
export interface PowerCut {
  /** So many entries of the journal had reached the device. */
  readonly entries: number;
  /** All entries before this one are on the disk: the last flush is the one before it. */
  readonly flushed: number;
  readonly kept: readonly Piece[];
  readonly how: Loss;
  /** Whether anything was lost. */
  readonly isLossy: boolean;
}

/** What becomes of the writes behind the last flush: all kept, none kept, or each by itself: kept, lost, or torn between two sectors. */
export type Loss = 'all' | 'none' | 'some' | 'torn';

const LOSSES: readonly Loss[] = ['all', 'none', 'some', 'some', 'torn', 'torn', 'torn'];

/** The power cut after the first `entries` entries of a journal. */
export function powerCutAt(journal: readonly JournalEntry[], entries: number, random: Draw): PowerCut {
  let flushed = entries;
  while (flushed > 0 && journal[flushed - 1]!.kind !== 'flush') flushed -= 1;
  const how = random.pick(LOSSES);
  const keep = random.next();
  const kept = journal.slice(flushed, entries).flatMap((entry): Piece[] => {
    if (entry.kind !== 'write' || how === 'none') return [];
    if (how === 'all') return [entry];
    if (how === 'torn' && entry.bytes.length > SECTOR_BYTES && random.chance(0.5)) return torn(entry, random);
    return random.chance(keep) ? [entry] : [];
  });
  const unflushed = journal.slice(flushed, entries).filter((entry) => entry.kind === 'write');
  return { entries, flushed, kept, how, isLossy: bytesOf(kept) < bytesOf(unflushed) };
}

function bytesOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/** Some sectors of a write: the first ones, the last ones, or any. */
function torn({ offset, bytes }: Piece, random: Draw): Piece[] {
  const sectors = Math.ceil(bytes.length / SECTOR_BYTES);
  const at = random.integer(1, sectors - 1);
  const form = random.integer(0, 2);
  const pieces: Piece[] = [];
  for (let sector = 0; sector < sectors; sector += 1) {
    const isKept = form === 0 ? sector < at : form === 1 ? sector >= at : random.chance(0.5);
    const from = sector * SECTOR_BYTES;
    if (isKept) pieces.push({ offset: offset + from, bytes: bytes.subarray(from, from + SECTOR_BYTES) });
  }
  return pieces;
}

/** The moments behind a write that holds records. */
export function behindRecords(journal: readonly JournalEntry[]): readonly number[] {
  return journal.flatMap((entry, index) => (entry.kind === 'write' && entry.bytes.includes(NEEDLE) ? [index + 1] : []));
}

/**
 * So many power cuts, in the order of the journal: half of them at any moment, half at one of `moments`; and half of them
 * again as late as they can be without another flush, where most is at stake.
 */
export function drawCuts(
  journal: readonly JournalEntry[],
  moments: readonly number[],
  count: number,
  random: Draw,
): readonly PowerCut[] {
  const cuts = Array.from({ length: count }, () => {
    const isAnywhere = moments.length === 0 || random.chance(0.5);
    let entries = isAnywhere ? random.integer(0, journal.length) : random.pick(moments);
    if (random.chance(0.5)) while (entries < journal.length && journal[entries]!.kind !== 'flush') entries += 1;
    return powerCutAt(journal, entries, random);
  });
  return cuts.sort((one, other) => one.flushed - other.flushed);
}
