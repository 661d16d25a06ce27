/** SQLite through better-sqlite3: every call blocks. With `synchronous=FULL` a commit in WAL mode ends with an fsync of the WAL. */
import { join } from 'node:path';
import type { Contender } from '../contender';
import { byHand } from '../harness/byHand';
import type { Order } from '../order';

const contender: Contender = {
  name: 'better-sqlite3',
  kind: 'peer',
  how: 'WAL, synchronous=FULL, JSON in a row, prepared statement, blocking; one transaction a tick by hand, one for a bulk',

  async open(dir) {
    const { default: Database } = await import('better-sqlite3');
    const db = new Database(join(dir, 'orders.db'));
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.exec('CREATE TABLE IF NOT EXISTS orders (lsn INTEGER PRIMARY KEY, body TEXT NOT NULL)');
    const insert = db.prepare<[string]>('INSERT INTO orders (body) VALUES (?)');
    const all = db.prepare<[], string>('SELECT body FROM orders ORDER BY lsn').pluck();
    const insertAll = db.transaction((orders: readonly Order[]) => {
      for (const order of orders) insert.run(JSON.stringify(order));
    });
    return {
      ...byHand({
        encode: (orders) => orders,
        // A lone INSERT is a transaction of its own, and saves BEGIN and COMMIT.
        write: (orders) => {
          if (orders.length === 1) insert.run(JSON.stringify(orders[0]));
          else insertAll(orders);
          return Promise.resolve();
        },
        bulkRecords: Infinity,
      }),
      replay(take) {
        for (const body of all.iterate()) take(JSON.parse(body) as Order);
        return Promise.resolve();
      },
      close() {
        db.close();
        return Promise.resolve();
      },
    };
  },
};

export default contender;
