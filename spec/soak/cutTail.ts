import { readdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

/** The fault `cut-tail`: does what no kill can, and takes half of the last segment away. */
export function cutTail(dir: string): void {
  const name = readdirSync(dir)
    .filter((file) => file.endsWith('.log'))
    .sort()
    .at(-1);
  if (name === undefined) return;
  const path = join(dir, name);
  const end = readFileSync(path).findLastIndex((byte) => byte !== 0) + 1;
  truncateSync(path, Math.ceil(end / 2));
}
