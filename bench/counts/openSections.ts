/** What the traced process that opens logs does, for it and for those who read the trace. */

export const SEGMENTS = [10, 100] as const;
/** Records in the last segment of a log that was closed cleanly. */
export const LAST_RECORDS = 640;
/** Records of a log whose process was killed. */
export const KILLED_RECORDS = 6400;

export function openSection(segments: number): string {
  return `clean${segments}`;
}

export const KILLED = 'killed';

/** Whether a file is a segment, or is about to be one. */
export function isSegment(name: string): boolean {
  return name.startsWith('wal_');
}

export interface LastSegment {
  /** Its size before the log was opened, and right after. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

/** In the directory of the process: the last segment of each section's log, by the name of the section. */
export const SIZES_FILE = 'sizes.json';
export type Sizes = Record<string, LastSegment>;
