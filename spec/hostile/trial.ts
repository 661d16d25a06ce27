import { inspect, isDeepStrictEqual } from 'node:util';
import { VirtualTimeScheduler } from 'rxjs';
import {
  WalError,
  cborCodec,
  readWal,
  recoverWal,
  type Codec,
  type Entry,
  type Wal,
  type WalErrorCode,
  type WalOptions,
} from 'rxwal';
import { memoryStore, type MemoryStore } from 'rxwal/testing';
import { hex } from '../support/bytes';
import { RAW, appended, collect, recordsOf, sameFiles, type Outcome } from '../support/logs';
import { judge, type Files, type ReferenceRecord, type Verdict } from '../support/reference';
import { complaintsOfValue, pollution } from './innocence';
import type { Input } from './inputs';
import { isOwn } from './names';
import { referenceApplies } from './applies';
import { watchedStore } from './watchedStore';

/** What became of one input. */
export interface Trial {
  /** `opened`, or the code of the refusal. */
  readonly outcome: string;
  /** Records that reading gave. */
  readonly records: number;
  /** What should not have been; nothing where all is well. */
  readonly complaints: readonly string[];
}

/** Every way a log may say no to a directory. */
const REFUSALS: ReadonlySet<WalErrorCode> = new Set([
  'WAL_CORRUPT',
  'WAL_VERSION',
  'WAL_RECORD',
  'WAL_IO',
  'WAL_TRUNCATED',
]);

/** A limit below what many records of the inputs have. */
const SMALL_RECORD_BYTES = 16;

const CBOR = { codec: cborCodec<unknown>(), preallocateBytes: 0 } satisfies WalOptions<unknown>;

/** What a codec that a hostile record has left as it was makes of these bytes, before and after. */
const INNOCENT = { text: 'é'.repeat(90), list: [1, 2n, { a: null }], map: new Map([[1, 'one']]), when: new Date(5) };
const INNOCENT_BYTES = Uint8Array.from(cborCodec<unknown>().encode(INNOCENT));

/** Opens and reads a directory in every way, and says what should not have been. */
export function tryInput({ files, codec, truth }: Input): Trial {
  const complaints: string[] = [];
  const say = (where: string, found: readonly string[]): void => {
    for (const complaint of found) complaints.push(`${where}: ${complaint}`);
  };
  const verdict = referenceApplies(files) ? judge(files) : undefined;

  const read = reading(files, RAW.codec);
  say('readWal, raw', read.complaints);
  say('readWal, raw', complaintsOfRecords(recordsOf(read.values), read.error, verdict?.read, truth));

  // Without records a codec and a limit have nothing to say.
  const decoded = read.values.length > 0 ? reading<unknown>(files, CBOR.codec) : read;
  say('readWal, cbor', decoded === read ? [] : complaintsOfDecoded(decoded, read));
  const small = read.values.length > 0 ? reading(files, RAW.codec, SMALL_RECORD_BYTES) : read;
  say('readWal, small records', small === read ? [] : small.complaints);
  if (small.values.some(({ value }) => value.length > SMALL_RECORD_BYTES)) {
    say('readWal, small records', ['a record is above maxRecordBytes']);
  }

  const opened =
    codec === 'raw'
      ? opening(files, RAW, Uint8Array.of(0xaa, 0xbb), verdict?.open)
      : opening<unknown>(files, CBOR, { news: [1, 'two'] }, verdict?.open);
  say(`recoverWal, ${codec}`, opened.complaints);
  const { firstLsn } = opened;
  if (firstLsn !== undefined && read.error === undefined && (codec === 'raw' || decoded.error === undefined)) {
    const left = (codec === 'raw' ? read : decoded).values.filter(({ lsn }) => lsn >= firstLsn);
    // To Node, two invalid dates are two different things.
    const same = isDeepStrictEqual(opened.read, left) || shown(opened.read) === shown(left);
    if (!same) say(`recoverWal, ${codec}`, [`reads ${shown(opened.read)} where readWal gave ${shown(left)}`]);
  }
  return {
    outcome: opened.outcome,
    records: read.values.length,
    complaints,
  };
}

/** Holds what was decoded against the bytes it came from, and looks whether the codec is still what it was. */
function complaintsOfDecoded(decoded: Reading<unknown>, raw: Reading<Uint8Array>): readonly string[] {
  const complaints = [...decoded.complaints];
  for (const [at, { lsn, value }] of decoded.values.entries()) {
    const payload = raw.values[at];
    if (payload?.lsn !== lsn) complaints.push(`gives LSN ${lsn} where raw gives ${payload?.lsn ?? 'none'}`);
    else complaints.push(...complaintsOfValue(value, payload.value.length).map((what) => `LSN ${lsn}: ${what}`));
  }
  const innocent = CBOR.codec.decode(INNOCENT_BYTES);
  if (!isDeepStrictEqual(innocent, INNOCENT)) complaints.push('the codec decodes otherwise than before');
  return [...complaints, ...pollution()];
}

interface Reading<T> extends Outcome<Entry<T>> {
  readonly complaints: readonly string[];
}

/** Reads with `readWal`, which changes nothing and asks for nothing that it has no right to. */
function reading<T>(files: Files, codec: Codec<T>, maxRecordBytes?: number): Reading<T> {
  const { store, memory, watch } = watchedStore(files);
  const result = collect(readWal<T>(store, { codec, maxRecordBytes }));
  const complaints = [...watch.complaints, ...complaintsOfError(result.error)];
  if (!result.done && result.error === undefined) complaints.push('it neither ends nor fails');
  if (watch.changed || !sameFiles(files, memory.snapshot())) complaints.push('reading has changed the directory');
  return { ...result, complaints };
}

interface Opening {
  readonly outcome: string;
  readonly complaints: readonly string[];
  /** Of a log that opened. */
  readonly firstLsn?: number;
  /** What it gives. */
  readonly read?: readonly Entry<unknown>[];
}

function opening<T>(files: Files, options: WalOptions<T>, news: T, expected: Verdict['open'] | undefined): Opening {
  const { store, memory, watch } = watchedStore(files);
  const clock = new VirtualTimeScheduler();
  const { values, error } = collect(recoverWal<T>(store, { ...options, scheduler: clock }));
  const [wal] = values;
  if (!wal) {
    const complaints = [...watch.complaints, ...complaintsOfError(error)];
    if (error === undefined) complaints.push('it neither opens nor fails');
    if (!sameFiles(files, memory.snapshot())) complaints.push('a refusal has changed the directory');
    if (memory.operations.at(-1)?.kind !== 'unlock') complaints.push('a refusal has kept the lock');
    if (expected && !expected.refusal) complaints.push('it refuses where the reference reader opens');
    return { outcome: error instanceof WalError ? error.code : 'untyped', complaints };
  }
  const complaints: string[] = [];
  if (expected) complaints.push(...complaintsOfRecovery(wal, expected));
  const { values: entries, error: failure } = collect(wal.read());
  complaints.push(...complaintsOfError(failure).map((complaint) => `reading: ${complaint}`));
  complaints.push(...goesOn(wal, clock, memory, options, news, files.size % 2 === 1));
  complaints.push(...watch.complaints, ...complaintsOfStrangers(files, memory.snapshot()));
  return { outcome: 'opened', complaints, firstLsn: wal.recovery.firstLsn, read: entries };
}

/** Appends, closes, opens again: the old end, and the new record behind it. */
function goesOn<T>(
  wal: Wal<T>,
  clock: VirtualTimeScheduler,
  memory: MemoryStore,
  options: WalOptions<T>,
  news: T,
  rotating: boolean,
): readonly string[] {
  const { lastLsn } = wal;
  const complaints: string[] = [];
  const first = appended(wal, clock, news);
  if (rotating) void wal.rotate();
  const second = appended(wal, clock, news);
  wal.complete();
  const acks = [...first.values, ...second.values].map(({ lsn }) => lsn);
  if (!isDeepStrictEqual(acks, [lastLsn + 1, lastLsn + 2])) {
    return [`appending behind LSN ${lastLsn} gave ${JSON.stringify(acks)}, ${String(first.error ?? second.error)}`];
  }
  const newest = memory.operations.findLast(({ kind }) => kind === 'create')?.file ?? '';
  const again = collect(recoverWal<T>(memoryStore({ files: memory.snapshot() }), options));
  const [reopened] = again.values;
  if (!reopened) return [`it does not open a second time: ${String(again.error)}`];
  if (!reopened.recovery.clean || reopened.lastLsn !== lastLsn + 2) {
    complaints.push(`opened again it ends with LSN ${reopened.lastLsn}; appended up to ${lastLsn + 2}, in ${newest}`);
  }
  const tail = collect(reopened.read({ after: Math.min(lastLsn, reopened.lastLsn) }));
  if (
    tail.error !== undefined ||
    !isDeepStrictEqual(tail.values, [
      { lsn: lastLsn + 1, value: news },
      { lsn: lastLsn + 2, value: news },
    ])
  ) {
    complaints.push(
      `what was appended to ${newest} does not read back: ${JSON.stringify(tail.values)}, ${String(tail.error)}`,
    );
  }
  return complaints;
}

function complaintsOfError(error: unknown): readonly string[] {
  if (error === undefined) return [];
  if (error instanceof WalError && REFUSALS.has(error.code)) return [];
  return [
    `an error that is none of the log's: ${error instanceof Error ? (error.stack ?? error.message) : inspect(error)}`,
  ];
}

function complaintsOfRecords(
  records: readonly ReferenceRecord[],
  error: unknown,
  expected: Verdict['read'] | undefined,
  truth: readonly ReferenceRecord[] | undefined,
): readonly string[] {
  const complaints: string[] = [];
  if (truth) {
    const known = new Set(truth.map(keyOf));
    const invented = records.find((record) => !known.has(keyOf(record)));
    if (invented) complaints.push(`gives ${JSON.stringify(invented)}, which nobody appended`);
  }
  if (!expected) return complaints;
  if ((error === undefined) !== (expected.refusal === undefined)) {
    complaints.push(`ends with ${String(error)}; the reference reader with ${JSON.stringify(expected.refusal)}`);
  }
  if (expected.records && !isDeepStrictEqual(records, expected.records)) {
    complaints.push(`gives ${JSON.stringify(records)}; the reference reader ${JSON.stringify(expected.records)}`);
  }
  return complaints;
}

function complaintsOfRecovery<T>({ recovery }: Wal<T>, expected: Verdict['open']): readonly string[] {
  if (expected.refusal) return [`it opens; the reference reader says ${JSON.stringify(expected.refusal)}`];
  const { clean, firstLsn, lastLsn, bytesCut, checkpoint } = recovery;
  const found = { clean, firstLsn, lastLsn, bytesCut };
  // Opening also ends a removal that a checkpoint had begun.
  const removed = checkpoint !== undefined && firstLsn > expected.firstLsn && firstLsn <= checkpoint.lsn + 1;
  const said = {
    clean: expected.clean,
    firstLsn: removed ? firstLsn : expected.firstLsn,
    lastLsn: expected.lastLsn,
    bytesCut: expected.bytesCut,
  };
  return isDeepStrictEqual(found, said)
    ? []
    : [`recovery is ${JSON.stringify(found)}; the reference reader says ${JSON.stringify(said)}`];
}

/** Files that are none of the log's are there, as they were, and no new ones beside them. */
function complaintsOfStrangers(before: Files, after: Files): readonly string[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].filter((name) => !isOwn(name));
  return names
    .filter((name) => hexOf(before, name) !== hexOf(after, name))
    .map((name) => `has changed ${JSON.stringify(name)}, which is no file of a log`);
}

function hexOf(files: Files, name: string): string | undefined {
  const bytes = files.get(name);
  return bytes && hex(bytes);
}

function keyOf({ lsn, payload }: ReferenceRecord): string {
  return `${lsn} ${payload}`;
}

function shown(value: unknown): string {
  return inspect(value, { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity });
}
