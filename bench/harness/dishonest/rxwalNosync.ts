import { firstValueFrom } from 'rxjs';
import { openWal } from 'rxwal';
import type { Contender } from '../../contender';
import type { Order } from '../../order';

const contender: Contender = {
  name: 'rxwal, nosync',
  kind: 'rxwal',
  how: 'mode nosync: ack when the operating system has it, and the ack says so',

  async open(dir) {
    const wal = await openWal<Order>(dir, { durability: { mode: 'nosync' } });
    return { append: (order) => firstValueFrom(wal.append(order)), close: () => wal.close() };
  },
};

export default contender;
