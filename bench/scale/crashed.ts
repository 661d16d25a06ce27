/** A log as a process that was killed leaves it: what the operating system had been given, and no clean end. */
import { readFile, writeFile } from 'node:fs/promises';

/** The last segment of a log that is open, byte for byte. */
export function unclean(segment: string): Promise<Buffer> {
  return readFile(segment);
}

/** Puts those bytes back in the place of the segment of the log that has been closed since. */
export async function leaveAsKilled(segment: string, bytes: Buffer): Promise<void> {
  await writeFile(segment, bytes);
}
