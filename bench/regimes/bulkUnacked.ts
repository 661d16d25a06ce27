/** Many records handed over without an ack for each; done when the last is durable. */
import { appendAll, measureBulk } from './bulk';
import { Unable, type Regime } from './regime';

export const bulkUnacked: Regime = {
  name: 'bulk-unacked',
  title: 'Bulk, without an ack for each record',
  references: ['tight loop', 'floor'],
  measure: (contender, job) =>
    measureBulk(contender, job, (session, orders) => {
      if (session.bulkUnacked !== undefined) return session.bulkUnacked(orders);
      // A floor has no acks that it could leave out.
      if (contender.kind !== 'floor') throw new Unable('has no other way than bulk');
      return appendAll(session, orders);
    }),
};
