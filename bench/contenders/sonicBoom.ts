/**
 * sonic-boom, the stream behind pino. With `fsync: true` it calls `fsyncSync` after each write, so the event loop stands still for as long;
 * with `sync: true` the write blocks too, which saves the trip through the thread pool. `drain` is the ack: nothing is left unwritten or unsynced.
 */
import { join } from 'node:path';
import type { Contender } from '../contender';
import { byHand } from '../harness/byHand';
import { readJsonLines, toJsonLines } from '../harness/jsonLines';

const contender: Contender = {
  name: 'sonic-boom',
  kind: 'peer',
  how: 'lines of JSON, fsync: true, sync: true, blocking; batched by hand, one write a batch; ack at drain',

  async open(dir) {
    const { SonicBoom } = (await import('sonic-boom')).default;
    const path = join(dir, 'orders.jsonl');
    const stream = new SonicBoom({ dest: path, fsync: true, sync: true, contentMode: 'buffer' });
    return {
      ...byHand({
        encode: (orders) => Buffer.from(toJsonLines(orders)),
        write: (lines) =>
          new Promise<void>((resolve, reject) => {
            stream.once('error', reject);
            stream.once('drain', () => {
              stream.off('error', reject);
              resolve();
            });
            // Its types know strings only; with `contentMode: 'buffer'` it takes bytes.
            (stream.write as unknown as (bytes: Buffer) => boolean).call(stream, lines);
          }),
      }),
      replay: (take) => readJsonLines(path, take),
      close: () =>
        new Promise<void>((resolve) => {
          stream.once('close', resolve);
          stream.end();
        }),
    };
  },
};

export default contender;
