/** Where things are, for programs that run from `bench/` and for their compiled copies below it. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder `bench/`: the nearest one above this file whose package is the benchmark's. */
export const BENCH = benchAbove(__dirname);
/** The repository. */
export const ROOT = dirname(BENCH);
/** For everything that a run makes: git-ignored, and on the disk of the repository. */
export const WORK = join(BENCH, '.work');

function benchAbove(directory: string): string {
  const manifest = join(directory, 'package.json');
  if (existsSync(manifest) && readFileSync(manifest, 'utf8').includes('"rxwal-bench"')) return directory;
  const above = dirname(directory);
  if (above === directory) throw new Error(`${__dirname} is not below bench/`);
  return benchAbove(above);
}
