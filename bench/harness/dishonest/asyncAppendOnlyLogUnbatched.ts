import { Encoder } from 'cbor-x';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Contender } from '../../contender';
import type { Order } from '../../order';

const contender: Contender = {
  name: 'async-append-only-log, unbatched',
  kind: 'peer',
  how: 'as its documentation has it: append, then onDrain, which fires too early for a block that is being written already',

  async open(dir) {
    const { default: openLog } = await import('async-append-only-log');
    const cbor = new Encoder({ useRecords: false });
    const log = openLog<Order>(join(dir, 'orders.log'), {
      writeTimeout: 1,
      codec: { encode: (order) => cbor.encode(order), decode: (bytes) => cbor.decode(bytes) as Order },
    });
    await promisify(log.onDrain)();
    return {
      append: (order) =>
        new Promise<void>((resolve, reject) => {
          log.append(order, (error) => {
            if (error) reject(error);
            else log.onDrain(resolve);
          });
        }),
      close: () => promisify(log.close)(),
    };
  },
};

export default contender;
