import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child, nodeCommand } from '../disk/childProcess';
import { copyImage } from './cutDisk';
import { readJournal, type JournalEntry } from './journal';
import { RecordedDisk } from './recordedDisk';
import type { WriterPlan } from './writer';

/** What a writer left behind. */
export interface WrittenRun {
  /** The image as it was before. */
  readonly base: string;
  /** What its block device was told since. */
  readonly journal: readonly JournalEntry[];
  /** What the log has promised, line by line. */
  readonly promises: readonly string[];
  /** How often a failed write has stopped it. */
  readonly failures: number;
  /** Why the writer ended before its time: a log that did not open, or failed as it must not. `undefined` where it did not. */
  readonly complaint: string | undefined;
}

export interface Place {
  readonly recorder: string;
  readonly workDir: string;
}

export interface Disk {
  /** An image with a file system. It is left as it is; a copy is written to. */
  readonly base: string;
  readonly mountOptions: string;
}

/** Journals are held in memory: enough for a few seconds of writing. */
const MAX_JOURNAL_BYTES = 32 * 1024 * 1024;

/** Where a run puts what has to be kept when it shows a violation. */
export function runFiles(workDir: string): { readonly journal: string; readonly promises: string } {
  return { journal: join(workDir, 'journal'), promises: join(workDir, 'promises') };
}

/** The log's directory on a mounted disk. The log makes it. */
export function logDir(mountPoint: string): string {
  return join(mountPoint, 'data', 'log');
}

/** Mounts a recorded disk, lets a writer do its work on it, and unmounts it. */
export async function writtenRun(
  { recorder, workDir }: Place,
  { base, mountOptions }: Disk,
  work: Pick<WriterPlan, 'firstOpening' | 'openings' | 'isLying' | 'closes'>,
): Promise<WrittenRun> {
  const { journal, promises } = runFiles(workDir);
  const image = join(workDir, 'written.img');
  copyImage(base, image);
  writeFileSync(promises, '');
  const disk = new RecordedDisk(recorder, journal, workDir);
  await disk.mount(image, mountOptions);
  const plan: WriterPlan = {
    ...work,
    dir: logDir(disk.mountPoint),
    journal,
    promises,
    recorder: disk.recorderPid,
    maxJournalBytes: MAX_JOURNAL_BYTES,
  };
  const writer = new Child(nodeCommand(require.resolve('./writer'), JSON.stringify(plan)));
  const { code, signal } = await writer.exited;
  await disk.unmount();
  return {
    base,
    journal: readJournal(journal),
    promises: readFileSync(promises, 'utf8').split('\n').filter(Boolean),
    failures: writer.lines.filter((line) => line.startsWith('failed ')).length,
    complaint: code === 0 ? undefined : `the writer ended with ${code ?? signal}: ${writer.errors}`,
  };
}
