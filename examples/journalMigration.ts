import { appendFileSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { secondProcess } from './support/secondProcess';
// #region journalMigration-lines
import { createReadStream } from 'node:fs';
import { cborCodec } from 'rxwal';

/** The journal cannot become this log, and why. Nothing was appended that is not a record of the journal. */
class JournalError extends Error {
  override readonly name = 'JournalError';
}

/** A line of a journal, and its value. */
interface JournalRecord {
  readonly value: unknown;
}

/** A line that cannot be a record. */
interface BadLine {
  /** The first line is 1. */
  readonly line: number;
  /** Bytes before it. */
  readonly offset: number;
  readonly reason: string;
  /** The last one, without its end: what a crash of its writer leaves. */
  readonly torn: boolean;
}

const LINE_FEED = 0x0a;
/** Of a line, and of a record: the default of `maxRecordBytes`. */
const MAX_BYTES = 16 * 1024 * 1024;

/** The first `bytes` of a journal, line by line: records, and lines that cannot be one. A byte order mark, CR LF and blank lines are nothing. */
async function* readJournal(path: string, bytes: number): AsyncGenerator<JournalRecord | BadLine> {
  let rest = Buffer.alloc(0);
  let line = 0;
  let offset = 0;
  if (bytes > 0) {
    for await (const chunk of createReadStream(path, { end: bytes - 1 }) as AsyncIterable<Buffer>) {
      rest = Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf(LINE_FEED); end >= 0; end = rest.indexOf(LINE_FEED)) {
        line += 1;
        yield* readLine(rest.subarray(0, end), { line, offset, torn: false });
        offset += end + 1;
        rest = rest.subarray(end + 1);
      }
      if (rest.length > MAX_BYTES) throw new JournalError(`line ${line + 1} has more than ${MAX_BYTES} bytes`);
    }
  }
  yield* readLine(rest, { line: line + 1, offset, torn: true });
}

function* readLine(bytes: Buffer, place: Omit<BadLine, 'reason'>): Generator<JournalRecord | BadLine> {
  let text: string;
  let value: unknown;
  try {
    // Refuses what is not UTF-8, and takes the byte order mark away.
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (text.trim() === '') return;
    value = JSON.parse(text);
  } catch (error) {
    yield { ...place, reason: place.torn ? 'it was written in part' : (error as Error).message };
    return;
  }
  if (place.torn && typeof value === 'number') {
    yield { ...place, reason: 'a number without an end may be a part of a longer one' };
    return;
  }
  const reason = whyNot(text, value);
  yield reason === undefined ? { value } : { ...place, torn: false, reason };
}

const codec = cborCodec();

/** Why a value cannot be a record: what JavaScript or the log would change without a word, and what they refuse. */
function whyNot(text: string, value: unknown): string | undefined {
  if (value === null) return 'null ends a stream, and cannot go through one';
  const numbers = text.replace(/"(?:[^"\\]|\\.)*"/g, '""').match(/-?\d[\d.eE+-]*/g) ?? [];
  const lossy = numbers.find((number) =>
    /^-?\d+$/.test(number) ? !Number.isSafeInteger(Number(number)) : !Number.isFinite(Number(number)),
  );
  if (lossy !== undefined) return `the number ${lossy} is more than JavaScript can hold`;
  try {
    const record = codec.encode(value);
    if (record.length > MAX_BYTES) return `as a record it has more than ${MAX_BYTES} bytes`;
    if (JSON.stringify(codec.decode(record)) === JSON.stringify(value)) return undefined;
    return "CBOR does not keep it: half a surrogate pair, or a key '__proto__'";
  } catch (error) {
    return (error as Error).message; // nested too deep
  }
}
// #endregion journalMigration-lines

// #region journalMigration
import { createHash, type Hash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { openWal, type Wal } from 'rxwal';

interface Migration {
  /** Records in the log, each of them a line of the journal. */
  readonly records: number;
  /** How many of them an earlier run had brought there. */
  readonly before: number;
  readonly leftOut: readonly BadLine[];
}

/** A count, and a digest of the values. */
class Summary {
  records = 0;
  readonly #hash: Hash = createHash('sha256');

  add(value: unknown): void {
    this.records += 1;
    this.#hash.update(`${JSON.stringify(value)}\n`);
  }

  get text(): string {
    return `${this.records} records, SHA-256 ${this.#hash.copy().digest('hex')}`;
  }
}

/**
 * Brings the records of a JSONL journal into a log, in order: the nth record of the journal has LSN n. Changes nothing of the journal. Killed
 * at any moment, it is run again, and goes on behind the last record of the log, once it has checked that those before it are the same.
 *
 * Rejects with JournalError for a line that cannot be a record, unless such lines are to be left out, before there is a log; for a log that
 * holds anything else; and where in the end count and digest differ. With the errors of `openWal` and of an append.
 */
async function migrate(
  path: string,
  dir: string,
  { leaveOut = false, onDurable = (_lsn: number): void => undefined } = {},
): Promise<Migration> {
  // What is written to the journal from here on is for the next run.
  const { size } = await stat(path);
  const leftOut: BadLine[] = [];
  const journal = new Summary();
  for await (const line of readJournal(path, size)) {
    if ('value' in line) journal.add(line.value);
    else leftOut.push(line);
  }
  const bad = leftOut.filter(({ torn }) => !torn);
  if (bad.length > 0 && !leaveOut)
    throw new JournalError(['lines that cannot be records:', ...bad.map(describe)].join('\n'));

  await using wal = await openWal<unknown>(dir);
  const before = wal.lastLsn;
  if (wal.firstLsn > 1) throw new JournalError(`the log begins with LSN ${wal.firstLsn}: it is no copy of a journal`);
  wal.durable$.subscribe({ next: onDurable, error: () => undefined }); // the append says what has failed
  // Read no faster than the disk takes what there is.
  await pipeline(missing(readJournal(path, size), await summarise(wal)), wal.writable({ highWaterMark: 64 }));

  const log = await summarise(wal);
  if (log.text !== journal.text) throw new JournalError(`the journal has ${journal.text}, the log ${log.text}`);
  return { records: log.records, before, leftOut };
}

/** The values of the journal that a log does not have yet. Fails where those that it has are not the first ones of the journal. */
async function* missing(lines: AsyncIterable<JournalRecord | BadLine>, log: Summary): AsyncGenerator {
  const journal = new Summary();
  const check = () => {
    if (journal.text !== log.text)
      throw new JournalError(`the log has ${log.text}, and they are not the first of the journal: ${journal.text}`);
  };
  for await (const line of lines) {
    if (!('value' in line)) continue;
    if (journal.records === log.records) check();
    if (journal.records >= log.records) yield line.value;
    journal.add(line.value);
  }
  if (journal.records <= log.records) check();
}

async function summarise(wal: Wal<unknown>): Promise<Summary> {
  const summary = new Summary();
  await wal.read().forEach(({ value }) => summary.add(value));
  return summary;
}

const describe = ({ line, offset, reason }: BadLine): string => `line ${line}, behind byte ${offset}: ${reason}`;
// #endregion journalMigration

/** A journal as people have them: a byte order mark, lines that end with CR LF, blank ones, and a last one that a crash has cut. */
function makeJournal(path: string, records: number): void {
  const line = (n: number) =>
    `{"order":${n},"note":"žluťoučký kůň ${n % 7}","cents":${n * 5}}${n % 3 === 0 ? '\r\n' : '\n'}`;
  const lines = Array.from({ length: records }, (_, n) => line(n + 1) + (n % 1000 === 0 ? '\n' : ''));
  writeFileSync(path, `\ufeff${lines.join('')}{"order":${records + 1},"no`);
}

const say = ({ records, before, leftOut }: Migration) =>
  console.log(
    `${records - before} records behind ${before}${leftOut.map((bad) => `; left out: ${describe(bad)}`).join('')}`,
  );

export async function main(dir: string): Promise<void> {
  const path = join(dir, 'journal.jsonl');
  const refusal = (error: unknown) => console.log(`${(error as Error).name}: ${(error as Error).message}`);

  // A line that is no JSON, one that is not UTF-8, and one with a number that would become another.
  const bad = join(dir, 'bad.jsonl');
  writeFileSync(
    bad,
    Buffer.concat([
      Buffer.from('{"n":1}\nnot JSON\nnull\n{"n":"'),
      Buffer.of(0xff),
      Buffer.from('"}\n{"n":12345678901234567890}\n{"n":2}'),
    ]),
  );
  await migrate(bad, join(dir, 'bad')).catch(refusal);
  console.log(`a log was made: ${existsSync(join(dir, 'bad'))}`);
  console.log(`${(await migrate(bad, join(dir, 'bad'), { leaveOut: true })).records} records without them`);

  makeJournal(path, 20_000);
  const journal = readFileSync(path);
  const killed = secondProcess(__filename, ['migrate', path, join(dir, 'wal'), '5000']);
  console.log(`the first run: ended by ${await killed.ended}`);
  const second = await migrate(path, join(dir, 'wal'));
  console.log(`the second run went on in the middle: ${second.before >= 5000 && second.before < 20_000}`);
  say({ ...second, before: 0 });
  say(await migrate(path, join(dir, 'wal')));
  console.log(`the journal is as it was: ${readFileSync(path).equals(journal)}`);

  appendFileSync(path, 't":"the rest of the line"}\n'); // its writer goes on
  say(await migrate(path, join(dir, 'wal')));
  writeFileSync(path, readFileSync(path, 'utf8').replace('"order":3,', '"order":33,')); // somebody mends it
  await migrate(path, join(dir, 'wal')).catch((error: unknown) =>
    console.log((error as Error).message.replace(/[0-9a-f]{64}/g, '...')),
  );
}

async function migrateUntilKilled(path: string, dir: string, killAtLsn: number): Promise<void> {
  await migrate(path, dir, { onDurable: (lsn) => lsn >= killAtLsn && process.kill(process.pid, 'SIGKILL') });
}

if (require.main === module) {
  const [what, path = '', dir = '', killAtLsn = ''] = process.argv.slice(2);
  void (what === 'migrate'
    ? migrateUntilKilled(path, dir, Number(killAtLsn || Infinity))
    : main(what ?? mkdtempSync(join(tmpdir(), 'rxwal-'))));
}
