/**
 * What a benchmark compares. A new contender is one small file in `contenders/` that default-exports a {@link Contender}; nothing
 * else has to know of it.
 */
import type { Order } from './order';

export interface Contender {
  /** As in the tables and on the command line. */
  readonly name: string;
  /**
   * `floor`: what the disk allows, with bytes made ready beforehand. `ideal`: the least code that keeps encoded records. `rxwal`, `peer`:
   * what somebody would use.
   */
  readonly kind: 'floor' | 'ideal' | 'rxwal' | 'peer';
  /** In a few words, for the table: how it writes, which options make its ack mean the most. */
  readonly how: string;
  /** The process that writes, where it is not this one: for the counts of system calls and bytes. */
  readonly server?: true;
  /** Opens a log in a directory that is there: empty, or left by an earlier session of the same contender. Throws where it is not installed. */
  open(dir: string): Promise<Session>;
}

export interface Session {
  /** Keeps one record; resolves at its ack: as durable as this contender can promise with it. */
  append(order: Order): PromiseLike<unknown>;
  /** Keeps many, handed over as fast as they are taken; resolves when each has been acknowledged. Default: `append` for each at once. */
  bulk?(orders: readonly Order[]): Promise<unknown>;
  /** Keeps many without an ack for each; resolves when the last is durable. Only where that is another way than `bulk`. */
  bulkUnacked?(orders: readonly Order[]): Promise<unknown>;
  /** Reads all records back, decoded, in order, each given to `take`. */
  replay?(take: (order: Order) => void): Promise<unknown>;
  /** Id of the process that writes, where the contender has a server. */
  readonly serverPid?: number;
  close(): Promise<unknown>;
}
