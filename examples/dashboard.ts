import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concatMap, lastValueFrom, merge, mergeMap, range, repeat, takeUntil, timer, type Observable } from 'rxjs';
import { openWal, type Wal } from 'rxwal';
import { serveWal } from 'rxwal/serve';

interface Order {
  readonly type: 'OrderPlaced';
  readonly id: number;
  readonly customer: string;
  readonly total: bigint;
}

/** Forty customers, who each wait for their ack and then think: longer in some seconds than in others. */
function shopping(wal: Wal<Order>, ms: number): Observable<unknown> {
  const order = (customer: number): Order => ({
    type: 'OrderPlaced',
    id: wal.lastLsn + 1,
    customer: `customer ${customer}`,
    total: BigInt(100 + ((customer * 37) % 900)),
  });
  const thinkMs = (customer: number): number => 10 + (customer % 7) * (2 + Math.sin(performance.now() / 3000));
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

/** A mailer that is always a little behind, and snapshots now and then: what both no longer need goes. */
function housekeeping(wal: Wal<Order>): Observable<unknown> {
  const mailed = timer(500, 500).pipe(concatMap(() => wal.hold('mailer', Math.max(0, wal.durableLsn - 1500))));
  const saved = timer(3000, 5000).pipe(concatMap(() => wal.checkpoint({ lsn: Math.max(0, wal.lastLsn - 4000) })));
  return merge(mailed, saved);
}

/**
 * @param ms how long it runs, in milliseconds.
 * @param onPage is told where the page is.
 */
export async function main(dir: string, ms = 1000, port = 0, onPage?: (url: string) => void): Promise<void> {
  await using wal = await openWal<Order>(join(dir, 'wal'), { maxSegmentBytes: 256 * 1024 });

  // #region dashboard
  await using page = await serveWal(wal, { port });
  console.log(`look at ${page.url}`);
  // #endregion dashboard

  onPage?.(page.url);
  const keeping = housekeeping(wal).subscribe();
  await lastValueFrom(shopping(wal, ms), { defaultValue: undefined });
  keeping.unsubscribe();
  await wal.flush();
  console.log(`${wal.lastLsn} orders, each durable when it was answered`);
}

if (require.main === module) {
  const [dir = mkdtempSync(join(tmpdir(), 'rxwal-')), seconds = '600', port = '0'] = process.argv.slice(2);
  void main(dir, Number(seconds) * 1000, Number(port));
}
