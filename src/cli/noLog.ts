import { EMPTY, concatMap, throwError, type Observable } from 'rxjs';
import { WalIoError } from '../errors';
import { CHECKPOINT_FILE } from '../format/checkpoint';
import { asIoError } from '../ioError';
import { segmentSequences, type SegmentStore } from '../store/segmentStore';

/** Fails where a directory holds no log: a wrong path, or a log that somebody has deleted, is not to be called whole. */
export function refuseNoLog(store: SegmentStore): Observable<never> {
  return store.list().pipe(
    asIoError('Listing', store.dir),
    concatMap((names) => {
      if (segmentSequences(names).length > 0 || names.includes(CHECKPOINT_FILE)) return EMPTY;
      return throwError(() => new WalIoError('Looking for a log in', store.dir, new Error('there is none')));
    }),
  );
}
