import { WalRecordError } from '../errors';
import type { Codec } from '../types';
import { isBareBytes } from './bareBytes';
import { NOT_WITHIN, decodeWithin, encodeWithin, madeInPlace } from './inPlaceCodec';

/**
 * Bytes as they are, for values that are encoded already. A read gives a copy of its own for each record.
 *
 * @throws WalRecordError (that append alone) for anything but a `Uint8Array`.
 */
export function rawCodec(): Codec<Uint8Array> {
  return madeInPlace<Uint8Array>({
    encode: (value: unknown) => {
      if (value instanceof Uint8Array) return value;
      throw new WalRecordError(`rawCodec takes a Uint8Array, not ${value === null ? 'null' : typeof value}`);
    },
    decode: (payload) => new Uint8Array(payload),
    [encodeWithin]: (value: unknown, buffer, start) => {
      if (!isBareBytes(value) || value.length > buffer.length - start) return NOT_WITHIN;
      buffer.set(value, start);
      return start + value.length;
    },
    [decodeWithin]: (buffer, start, end) => new Uint8Array(buffer.subarray(start, end)),
  });
}
