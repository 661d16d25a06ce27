import { from, lastValueFrom, map } from 'rxjs';
import { appendTo, openWal, rawCodec } from 'rxwal';
import { encode } from '../harness/frames';
import type { Limited } from '../harness/limited';

const rxwalRaw: Limited = {
  name: 'rxwal raw',
  kind: 'rxwal',
  how: 'openWal(dir, { codec: rawCodec() }): payloads as bytes, checked and not decoded',
  regimes: ['replay-raw'],
  async open(dir) {
    const wal = await openWal<Uint8Array>(dir, { codec: rawCodec() });
    const bulk = (orders: Parameters<typeof encode>[0][]): Promise<unknown> =>
      lastValueFrom(
        from(orders).pipe(
          map((order) => encode(order)),
          appendTo(wal),
        ),
      );
    return {
      append: (order) => bulk([order]),
      bulk: (orders) => bulk([...orders]),
      replay: () =>
        new Promise<number>((resolve, error) => {
          let records = 0;
          wal.read().subscribe({ next: () => (records += 1), error, complete: () => resolve(records) });
        }),
      close: () => wal.close(),
    };
  },
};

export default rxwalRaw;
