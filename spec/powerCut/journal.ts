import { readFileSync } from 'node:fs';

/** What the block device was told, as `recorder.c` has written it down. */
export type JournalEntry =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Buffer; readonly end: number }
  | { readonly kind: 'flush' | 'failed'; readonly end: number };

const KINDS: readonly (JournalEntry['kind'] | undefined)[] = [undefined, 'write', 'flush', 'failed'];
const HEAD_BYTES = 16;

/** Reads a whole journal. `end` of an entry is the length that the journal had with it. */
export function readJournal(path: string): readonly JournalEntry[] {
  const journal = readFileSync(path);
  const entries: JournalEntry[] = [];
  for (let at = 0; at < journal.length;) {
    const kind = KINDS[journal.readUInt32LE(at)];
    const length = journal.readUInt32LE(at + 4);
    const offset = Number(journal.readBigUInt64LE(at + 8));
    const bytes = journal.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length);
    at += HEAD_BYTES + length;
    if (kind === undefined || bytes.length !== length) throw new Error(`The journal makes no sense before byte ${at}`);
    entries.push(kind === 'write' ? { kind, offset, bytes, end: at } : { kind, end: at });
  }
  return entries;
}
