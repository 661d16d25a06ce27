import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// #region quickstart
import { openWal } from 'rxwal';

interface OrderEvent {
  readonly type: 'OrderPlaced' | 'OrderPaid';
  readonly order: number;
}
// #endregion quickstart

export async function main(dir: string): Promise<void> {
  // #region quickstart
  // Opening recovers: every record that was ever acknowledged is there, whatever ended the last process.
  const wal = await openWal<OrderEvent>(dir);
  await wal.read().forEach(({ lsn, value }) => console.log(`replayed ${lsn}: ${value.type} ${value.order}`));

  wal.acks$.subscribe({
    next: ({ lsn }) => console.log(`durable up to ${lsn}`),
    error: (error: unknown) => console.error('the log has stopped', error), // a write or an fsync failed
  });

  // An append happens on the call. Its ack comes once the record survives a power cut.
  wal.append({ type: 'OrderPlaced', order: 42 }).subscribe(({ lsn }) => console.log(`order 42 is record ${lsn}`));
  wal.next({ type: 'OrderPaid', order: 42 }); // without waiting for its own ack

  await wal.close(); // what was appended drains first
  // #endregion quickstart
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
