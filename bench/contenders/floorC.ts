import { execFile, execFileSync } from 'node:child_process';
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Limited } from '../harness/limited';
import type { Job, Latency, Measurement } from '../harness/measurement';
import { BENCH, WORK } from '../harness/places';
import { RING } from '../harness/orders';
import { makeSlab } from '../harness/preframed';
import { Unable } from '../regimes/regime';

/** In one write of a bulk: as many as the floor in Node takes. */
const BULK_RECORDS = 5400;

interface Printed extends Latency {
  readonly writes: number;
  readonly seconds: number;
  readonly cpuUs: number;
  readonly givenBytes: number;
  readonly dirtiedBytes: number;
}

const floorC: Limited = {
  name: 'floor in C',
  kind: 'floor',
  how: 'a C program, compiled when the run starts: one O_DSYNC pwrite into zero-filled space at a time; in bulk 5,400 records a write',
  regimes: ['1', 'bulk'],
  open: () => Promise.reject(new Unable('is a program of its own')),
  async measure(job: Job): Promise<Measurement> {
    const perWrite = job.regime === 'bulk' ? BULK_RECORDS : 1;
    const recordBytes = Math.round((makeSlab().ends[RING] as number) / RING);
    const numbers = [recordBytes, perWrite, job.warmUpMs, job.measureMs].map(String);
    const { stdout } = await promisify(execFile)(compiled(), [join(job.dir, 'log'), ...numbers]);
    const { writes, seconds, cpuUs, givenBytes, dirtiedBytes, p50, p99, p999, max } = JSON.parse(stdout) as Printed;
    return {
      records: writes * perWrite,
      seconds,
      latencyUs: perWrite === 1 ? { p50, p99, p999, max } : undefined,
      usage: { cpuUs, ...(dirtiedBytes < 0 ? {} : { givenBytes, dirtiedBytes }) },
    };
  },
};

/** The program, compiled once for each run: it stands beside the run's other files. */
function compiled(): string {
  const program = join(__dirname, 'floorC.bin');
  if (existsSync(program)) return program;
  const unfinished = `${program}.${process.pid}`;
  try {
    execFileSync('cc', ['-O2', '-o', unfinished, join(BENCH, 'contenders', 'floor.c')], { cwd: WORK, stdio: 'pipe' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new Error('not installed: a C compiler (cc)', { cause: error });
    throw error;
  }
  renameSync(unfinished, program);
  return program;
}

export default floorC;
