/**
 * async-append-only-log, the log of Secure Scuttlebutt: blocks of 64 KiB, written whole and fsync'd after a pause in the appends.
 *
 * Its `onDrain` also fires for a record that was appended to a block while that block was being written, before the write that has the
 * record. Batched by hand, nothing is appended until `onDrain` has fired, and every ack is honest.
 */
import { Encoder } from 'cbor-x';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Contender } from '../contender';
import { byHand } from '../harness/byHand';
import type { Order } from '../order';

/** The shortest pause that it can wait: 0 would mean its default of 250 ms. */
const WRITE_TIMEOUT_MS = 1;

const BULK_RECORDS = 65_536;

const contender: Contender = {
  name: 'async-append-only-log',
  kind: 'peer',
  how: 'CBOR, blocks of 64 KiB, writeTimeout 1 ms (its shortest), batched by hand; ack at onDrain',

  async open(dir) {
    const { default: openLog } = await import('async-append-only-log');
    const cbor = new Encoder({ useRecords: false });
    const log = openLog<Order>(join(dir, 'orders.log'), {
      writeTimeout: WRITE_TIMEOUT_MS,
      codec: { encode: (order) => cbor.encode(order), decode: (bytes) => cbor.decode(bytes) as Order },
    });
    await promisify(log.onDrain)();
    return {
      ...byHand({
        encode: (orders) => orders,
        write: (orders) =>
          new Promise<void>((resolve, reject) => {
            log.append(orders, (error) => {
              if (error) reject(error);
              else log.onDrain(resolve);
            });
          }),
        // Each call costs the pause once.
        bulkRecords: BULK_RECORDS,
      }),
      replay: (take) =>
        new Promise<void>((resolve, reject) => {
          log.stream({ offsets: false }).pipe({
            paused: false,
            write: take,
            end: (error) => {
              if (error) reject(error);
              else resolve();
            },
          });
        }),
      close: () => promisify(log.close)(),
    };
  },
};

export default contender;
