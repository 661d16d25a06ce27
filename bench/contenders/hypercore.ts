/** hypercore: a signed log on RocksDB. There is no option that makes an append wait for the disk. */
import { join } from 'node:path';
import type { Contender } from '../contender';
import { byHand } from '../harness/byHand';
import type { Order } from '../order';

/** Blocks asked for at once: ten times faster than its read stream, which asks for one after the other. */
const PAGE = 64;

const contender: Contender = {
  name: 'hypercore',
  kind: 'peer',
  how: 'JSON blocks, append of an array a tick by hand; no durability option, ack at append',

  async open(dir) {
    const { default: Hypercore } = await import('hypercore');
    const core = new Hypercore<Order>(join(dir, 'orders'), { valueEncoding: 'json' });
    await core.ready();
    return {
      ...byHand({ encode: (orders) => orders, write: (orders) => core.append(orders) }),
      async replay(take) {
        for (let from = 0; from < core.length; from += PAGE) {
          const count = Math.min(PAGE, core.length - from);
          const page = await Promise.all(Array.from({ length: count }, (_, index) => core.get(from + index)));
          page.forEach(take);
        }
      },
      close: () => core.close(),
    };
  },
};

export default contender;
