/** Parts of a traced process, told apart by marks that it writes to /dev/null. */
import { openSync, writeSync } from 'node:fs';
import { markText } from '../harness/honestyMarks';

let devNull: number | undefined;

/** From here on, what is asked of the kernel belongs to this section. @param name letters and digits. */
export function beginSection(name: string): void {
  devNull ??= openSync('/dev/null', 'w');
  writeSync(devNull, markText(name, 0));
}

/** From here on it belongs to none. */
export function endSection(): void {
  beginSection(NO_SECTION);
}

export const NO_SECTION = 'none';
