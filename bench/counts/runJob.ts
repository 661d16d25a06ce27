import { spawn } from 'node:child_process';
import { jobFile } from './tracedJob';

/** Runs one of the programs beside this file, and gives what it has printed as JSON. */
export function runJob<R>(job: string, args: readonly string[], nodeOptions: readonly string[] = []): Promise<R> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeOptions, jobFile(job), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    child.stdout.on('data', (bytes: Buffer) => (printed += bytes.toString()));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(JSON.parse(printed) as R);
      else reject(new Error(`${job} ended with ${signal ?? String(code)}`));
    });
  });
}
