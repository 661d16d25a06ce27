/** Runs one of the programs beside this file under strace. */
import { mkdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { strace } from '../harness/strace';
import { TRACED, readFileCalls, type FileCalls } from './fileCalls';

/** @returns the calls of each section; or why they could not be counted. */
export async function tracedJob(job: string, work: string): Promise<ReadonlyMap<string, FileCalls> | string> {
  const dir = join(work, job);
  mkdirSync(dir, { recursive: true });
  const trace = join(work, `${job}.calls`);
  const failed = await strace([process.execPath, jobFile(job), dir], TRACED, trace);
  return failed ?? readFileCalls(trace, dir);
}

export function jobFile(job: string): string {
  return join(__dirname, `${job}${extname(__filename)}`);
}
