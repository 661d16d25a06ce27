import { VirtualTimeScheduler } from 'rxjs';
import { readWal, rawCodec, type Wal } from 'rxwal';
import { memoryStore } from 'rxwal/testing';
import { appended, asRefusal, collect, open, recordsOf, sameFiles } from './logs';
import { judge, type Files, type ReferenceRecord, type Refusal, type Verdict } from './reference';

/** What is appended after each opening, to see that the log goes on. */
const NEWS = Uint8Array.of(0xaa, 0xbb);

/**
 * Opens a directory that something was done to, and holds what happens against the reference reader: the same records, or the
 * same refusal at the same place with no byte changed; and after an opening the log goes on and keeps everything.
 *
 * @returns what is wrong; nothing where all is well.
 */
export function complaintsOfOpening(files: Files): readonly string[] {
  const { open: expected, read } = judge(files);
  const store = memoryStore({ files });
  const clock = new VirtualTimeScheduler();
  const opened = open(store, { scheduler: clock });
  const complaints = new Complaints();

  if ('error' in opened) {
    const refusal = asRefusal(opened.error);
    complaints.unless(agrees(refusal, expected.refusal), 'refusal', refusal, expected.refusal ?? 'the log opens');
    complaints.unless(sameFiles(files, store.snapshot()), 'files after a refusal', 'changed', 'unchanged');
    complaints.unless(store.operations.at(-1)?.kind === 'unlock', 'lock', 'kept', 'given back');
    return complaints.list;
  }
  if (expected.refusal) return [`it opens; expected ${JSON.stringify(expected.refusal)}`];
  const { clean, firstLsn, lastLsn, bytesCut } = opened.wal.recovery;
  complaints.same('recovery', { clean, firstLsn, lastLsn, bytesCut }, pick(expected));
  complaints.readsAll(opened.wal, read);
  goesOn(opened.wal, clock, store.snapshot.bind(store), expected, read, complaints);
  return complaints.list;
}

/**
 * As {@link complaintsOfOpening}, of `readWal`: which takes no lock and never changes a byte.
 *
 * @param truth what was written. Where a header is refused, any prefix of it may come before the refusal.
 */
export function complaintsOfReading(files: Files, truth: readonly ReferenceRecord[]): readonly string[] {
  const expected = judge(files).read;
  const store = memoryStore({ files });
  const { values, error } = collect(readWal<Uint8Array>(store, { codec: rawCodec() }));
  const complaints = new Complaints();
  complaints.same('records', recordsOf(values), expected.records ?? truth.slice(0, values.length));
  complaints.unless(agrees(asRefusal(error), expected.refusal), 'end', asRefusal(error), expected.refusal ?? 'the end');
  complaints.unless(sameFiles(files, store.snapshot()), 'files', 'changed', 'unchanged');
  const kinds = new Set(store.operations.map(({ kind }) => kind));
  for (const kind of ['list', 'open', 'size', 'read', 'close'] as const) kinds.delete(kind);
  complaints.same('operations that change something', [...kinds], []);
  return complaints.list;
}

/** Appends, closes, opens again: everything is there. */
function goesOn(
  wal: Wal<Uint8Array>,
  clock: VirtualTimeScheduler,
  snapshot: () => Files,
  expected: Extract<Verdict['open'], { refusal: undefined }>,
  read: Verdict['read'],
  complaints: Complaints,
): void {
  const lsn = expected.lastLsn + 1;
  const news: ReferenceRecord = { lsn, payload: 'aabb' };
  complaints.same('ack', appended(wal, clock, NEWS).values, [{ lsn, durable: true }]);
  wal.complete();
  const again = open(memoryStore({ files: snapshot() }));
  if ('error' in again) {
    complaints.unless(false, 'second opening', asRefusal(again.error), 'it opens');
    return;
  }
  const { clean, lastLsn, bytesCut } = again.wal.recovery;
  complaints.same('second recovery', { clean, lastLsn, bytesCut }, { clean: true, lastLsn: lsn, bytesCut: 0 });
  if (read.refusal === undefined) {
    complaints.readsAll(again.wal, { records: [...(read.records ?? []), news], refusal: undefined });
  } else {
    const tail = collect(again.wal.read({ after: expected.tail.firstLsn - 1 }));
    complaints.same('the last segment, after all', recordsOf(tail.values), [...expected.tail.records, news]);
  }
}

class Complaints {
  readonly list: string[] = [];

  unless(fine: boolean, what: string, actual: unknown, expected: unknown): void {
    if (!fine) this.list.push(`${what}: ${JSON.stringify(actual)}; expected ${JSON.stringify(expected)}`);
  }

  same(what: string, actual: unknown, expected: unknown): void {
    this.unless(JSON.stringify(actual) === JSON.stringify(expected), what, actual, expected);
  }

  readsAll(wal: Wal<Uint8Array>, expected: Verdict['read']): void {
    const { values, error } = collect(wal.read());
    this.same('records', recordsOf(values), expected.records);
    this.unless(
      agrees(asRefusal(error), expected.refusal),
      'end of reading',
      asRefusal(error),
      expected.refusal ?? 'the end',
    );
  }
}

function pick({ clean, firstLsn, lastLsn, bytesCut }: Extract<Verdict['open'], { refusal: undefined }>): object {
  return { clean, firstLsn, lastLsn, bytesCut };
}

/** Whether an error is the one expected, as far as the reference reader says which. */
function agrees(actual: object | undefined, expected: Refusal | undefined): boolean {
  if (!actual || !expected) return actual === expected;
  return Object.entries(expected).every(([key, value]) => (actual as Record<string, unknown>)[key] === value);
}
