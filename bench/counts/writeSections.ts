/** What the traced process that writes does, for it and for those who read the trace. */

export const BULK = 'bulk';
/** So many producers, or all records at once. */
export const LOADS = [1, 64, BULK] as const;
export type Load = (typeof LOADS)[number];

export const ROTATIONS = 5;

/** Whole batches: 4,096 records is what one commit has at the most. */
export function recordsOf(load: Load): number {
  if (load === BULK) return 2 * 4096;
  return load === 1 ? 500 : 20 * load;
}

export function writeSection(kind: string, load: Load): string {
  return `${kind}${load}`;
}
