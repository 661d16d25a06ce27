/** What the logs that are counted are given to keep. */
import type { Codec, Wal } from 'rxwal';
import { cborCodec, rawCodec } from 'rxwal';
import { order } from '../order';

export interface Kind {
  readonly name: string;
  readonly codec: Codec<unknown>;
  /** The same for the same number. */
  readonly make: (number: number) => unknown;
}

const raw = (bytes: number): Kind['make'] => {
  const payload = Buffer.alloc(bytes, 'x');
  return () => payload;
};

export const ORDERS: Kind = {
  name: 'order',
  codec: cborCodec<unknown>(),
  make: order,
};
export const SMALL: Kind = { name: 'small', codec: rawCodec(), make: raw(16) };
export const LARGE: Kind = { name: 'large', codec: rawCodec(), make: raw(4096) };
export const KINDS: readonly Kind[] = [ORDERS, SMALL, LARGE];

/** Bytes that `records` records of a kind have as the codec makes them, before the log adds anything. */
export function payloadBytes({ codec, make }: Kind, records: number): number {
  let bytes = 0;
  for (let number = 0; number < records; number += 1) bytes += codec.encode(make(number)).length;
  return bytes;
}

/** So many producers, each awaiting its ack before it appends again. */
export async function produce(
  wal: Wal<unknown>,
  { producers, records, make }: { producers: number; records: number; make: Kind['make'] },
): Promise<void> {
  let next = 0;
  const producer = async (): Promise<void> => {
    while (next < records) await wal.append(make(next++));
  };
  await Promise.all(Array.from({ length: producers }, producer));
}
