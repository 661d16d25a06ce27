import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concatMap, lastValueFrom, map, mergeMap, range, repeat, takeUntil, timer, type Observable } from 'rxjs';
import { openWal, type Wal } from 'rxwal';
import { serveWal } from 'rxwal/serve';

interface Order {
  readonly type: 'OrderPlaced';
  readonly id: number;
  readonly customer: string;
  readonly total: bigint;
}

/** Customers who each wait for their ack, and then think: more of them in some seconds than in others. */
function shopping(wal: Wal<Order>, ms: number): Observable<unknown> {
  const order = (customer: number): Order => ({
    type: 'OrderPlaced',
    id: wal.lastLsn + 1,
    customer: `customer ${customer}`,
    total: BigInt(100 + ((customer * 37) % 900)),
  });
  const thinkMs = (customer: number): number => 5 + ((customer * 7 + Math.floor(performance.now() / 4000) * 13) % 40);
  return range(1, 40).pipe(
    mergeMap((customer) =>
      timer(customer).pipe(
        concatMap(() => wal.append(order(customer))),
        repeat({ delay: () => timer(thinkMs(customer)) }),
      ),
    ),
    takeUntil(timer(ms)),
  );
}

/** A snapshot now and then: the log up to a while ago is no longer needed. */
function checkpoints(wal: Wal<Order>): Observable<unknown> {
  return timer(3000, 5000).pipe(concatMap(() => wal.checkpoint({ lsn: Math.max(0, wal.lastLsn - 3000) })));
}

/** @param ms how long it runs, in milliseconds. */
export async function main(dir: string, ms = 1000, port = 0, onPage?: (url: string) => void): Promise<void> {
  await using wal = await openWal<Order>(join(dir, 'wal'), { maxSegmentBytes: 256 * 1024 });

  // #region dashboard
  await using page = await serveWal(wal, { port });
  console.log(`look at ${page.url}`);
  // #endregion dashboard

  onPage?.(page.url);
  const saving = checkpoints(wal).subscribe();
  await lastValueFrom(shopping(wal, ms).pipe(map(() => undefined)), { defaultValue: undefined });
  saving.unsubscribe();
  await wal.flush();
  console.log(`${wal.lastLsn} orders, each durable when it was answered`);
}

if (require.main === module) {
  const [dir = mkdtempSync(join(tmpdir(), 'rxwal-')), seconds = '600', port = '0'] = process.argv.slice(2);
  void main(dir, Number(seconds) * 1000, Number(port));
}
