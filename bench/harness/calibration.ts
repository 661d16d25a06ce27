/** How many records one bulk takes, so that every contender gets the same, and the floor is busy for a known time with it. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Job } from './measurement';
import { runJob } from './runJob';

/** One bulk should take the floor this long, in seconds. */
const BULK_SECONDS = 0.03;
const FEWEST = 10_000;
/** More would take the slowest contender seconds. */
const MOST = 50_000;

export async function calibrateBulk(
  data: string,
  before: readonly string[],
  job: Pick<Job, 'measureMs' | 'warmUpMs' | 'logRecords'>,
): Promise<number> {
  const dir = join(data, 'calibration');
  mkdirSync(dir, { recursive: true });
  const calibration = { ...job, contender: 'floor', regime: 'bulk', prepare: false, dir, bulkRecords: FEWEST };
  const outcome = await runJob(calibration, before);
  rmSync(dir, { recursive: true, force: true });
  if (outcome.kind !== 'measured') throw new Error(`the floor cannot be measured: ${JSON.stringify(outcome)}`);
  const { records, seconds } = outcome.measurement;
  const wanted = (records / seconds) * BULK_SECONDS;
  return Math.min(MOST, Math.max(FEWEST, Math.round(wanted / FEWEST) * FEWEST));
}
