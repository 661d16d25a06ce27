import type { Histogram } from '../metrics/histogram';
import { histogramQuantile } from '../metrics/histogramQuantile';
import type { WalMetrics } from '../metrics/walMetrics';
import type { Point } from './report';

/** What happened between two samples of a log, as a place on the time axis. */
export function pointOf(sample: WalMetrics, before: WalMetrics | undefined): Point {
  const commitMs = since(sample.commitMs, before?.commitMs);
  const batchRecords = since(sample.batchRecords, before?.batchRecords);
  return {
    atMs: sample.atMs,
    records: sample.perSecond.acked,
    bytes: sample.perSecond.bytes,
    commits: sample.perSecond.commits,
    commitMs: mean(commitMs),
    commitP99Ms: commitMs.count > 0 ? histogramQuantile(commitMs, 0.99) : null,
    batchRecords: mean(batchRecords),
    queueRecords: sample.queueRecords,
  };
}

/** The values that have come since another look at the same histogram. Their largest is known as far as the bounds tell. */
function since(now: Histogram, before: Histogram | undefined): Histogram {
  if (!before) return now;
  const counts = now.counts.map((count, at) => count - (before.counts[at] ?? 0));
  const highest = counts.findLastIndex((count) => count > 0);
  const max = Math.min(now.bounds[highest] ?? now.max, now.max);
  return { bounds: now.bounds, counts, count: now.count - before.count, sum: now.sum - before.sum, max };
}

function mean({ count, sum }: Histogram): number | null {
  return count > 0 ? sum / count : null;
}
