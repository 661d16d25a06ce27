import type { Observable } from 'rxjs';
import { READERS_FILE, encodeReadersFile } from '../format/readers';
import { asIoError } from '../ioError';
import { replaceFile } from '../store/replaceFile';
import type { SegmentStore } from '../store/segmentStore';
import type { Holds } from '../types';

/** Writes `readers.meta`, whole or not at all: temporary file, fsync, rename, fsync of the directory. Fails with `WalIoError`. */
export function saveReaders(store: SegmentStore, holds: Holds, logId: Uint8Array): Observable<never> {
  const content = encodeReadersFile(holds, logId);
  return replaceFile(store, READERS_FILE, (file) => file.write([content], 0)).pipe(asIoError('Saving', READERS_FILE));
}
