import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// #region metrics-diagnostics
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
// #endregion metrics-diagnostics
import { Registry } from 'prom-client';
import { from, lastValueFrom, mergeMap } from 'rxjs';
// #region metrics
import { histogramQuantile, metrics, openWal, type WalMetrics } from 'rxwal';
// #endregion metrics
// #region metrics-diagnostics
import type { WalDiagnostics } from 'rxwal';
// #endregion metrics-diagnostics
import { collectWal } from 'rxwal/prometheus';

interface Sale {
  readonly item: number;
  readonly cents: number;
}
const sales: readonly Sale[] = Array.from({ length: 5000 }, (_, item) => ({ item, cents: 100 + (item % 900) }));

// #region metrics
function show({ state, totals, perSecond, commitMs, batchRecords, queueRecords }: WalMetrics): void {
  const p99 = histogramQuantile(commitMs, 0.99).toFixed(2);
  const perBatch = (batchRecords.sum / batchRecords.count).toFixed(1);
  console.log(`${state}: ${totals.ackedRecords} of ${totals.appendedRecords} acknowledged, ${queueRecords} waiting`);
  console.log(`${perSecond.acked.toFixed(0)} acks a second, ${perBatch} records a batch, a commit's p99 is ${p99} ms`);
}
// #endregion metrics

// #region metrics-diagnostics
/** Every log of the process, wherever it was opened. */
function onRotate(message: unknown): void {
  const { segment } = message as WalDiagnostics['rxwal:rotate'];
  console.log(`segment ${segment.sequence} begins with LSN ${segment.firstLsn}`);
}
// #endregion metrics-diagnostics

export async function main(dir: string): Promise<void> {
  subscribe('rxwal:rotate', onRotate);
  const wal = await openWal<Sale>(dir);

  // #region metrics
  // One sample a second, and one when the log ends.
  const samples$ = wal.commits$.pipe(metrics(wal, { intervalMs: 1000 }));
  // #endregion metrics
  const last = lastValueFrom(samples$);

  // #region metrics-prometheus
  const registry = new Registry();
  collectWal(wal, registry, { labels: { log: 'sales' } });
  // #endregion metrics-prometheus

  await lastValueFrom(from(sales).pipe(mergeMap((sale) => wal.append(sale), 64)));
  await wal.rotate();
  await wal.close();
  show(await last);

  const text = await registry.metrics();
  const shown = /^rxwal_(appended_records_total|durable_lag_records|commit_duration_seconds_(count|sum)|state)/;
  for (const line of text.split('\n').filter((each) => shown.test(each))) console.log(line);
  unsubscribe('rxwal:rotate', onRotate);
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
