/** A directory for one measurement, on the disk that is measured. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** On the disk of this repository: the system's temporary directory may be memory. Not under version control. */
export const WORK = join(__dirname, '..', '.work');

/** Makes a directory, gives it to `use`, and removes it with everything in it. */
export async function inWorkDirectory<R>(base: string, use: (dir: string) => Promise<R>): Promise<R> {
  await mkdir(base, { recursive: true });
  const dir = await mkdtemp(join(base, 'scale-'));
  try {
    return await use(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
