/** lmdb without its writer thread: a transaction on the main thread, which stands still until it is flushed. */
import type { Contender } from '../contender';
import { byHand } from '../harness/byHand';
import { openLmdbLog } from '../harness/lmdbLog';

const contender: Contender = {
  name: 'lmdb, blocking',
  kind: 'peer',
  how: 'as lmdb, with transactionSync and keys appended: one transaction a tick by hand, one for a bulk',

  async open(dir) {
    const { db, nextLsn, session } = await openLmdbLog(dir, { overlappingSync: false, noMemInit: true });
    return {
      ...byHand({
        encode: (orders) => orders,
        write(orders) {
          db.transactionSync(() => {
            for (const order of orders) db.putSync(nextLsn(), order, { append: true });
          });
          return Promise.resolve();
        },
        bulkRecords: Infinity,
      }),
      ...session,
    };
  },
};

export default contender;
