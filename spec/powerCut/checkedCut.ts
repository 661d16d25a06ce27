import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { check, type Finding } from './check';
import { command } from './command';
import type { FileSystem } from './fileSystems';
import type { Draw } from '../support/draw';
import type { Promised, Truth } from './truth';
import { logDir } from './writtenRun';

/** Mounts the image that a power cut left, looks at the log in it, and unmounts it. A text where the
 * file system cannot be mounted: why. */
export async function checkedCut(
  fileSystem: FileSystem,
  image: string,
  workDir: string,
  truth: Truth,
  promised: Promised,
  random: Draw,
): Promise<Finding | string> {
  const mountPoint = join(workDir, 'cut');
  mkdirSync(mountPoint, { recursive: true });
  try {
    command('mount', '-o', fileSystem.checkOptions, image, mountPoint);
  } catch (error) {
    return (error as Error).message;
  }
  try {
    return await check(logDir(mountPoint), truth, promised, random);
  } finally {
    command('umount', mountPoint);
  }
}
