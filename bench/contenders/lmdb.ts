/**
 * lmdb: a memory-mapped B+tree with a writer thread, which makes one transaction of what is put in one turn of the event loop. By default a
 * put resolves before its transaction is flushed. Without `overlappingSync` it resolves after, and takes no longer than `flushed` does.
 */
import type { Contender } from '../contender';
import { openLmdbLog } from '../harness/lmdbLog';

const contender: Contender = {
  name: 'lmdb',
  kind: 'peer',
  how: 'msgpack with shared structures, overlappingSync: false, its own batching; ack at put, which is flushed then',

  async open(dir) {
    const { db, nextLsn, session } = await openLmdbLog(dir, { overlappingSync: false });
    return { append: (order) => db.put(nextLsn(), order), ...session };
  },
};

export default contender;
