import { inspect, isDeepStrictEqual } from 'node:util';
import { WalError, cborCodec, readWal, repairWal, type Entry, type Gap } from 'rxwal';
import { memoryStore } from 'rxwal/testing';
import { RAW, collect, open, recordsOf, sameFiles } from '../support/logs';
import type { Files, ReferenceRecord } from '../support/reference';
import type { Input } from './inputs';
import { watchedStore } from './watchedStore';

/** What became of one input in the hands of salvage. */
export interface SalvageTrial {
  /** Records that strict reading gave, and those that salvage gave. */
  readonly strict: number;
  readonly salvaged: number;
  readonly gaps: number;
  readonly complaints: readonly string[];
}

/**
 * Salvages and repairs a directory: nothing but what was appended, in order; at least what strict reading gives; nothing changed where it
 * came from; and a repaired log that opens and holds the same values.
 */
export async function trySalvage({ files, truth }: Input): Promise<SalvageTrial> {
  const complaints: string[] = [];
  const { values: strict, done: sound } = collect(readWal(memoryStore({ files }), { codec: RAW.codec }));

  const gaps: Gap[] = [];
  const { store, memory, watch } = watchedStore(files, SALVAGE_OPERATIONS);
  const read = collect(readWal(store, { codec: RAW.codec, recovery: 'salvage', onGap: (gap) => gaps.push(gap) }));
  const { values } = read;
  complaints.push(...watch.complaints, ...complaintsOfEnd(read.error, read.done));
  if (watch.changed || !sameFiles(files, memory.snapshot())) complaints.push('it has changed the directory');
  complaints.push(...complaintsOfSalvaged(values, strict, truth));
  // Behind a torn tail there may be whole records: salvage gives them, and tells of the gap.
  if (sound && gaps.length === 0 && !isDeepStrictEqual(strict, values)) {
    complaints.push('it differs from strict reading, and neither finds anything wrong');
  }

  if (values.length > 0) {
    const { error, done } = collect(
      readWal(memoryStore({ files }), { codec: cborCodec<unknown>(), recovery: 'salvage' }),
    );
    complaints.push(...complaintsOfEnd(error, done).map((complaint) => `cbor: ${complaint}`));
  }

  complaints.push(...(await complaintsOfRepair(files, values)).map((complaint) => `repair: ${complaint}`));
  return {
    strict: strict.length,
    salvaged: values.length,
    gaps: gaps.length,
    complaints: complaints.map((complaint) => `salvage: ${complaint}`),
  };
}

/** Salvage looks at every file from its beginning to its end, more than once. */
const SALVAGE_OPERATIONS = 4;

function complaintsOfEnd(error: unknown, done: boolean): readonly string[] {
  if (error === undefined) return done ? [] : ['it neither ends nor fails'];
  const shown = error instanceof Error ? (error.stack ?? error.message) : inspect(error);
  return [error instanceof WalError ? `it fails: ${shown}` : `an error that is none of the log's: ${shown}`];
}

function complaintsOfSalvaged(
  values: readonly Entry<Uint8Array>[],
  strict: readonly Entry<Uint8Array>[],
  truth: readonly ReferenceRecord[] | undefined,
): readonly string[] {
  const complaints: string[] = [];
  const found = recordsOf(values).map(keyOf);
  const disorder = values.findIndex(({ lsn }, at) => lsn <= (values[at - 1]?.lsn ?? 0));
  if (disorder >= 0) complaints.push(`LSN ${values[disorder]?.lsn} comes behind ${values[disorder - 1]?.lsn}`);
  if (truth) {
    const known = new Set(truth.map(keyOf));
    const invented = found.find((key) => !known.has(key));
    if (invented !== undefined) complaints.push(`gives ${invented}, which nobody appended`);
  }
  const kept = new Set(found);
  const lost = recordsOf(strict)
    .map(keyOf)
    .find((key) => !kept.has(key));
  if (lost !== undefined) complaints.push(`does not give ${lost}, which strict reading gives`);
  return complaints;
}

async function complaintsOfRepair(files: Files, values: readonly Entry<Uint8Array>[]): Promise<readonly string[]> {
  const source = memoryStore({ files });
  const target = memoryStore();
  const gaps: Gap[] = [];
  let repair: Awaited<ReturnType<typeof repairWal>>;
  try {
    repair = await repairWal(source, target, { onGap: (gap) => gaps.push(gap) });
  } catch (error) {
    return complaintsOfEnd(error, false);
  }
  const complaints: string[] = [];
  if (!sameFiles(files, source.snapshot())) complaints.push('it has changed the damaged log');
  if (!isDeepStrictEqual(repair.gaps, gaps)) complaints.push('it tells of other gaps than onGap');
  const again = open(memoryStore({ files: target.snapshot() }));
  if ('error' in again) return [...complaints, `what it made does not open: ${String(again.error)}`];
  const { values: kept, error } = collect(again.wal.read());
  const payloads = (entries: readonly Entry<Uint8Array>[]): readonly string[] =>
    recordsOf(entries).map(({ payload }) => payload);
  const expected = payloads(values);
  const found = payloads(kept);
  const lost = expected.length - found.length;
  const { checkpoint, firstLsn } = again.wal.recovery;
  if (lost > 0 && checkpoint && firstLsn <= checkpoint.lsn + 1 && isDeepStrictEqual(found, expected.slice(lost))) {
    complaints.push(`opening what it made removes ${lost} records below its own checkpoint`);
  } else if (error !== undefined || !isDeepStrictEqual(found, expected)) {
    complaints.push(
      `what it made gives ${JSON.stringify(recordsOf(kept))}, ${String(error)}; salvaged were ${JSON.stringify(recordsOf(values))}`,
    );
  }
  if (repair.records !== values.length)
    complaints.push(`it says ${repair.records} records; salvaged were ${values.length}`);
  return complaints;
}

function keyOf({ lsn, payload }: ReferenceRecord): string {
  return `${lsn} ${payload}`;
}
