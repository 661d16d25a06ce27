/** Does one job in a fresh child process. */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Job, Outcome } from './measurement';

/** How long a job may take before it is given up, in milliseconds: a contender that hangs must not hang the run. */
const PATIENCE_MS = 180_000;

/** @param before words of a command to put before each job's, such as `taskset -c 1`. */
export function runJob(job: Job, before: readonly string[] = []): Promise<Outcome> {
  mkdirSync(job.dir, { recursive: true });
  const words = [...before, process.execPath, join(__dirname, 'job.js'), JSON.stringify(job)];
  return new Promise((resolve, reject) => {
    const child = spawn(words[0] as string, words.slice(1), {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    });
    const heard = { stderr: '', outcome: '' };
    child.stdio[2]?.on('data', (bytes: Buffer) => (heard.stderr += bytes.toString()));
    child.stdio[3]?.on('data', (bytes: Buffer) => (heard.outcome += bytes.toString()));
    const patience = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(patience);
      if (heard.outcome !== '') resolve(JSON.parse(heard.outcome) as Outcome);
      else resolve({ kind: 'failed', why: `ended with ${signal ?? String(code)}: ${lastLine(heard.stderr)}` });
    });
  });
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
