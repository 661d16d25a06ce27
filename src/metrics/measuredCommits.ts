import type { Observable } from 'rxjs';
import type { Commit } from '../types';

/** Where a log of ours has its commits for those who only measure. */
export const MEASURED_COMMITS = Symbol('rxwal.measuredCommits');

interface Measured {
  readonly commits$: Observable<Commit>;
  readonly [MEASURED_COMMITS]?: Observable<Commit>;
}

/**
 * The commits of a log, for an exporter. They end without an error where the log stops.
 *
 * A log whose failure nobody hears of reports it as an unhandled error, and whoever subscribes to `commits$` hears of it. An exporter handles nothing:
 * with its subscription there, an application that had counted on the report would go on without a word. So it looks elsewhere.
 */
export function measuredCommits(wal: Measured): Observable<Commit> {
  return wal[MEASURED_COMMITS] ?? wal.commits$;
}
