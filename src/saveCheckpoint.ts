import type { Observable } from 'rxjs';
import { CHECKPOINT_FILE, encodeCheckpointFile } from './format/checkpoint';
import { asIoError } from './ioError';
import { replaceFile } from './store/replaceFile';
import type { SegmentStore } from './store/segmentStore';
import type { Checkpoint } from './types';

/**
 * Writes `checkpoint.meta`, whole or not at all: temporary file, fsync, rename, fsync of the directory. What the `checkpoint` operator
 * takes as `save`. Fails with `WalIoError`.
 */
export function saveCheckpoint(store: SegmentStore, checkpoint: Checkpoint, logId: Uint8Array): Observable<never> {
  const content = encodeCheckpointFile(checkpoint, logId);
  return replaceFile(store, CHECKPOINT_FILE, (file) => file.write([content], 0)).pipe(
    asIoError('Saving', CHECKPOINT_FILE),
  );
}
