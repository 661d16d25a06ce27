import { mkdtempSync } from 'node:fs';
import { open, readFile, rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { from, lastValueFrom, tap } from 'rxjs';
import { appendTo, openWal } from 'rxwal';

interface Sale {
  readonly sku: string;
  readonly quantity: number;
}

/** The state of the application: how many of each have been sold, and up to which record that is. */
interface Snapshot {
  lsn: number;
  readonly sold: Record<string, number>;
}

function apply(state: Snapshot, lsn: number, { sku, quantity }: Sale): void {
  state.sold[sku] = (state.sold[sku] ?? 0) + quantity;
  state.lsn = lsn;
}

/** The old snapshot is there until the new one is whole and durable. */
async function saveSnapshot(path: string, snapshot: Snapshot): Promise<void> {
  const file = await open(`${path}.tmp`, 'w');
  await file.writeFile(JSON.stringify(snapshot));
  await file.sync();
  await file.close();
  await rename(`${path}.tmp`, path);
  if (process.platform === 'win32') return; // a directory cannot be opened there
  const directory = await open(dirname(path));
  await directory.sync(); // the new name
  await directory.close();
}

async function loadSnapshot(path: string): Promise<Snapshot> {
  return JSON.parse(await readFile(path, 'utf8').catch(() => '{"lsn":0,"sold":{}}')) as Snapshot;
}

async function sell(dir: string, sales: readonly Sale[]): Promise<void> {
  const path = join(dir, 'snapshot.json');

  // #region checkpoint
  // Start: the snapshot, and the records behind it.
  const state = await loadSnapshot(path);
  const wal = await openWal<Sale>(join(dir, 'wal'), { maxSegmentBytes: 16 * 1024 });
  await wal.read({ after: state.lsn }).forEach(({ lsn, value }) => apply(state, lsn, value));

  // Work: a sale counts once it is durable.
  await lastValueFrom(
    from(sales).pipe(
      appendTo(wal),
      tap(({ lsn, value }) => apply(state, lsn, value)),
    ),
  );

  // #endregion checkpoint
  await wal.flush(); // behind the making of the segment that the last batch may have opened
  const before = (await wal.logFiles()).length;
  // #region checkpoint
  // Now and then: save the state, durably. Then the log up to there is no longer needed, and its files go.
  await saveSnapshot(path, state);
  const { epoch } = await wal.checkpoint({ lsn: state.lsn });
  // #endregion checkpoint

  const after = (await wal.logFiles()).length;
  console.log(`state at LSN ${state.lsn}: ${JSON.stringify(state.sold)}`);
  console.log(`checkpoint ${epoch}: ${before} segments before, ${after} after`);
  await wal.close();
}

export async function main(dir: string): Promise<void> {
  const sales = Array.from({ length: 2000 }, (_, n): Sale => ({
    sku: n % 2 === 0 ? 'tea' : 'mug',
    quantity: 1 + (n % 3),
  }));
  await sell(dir, sales);
  await sell(dir, sales.slice(0, 10)); // the next start of the program
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
