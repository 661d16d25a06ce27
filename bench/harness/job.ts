/**
 * The child process of one job: `node job.js JSON`. The outcome goes to descriptor 3, since a contender may print what it likes.
 *
 * A process of its own for each job: no contender inherits what another has done to the heap, the compiler or the thread pool.
 */
import { writeSync } from 'node:fs';
import { REGIMES } from '../regimes/all';
import { Unable } from '../regimes/regime';
import { loadContender } from './contenderFiles';
import { isLimited } from './limited';
import type { Job, Measurement, Outcome } from './measurement';

const OUTCOME = 3;

async function outcomeOf(job: Job): Promise<Outcome> {
  const regime = REGIMES.find(({ name }) => name === job.regime);
  if (regime === undefined) throw new Error(`${job.regime} is no regime`);
  const contender = await loadContender(job.contender);
  if (job.prepare) {
    await regime.prepare?.(contender, job);
    return { kind: 'prepared' };
  }
  const measured: Measurement =
    isLimited(contender) && contender.measure !== undefined
      ? await contender.measure(job)
      : await regime.measure(contender, job);
  return { kind: 'measured', measurement: measured };
}

function unable(error: unknown): Outcome {
  const why = error instanceof Error ? error.message : String(error);
  const { code } = error as NodeJS.ErrnoException;
  const absent = code === 'MODULE_NOT_FOUND' || /not installed/i.test(why);
  const kind = error instanceof Unable ? 'unable' : absent ? 'absent' : 'failed';
  return { kind, why: why.split('\n')[0] ?? why };
}

void outcomeOf(JSON.parse(process.argv[2] ?? '{}') as Job)
  .catch(unable)
  .then((outcome) => {
    writeSync(OUTCOME, JSON.stringify(outcome));
    // A library that keeps a handle open must not keep the round waiting.
    process.exit(0);
  });
