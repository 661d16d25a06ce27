/** Readers of a log that is being written: each catches up with what is on the disk, and then gets what comes, at its own pace. */
import { strict as assert } from 'node:assert';
import { createWriteStream, mkdtempSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// #region tail-readable
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
// #endregion tail-readable
import { firstValueFrom, lastValueFrom, map, take, timer } from 'rxjs';
import { WalTruncatedError, openWal, type Entry, type Wal } from 'rxwal';

interface Order {
  readonly id: number;
  readonly item: string;
}

/** Shows orders on a screen: what is there, then what comes. Done when what was there has been shown. */
async function show(wal: Wal<Order>): Promise<void> {
  // #region tail
  const live = new Promise<number>((onCaughtUp) => {
    wal.tail({ onCaughtUp }).subscribe({
      next: ({ lsn, value }) => console.log(`${lsn}: ${value.item}`),
      error: (error: unknown) => console.error('the log has stopped', error), // behind all that is durable
      complete: () => console.log('the log is closed'),
    });
  });
  console.log(`live behind LSN ${await live}`);
  // #endregion tail
}

/** Where an index would be updated; takes its time. */
const index = (_order: Order): Promise<unknown> => firstValueFrom(timer(1));

/** A search index that is slower than the log, and goes on where it was, over restarts. */
async function indexSome(wal: Wal<Order>, some: number): Promise<void> {
  // #region tail-hold
  if (!wal.readers.some(({ name }) => name === 'index')) await wal.hold('index', wal.firstLsn - 1); // its first start

  const { lsn: after = 0 } = wal.readers.find(({ name }) => name === 'index') ?? {};
  const indexed$ = wal.tail({ after }).each(async ({ lsn, value }) => {
    await index(value); // the next entry is taken when this one is done, and the log read no faster
    await wal.hold('index', lsn); // durable: a restart goes on behind it
    return lsn;
  });
  // #endregion tail-hold
  const lsn = await lastValueFrom(indexed$.pipe(take(some)));
  console.log(`indexed behind LSN ${after}, up to ${lsn}`);
}

async function findFirst(wal: Wal<Order>, item: string): Promise<void> {
  // #region tail-for-await
  for await (const { lsn, value } of wal.tail()) {
    if (value.item !== item) continue;
    console.log(`the first ${item} is record ${lsn}`);
    break; // ends the reading
  }
  // #endregion tail-for-await
}

/** Copies the log into a file, for as long as the log is open. */
async function copy(wal: Wal<Order>, file: string): Promise<void> {
  // #region tail-readable
  const lines = new Transform({
    writableObjectMode: true,
    transform: ({ lsn, value }: Entry<Order>, _encoding, done) => done(null, `${JSON.stringify({ lsn, ...value })}\n`),
  });
  await pipeline(Readable.from(wal.tail()), lines, createWriteStream(file));
  // #endregion tail-readable
}

/** A reader that held nothing, and was away while a checkpoint removed what it had not read. */
async function comesTooLate(wal: Wal<Order>): Promise<void> {
  // #region tail-truncated
  const shown$ = wal.tail({ after: 1 }).pipe(map(({ lsn }) => `goes on with LSN ${lsn}`));
  await firstValueFrom(shown$).then(console.log, (error: unknown) => {
    if (!(error instanceof WalTruncatedError)) throw error;
    console.log(`LSN ${error.askedLsn} is gone: begin with a snapshot of LSN ${error.firstLsn - 1} or later`);
  });
  // #endregion tail-truncated
}

export async function main(dir: string): Promise<void> {
  const wal = await openWal<Order>(join(dir, 'wal'), { maxSegmentBytes: 1024 });
  await wal.append({ id: 1, item: 'tea' });
  await wal.append({ id: 2, item: 'mug' });
  const copied = copy(wal, join(dir, 'orders.ndjson'));
  await show(wal);
  await wal.append({ id: 3, item: 'spoon' });
  await findFirst(wal, 'mug');
  await wal.close();
  await copied;
  const lines = (await readFile(join(dir, 'orders.ndjson'), 'utf8')).trimEnd().split('\n');
  console.log(`copied ${lines.length} lines, the last one ${lines.at(-1)}`);

  const again = await openWal<Order>(join(dir, 'wal'), { maxSegmentBytes: 1024 });
  for (let id = 4; id <= 300; id += 1) await again.append({ id, item: `item ${id}` });
  await indexSome(again, 120);
  await again.close();

  const last = await openWal<Order>(join(dir, 'wal'), { maxSegmentBytes: 1024 });
  await indexSome(last, 100);
  await last.checkpoint();
  assert.ok(last.firstLsn > 2 && last.firstLsn <= 221); // what the index has not read is there
  console.log(`the checkpoint is at LSN ${last.lastCheckpoint?.lsn}; record 221 is kept for the index`);
  await comesTooLate(last);
  await last.close();
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
