import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { committed, isTransactionCommit, openWal } from 'rxwal';

export async function main(dir: string): Promise<void> {
  // #region transactions
  // The default record is a WalRecord, a change to a graph. One fsync for each transaction, not for each of its records:
  const wal = await openWal(dir, { isCommit: isTransactionCommit });

  wal.next({ type: 'CreateNode', id: 1, labels: ['Person'] });
  wal.next({ type: 'SetNodeProperty', id: 1, key: 'name', value: 'Ada' });
  await wal.append({ type: 'TransactionCommit', transactionId: 1 }); // all three are durable
  // #endregion transactions
  console.log(`durable after the commit: ${wal.durableLsn}`);

  wal.next({ type: 'CreateNode', id: 2, labels: ['Person'] });
  wal.next({ type: 'TransactionAbort', transactionId: 2 });
  wal.next({ type: 'CreateNode', id: 3, labels: ['Person'] }); // the process ends before it is committed
  await wal.close();
  await replay(dir);
}

async function replay(dir: string): Promise<void> {
  // #region transactions-replay
  const wal = await openWal(dir, { isCommit: isTransactionCommit });
  // Leaves out what was aborted, and what was still open when the process ended.
  await wal
    .read()
    .pipe(committed())
    .forEach(({ lsn, value }) => console.log(`${lsn}: ${value.type}`));
  // #endregion transactions-replay
  await wal.close();
  await interleaved(join(dir, 'transfers'));
}

// #region transactions-interleaved
/** Each record names the transfer that it belongs to; a `note` belongs to none. */
type Posting =
  | { readonly type: 'note'; readonly text: string }
  | { readonly type: 'posted'; readonly transfer: string; readonly account: string; readonly cents: number }
  | { readonly type: 'committed' | 'aborted'; readonly transfer: string };

const wholeTransfers = committed<Posting>({
  isCommit: ({ type }) => type === 'committed',
  isAbort: ({ type }) => type === 'aborted',
  transactionOf: (posting) => (posting.type === 'note' ? undefined : posting.transfer),
  maxOpenRecords: 100_000, // what is held has a bound; past it the stream fails and names the oldest transfer
});
// #endregion transactions-interleaved

async function interleaved(dir: string): Promise<void> {
  // #region transactions-interleaved
  await using wal = await openWal<Posting>(dir);
  wal.next({ type: 'posted', transfer: 'T1', account: 'alice', cents: -500 });
  wal.next({ type: 'posted', transfer: 'T2', account: 'bob', cents: -70 });
  wal.next({ type: 'posted', transfer: 'T1', account: 'carol', cents: 500 });
  wal.next({ type: 'note', text: 'the day begins' });
  wal.next({ type: 'committed', transfer: 'T1' });
  wal.next({ type: 'aborted', transfer: 'T2' });
  await wal.sync();

  // T1 as a whole, at its commit; the note at once; nothing of T2.
  await wal
    .read()
    .pipe(wholeTransfers)
    .forEach(({ lsn, value }) => console.log(`${lsn}: ${JSON.stringify(value)}`));
  // #endregion transactions-interleaved
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
