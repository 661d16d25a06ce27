/** What a log's records make when they are taken in one by one, each once and in their order. */
export interface Fold {
  /** The last record in it. */
  readonly lsn: number;
  /** Depends on every record and on their order. */
  readonly hash: number;
}

export const NOTHING_FOLDED: Fold = { lsn: 0, hash: 1 };

/** With the next record: number `number` of life `life`. */
export function folded({ lsn, hash }: Fold, life: number, number: number): Fold {
  const mixed = Math.imul(hash ^ Math.imul(life, 0x9e3779b1), 0x85ebca6b) ^ number;
  return { lsn: lsn + 1, hash: Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35) >>> 0 };
}
