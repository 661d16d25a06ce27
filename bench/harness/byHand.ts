/**
 * Group commit by hand, for a peer that has none: what is appended while a write is on its way, and in the tick after it, leaves with
 * the next write. One promise for each batch is the ack of all its records, so a peer pays for no more promises than it must.
 */
import type { Order } from '../order';
import type { Session } from '../contender';

export interface ByHandOptions<Batch> {
  /** Makes the bytes, or what the library wants, of one batch. */
  readonly encode: (orders: readonly Order[]) => Batch;
  /** Writes one batch; resolves when it is as durable as the library can make it. Never called while another call is on its way. */
  readonly write: (batch: Batch) => Promise<unknown>;
  /** Records in one write of a bulk. The next batch is encoded while one is on its way. Default: {@link BULK_RECORDS}. */
  readonly bulkRecords?: number;
}

const BULK_RECORDS = 8192;

export function byHand<Batch>({ encode, write, bulkRecords = BULK_RECORDS }: ByHandOptions<Batch>) {
  let waiting: Order[] = [];
  let gathering: Promise<unknown> | undefined;
  let writing: Promise<unknown> = Promise.resolve();

  async function leave(): Promise<void> {
    await writing;
    // The producers whose records have just been acknowledged append again before the tick ends: they are of this batch.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    const orders = waiting;
    waiting = [];
    gathering = undefined;
    writing = write(encode(orders));
    await writing;
  }

  return {
    append(order: Order): Promise<unknown> {
      waiting.push(order);
      return (gathering ??= leave());
    },

    async bulk(orders: readonly Order[]): Promise<void> {
      await (gathering ?? writing);
      for (let at = 0; at < orders.length; at += bulkRecords) {
        const batch = encode(orders.slice(at, at + bulkRecords));
        await writing;
        writing = write(batch);
      }
      await writing;
    },
  } satisfies Pick<Session, 'append' | 'bulk'>;
}
