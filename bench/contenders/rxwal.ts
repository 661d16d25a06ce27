import { from, lastValueFrom } from 'rxjs';
import { appendTo, openWal } from 'rxwal';
import type { Contender } from '../contender';
import type { Order } from '../order';

const rxwal: Contender = {
  name: 'rxwal',
  kind: 'rxwal',
  how: 'openWal(dir) with every default: mode sync, CBOR',
  async open(dir) {
    const wal = await openWal<Order>(dir);
    return {
      append: (order) => wal.append(order),
      bulk: (orders) => lastValueFrom(from(orders).pipe(appendTo(wal))),
      bulkUnacked: (orders) => {
        for (const order of orders) wal.next(order);
        return wal.sync();
      },
      replay: (take) =>
        new Promise<void>((complete, error) => {
          wal.read().subscribe({ next: ({ value }) => take(value), error, complete });
        }),
      close: () => wal.close(),
    };
  },
};

export default rxwal;
