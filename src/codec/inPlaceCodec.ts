import type { Codec } from '../types';

/** The name of {@link InPlaceCodec}'s method: a symbol, so that no codec has it by chance. */
export const decodeWithin: unique symbol = Symbol('decodeWithin');

/** What a codec of the log's own can do besides: to make a view of each payload would take a tenth of the time of a read. */
export interface InPlaceCodec<T> extends Codec<T> {
  /** As `decode`, of the payload `buffer[start, end)`. */
  [decodeWithin](buffer: Uint8Array, start: number, end: number): T;
}

export function isInPlaceCodec<T>(codec: Codec<T>): codec is InPlaceCodec<T> {
  return decodeWithin in codec;
}
