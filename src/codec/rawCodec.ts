import { WalRecordError } from '../errors';
import type { Codec } from '../types';

/**
 * Bytes as they are, for values that are encoded already. A read gives a copy of its own for each record.
 *
 * @throws WalRecordError (that append alone) for anything but a `Uint8Array`.
 */
export function rawCodec(): Codec<Uint8Array> {
  return {
    encode: (value: unknown) => {
      if (value instanceof Uint8Array) return value;
      throw new WalRecordError(`rawCodec takes a Uint8Array, not ${value === null ? 'null' : typeof value}`);
    },
    decode: (payload) => new Uint8Array(payload),
  };
}
