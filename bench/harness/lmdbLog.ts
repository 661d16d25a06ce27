/** An lmdb database as a log: records under a counter, as lmdb encodes objects when it is told to share their structures. */
import type { RootDatabase, RootDatabaseOptionsWithPath } from 'lmdb';
import type { Session } from '../contender';
import type { Order } from '../order';

export interface LmdbLog {
  readonly db: Pick<RootDatabase<Order, number>, 'put' | 'putSync' | 'transactionSync'>;
  readonly nextLsn: () => number;
  /** What does not depend on how records are appended. */
  readonly session: Required<Pick<Session, 'replay' | 'close'>>;
}

export async function openLmdbLog(dir: string, options: Partial<RootDatabaseOptionsWithPath> = {}): Promise<LmdbLog> {
  const { open } = await import('lmdb');
  const db = open<Order, number>({ path: dir, sharedStructuresKey: Symbol.for('structures'), ...options });
  let lsn = 0;
  for (const key of db.getKeys({ reverse: true, limit: 1 })) lsn = key;
  return {
    db,
    nextLsn: () => (lsn += 1),
    session: {
      replay(take) {
        for (const { value } of db.getRange({})) take(value);
        return Promise.resolve();
      },
      close: () => db.close(),
    },
  };
}
