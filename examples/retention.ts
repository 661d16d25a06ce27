/**
 * A log that is kept for those who read it: a mailer reads the orders at its own pace, and says durably how far it has come. The state of the shop is saved
 * meanwhile and its checkpoint taken, and what the mailer has not sent stays all the same, over a restart too.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concatMap, count, filter, firstValueFrom, lastValueFrom, take } from 'rxjs';
import { openWal, type Retention, type Wal } from 'rxwal';

interface Order {
  readonly customer: string;
}

/** Where a mail would leave. */
const send = (_order: Order): Promise<void> => Promise.resolve();

/** Sends mails for the orders that the mailer has not seen, `some` of them. */
async function mail(wal: Wal<Order>, some: number): Promise<void> {
  // #region retention
  // How far has it come? What stands behind is there: the log is held.
  const { lsn: after } = wal.readers.find(({ name }) => name === 'mailer') ?? { lsn: 0 };
  const mails$ = wal.read({ after }).pipe(
    take(some),
    concatMap(async ({ lsn, value }) => {
      await send(value);
      await wal.hold('mailer', lsn); // durable; what nobody needs any more goes
    }),
  );
  // #endregion retention
  await lastValueFrom(mails$.pipe(count()));
}

function words({ floorLsn, keptBy, readers, segments }: Retention): string {
  const who =
    keptBy.kind === 'reader'
      ? `for reader ${keptBy.name}, ${readers.find(({ name }) => name === keptBy.name)?.lag} behind`
      : `by the ${keptBy.kind}`;
  return `kept from LSN ${floorLsn + 1} on: ${who}; ${segments} segment${segments === 1 ? '' : 's'}`;
}

async function day(dir: string): Promise<void> {
  const wal = await openWal<Order>(dir, {
    maxSegmentBytes: 1024,
    retention: { maxBytes: 1024 * 1024 * 1024, stuckAfterMs: 60_000 },
  });
  if (wal.readers.length === 0) await wal.hold('mailer', 0); // from the first order on

  for (let n = 1; n <= 200; n += 1) await wal.append({ customer: `customer ${n}` });
  await mail(wal, 40);
  // The state is saved somewhere: for that, the log would no longer be needed.
  await wal.checkpoint();
  const sent = wal.readers[0]?.lsn ?? 0;
  console.log(`the mailer has ${sent} of ${wal.durableLsn} orders; checkpoint at LSN ${wal.lastCheckpoint?.lsn}`);
  console.log(words(await firstValueFrom(wal.retention$)));

  await mail(wal, 160);
  const free$ = wal.retention$.pipe(filter(({ floorLsn, firstLsn }) => firstLsn > floorLsn - 40));
  console.log(words(await firstValueFrom(free$)));
  await wal.close();
}

export async function main(dir: string): Promise<void> {
  await day(dir);
  await day(dir); // the next start of the program
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
