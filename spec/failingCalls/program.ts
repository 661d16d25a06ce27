/*
 * The program of these specs, run under the shim. Each line it is given is a job; it says what it does and hears as lines of JSON, and
 * is ready for the next one when it has said `end`.
 */
import { createInterface } from 'node:readline';
import { say } from '../disk/say';
import type { Event, Job } from './events';
import { arm, openDescriptors, seenCalls } from './shim';
import { WORKLOADS } from './workloads';

function tell(event: Event): void {
  say(JSON.stringify(event));
}

/** What nobody handles is told, and fails the run that it comes from. */
for (const kind of ['unhandledRejection', 'uncaughtException'] as const) {
  process.on(kind, (error: unknown) => {
    tell({ is: 'unhandled', message: `${kind}: ${error instanceof Error ? error.stack : String(error)}` });
  });
}

async function run(job: Job): Promise<void> {
  arm(job.rules);
  await WORKLOADS[job.workload](job, tell);
  const calls = seenCalls();
  const open = openDescriptors();
  arm('');
  // What is reported as unhandled is so in a later turn.
  await new Promise(setImmediate);
  tell({ is: 'end', calls, open });
}

/** A promise that nothing will settle any more lets the process run out: standard input is not waited for while a job runs. */
function main(): void {
  const jobs = createInterface(process.stdin);
  jobs.on('line', (line) => {
    process.stdin.unref();
    void run(JSON.parse(line) as Job).then(() => {
      process.stdin.ref();
    });
  });
}

if (require.main === module) main();
