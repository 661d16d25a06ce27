/**
 * The least code that keeps encoded records: no RxJS, each record encoded and copied into one arena, one durable write a batch, a
 * promise a record. What gathers while a write is in flight is the next batch. The trials change one thing about it at a time.
 */
import { Encoder } from 'cbor-x';
import { crc32 } from 'node:zlib';
import type { Order } from '../order';
import { MIB } from './harness';

/** Makes bytes durable; calls back once they are. */
export type DurableWrite = (arena: Buffer, bytes: number, done: (error?: Error | null) => void) => void;

/** Calls back when the batch may leave: at once, or once everybody who is about to append has done so. */
export type Departure = (leave: () => void) => void;

const HEAD_BYTES = 12;
const FRAME_OVERHEAD_BYTES = 16;

interface Arena {
  readonly bytes: Buffer;
  used: number;
  acks: (() => void)[];
}

export class IdealLoop {
  writes = 0;
  records = 0;
  readonly #encoder = new Encoder({ useRecords: false });
  #gathering: Arena;
  #spare: Arena;
  #busy = false;

  /** @param arenas two, each with room for every record that may wait: one gathers while the other is on its way. */
  constructor(
    private readonly write: DurableWrite,
    private readonly departure: Departure,
    arenas: readonly [Buffer, Buffer] = [Buffer.alloc(MIB), Buffer.alloc(MIB)],
  ) {
    this.#gathering = { bytes: arenas[0], used: 0, acks: [] };
    this.#spare = { bytes: arenas[1], used: 0, acks: [] };
  }

  append(order: Order): Promise<void> {
    const payload = this.#encoder.encode(order);
    const arena = this.#gathering;
    const at = arena.used;
    const end = at + FRAME_OVERHEAD_BYTES + payload.length;
    arena.bytes.writeUInt32LE(payload.length, at);
    arena.bytes.writeUInt32LE((this.records += 1), at + 4);
    arena.bytes.set(payload, at + HEAD_BYTES);
    arena.bytes.writeUInt32LE(crc32(arena.bytes.subarray(at, end - 4)), end - 4);
    arena.used = end;
    return new Promise((resolve) => {
      arena.acks.push(resolve);
      if (this.#busy) return;
      this.#busy = true;
      this.departure(this.#leave);
    });
  }

  readonly #leave = (): void => {
    const leaving = this.#gathering;
    this.#gathering = this.#spare;
    this.#spare = leaving;
    this.writes += 1;
    this.write(leaving.bytes, leaving.used, (error) => {
      if (error) throw error;
      const { acks } = leaving;
      leaving.acks = [];
      leaving.used = 0;
      for (const ack of acks) ack();
      // Whoever came while this batch was on its way waits in the other arena.
      this.#busy = this.#gathering.used > 0;
      if (this.#busy) this.departure(this.#leave);
    });
  };
}
