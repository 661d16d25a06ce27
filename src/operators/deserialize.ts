import { filter, map, type OperatorFunction } from 'rxjs';
import { undecodable } from '../reading/entriesOf';
import { framePayload } from '../format/frame';
import type { Codec, Entry, StoredFrame } from '../types';

/**
 * Turns record frames back into entries: the mirror of `serialize`. Marks and checkpoints are no records and are left out.
 *
 * ```
 * source:         --7--m--8--|
 * deserialize():  --a-----b--|      a = { lsn: 7, value }
 * ```
 *
 * A payload whose checksum is right and that the codec cannot decode was written with another codec: a `WalRecordError` that
 * names the LSN.
 */
export function deserialize<T>(codec: Codec<T>): OperatorFunction<StoredFrame, Entry<T>> {
  return (source) =>
    source.pipe(
      filter(({ kind }) => kind === 'record'),
      map(({ lsn, buffer, start, end }) => {
        try {
          return { lsn, value: codec.decode(framePayload(buffer, start, end)) };
        } catch (cause) {
          throw undecodable(lsn, cause);
        }
      }),
    );
}
