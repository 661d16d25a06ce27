/** Everything that noise cannot touch, compiled and put aside: started by `bench/smoke.ts`. Ends with 1 where a budget is exceeded. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { WORK } from '../harness/places';
import { notCounted, type NotCounted } from './count';
import { countAcks } from './countAcks';
import { countAllocations } from './countAllocations';
import { countHonesty } from './countHonesty';
import { countIdle } from './countIdle';
import { countOpens } from './countOpens';
import { countWrites } from './countWrites';
import { report } from './report';

async function main(): Promise<void> {
  const work = join(WORK, `counts-${process.pid}`);
  mkdirSync(work, { recursive: true });
  process.on('exit', () => rmSync(work, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

  const { lines, exceeded, missing } = report({
    writes: await orWhyNot(countWrites(work)),
    honesty: await orWhyNot(countHonesty()),
    opens: await orWhyNot(countOpens(work)),
    idle: await orWhyNot(countIdle(work)),
    allocations: await orWhyNot(countAllocations(work)),
    acks: await orWhyNot(countAcks()),
  });
  console.log(lines.join('\n'));
  console.log('');
  for (const line of missing) console.log(line);
  for (const line of exceeded) console.log(`EXCEEDED: ${line}`);
  // Elsewhere than in CI strace may be missing, or refused.
  const isIncomplete = missing.length > 0 && process.env['CI'] === 'true';
  if (exceeded.length > 0 || isIncomplete) process.exitCode = 1;
  if (exceeded.length === 0) console.log('Every count that was taken is within its budget.');
}

function orWhyNot<R>(counts: Promise<R>): Promise<R | NotCounted> {
  return counts.catch((error: unknown) => notCounted(error instanceof Error ? error.message : String(error)));
}

void main();
