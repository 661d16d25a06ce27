import {
  catchError,
  concat,
  concatMap,
  defer,
  filter,
  ignoreElements,
  mergeMap,
  of,
  tap,
  type Observable,
  type OperatorFunction,
} from 'rxjs';
import type { Checkpoint, Commit, SegmentInfo } from '../types';

export interface CheckpointOptions {
  /** Writes `checkpoint.meta`, atomically; durable when it completes. */
  readonly save: (checkpoint: Checkpoint) => Observable<unknown>;
  /** Removes a segment's file. */
  readonly remove: (segment: SegmentInfo) => Observable<unknown>;
  /** Makes the removals durable. */
  readonly syncDir: () => Observable<unknown>;
  /** The log's segments, oldest first. Those that were removed are taken out of it. */
  readonly segments: SegmentInfo[];
}

/** What became of one checkpoint. */
export interface CheckpointOutcome {
  readonly checkpoint: Checkpoint;
  /** Whether it is saved: then it holds, whatever became of the removal. */
  readonly saved: boolean;
  /** Segments removed. */
  readonly removed: number;
  /** Why it is not saved, or why a segment is still there. The log goes on; the next checkpoint does the rest. */
  readonly error: unknown;
}

/**
 * Carries out the checkpoints whose frames a commit has made durable: saves `checkpoint.meta`, then removes, oldest first, the
 * segments that lie wholly below the mark. A segment is removed only after its successor is durable.
 *
 * `C` is a commit with a `checkpoint` barrier; to save takes 3 frames of time here:
 *
 * ```
 * source:        --a--C--b--C-----|
 * checkpoint():  --------x-----y--|
 * ```
 *
 * Commits do not wait for it. A failure is the outcome of that checkpoint alone: what the log holds is as safe as before.
 */
export function checkpoint(options: CheckpointOptions): OperatorFunction<Commit, CheckpointOutcome> {
  return (source) =>
    source.pipe(
      // Nearly every commit has none.
      filter(({ barriers }) => barriers.length > 0),
      mergeMap(({ barriers, segment }) =>
        barriers.flatMap((barrier) =>
          barrier.kind === 'checkpoint' ? [{ checkpoint: barrier.checkpoint, segment }] : [],
        ),
      ),
      concatMap((request) => carryOut(request, options)),
    );
}

function carryOut(
  { checkpoint, segment }: { readonly checkpoint: Checkpoint; readonly segment: number },
  { save, remove, syncDir, segments }: CheckpointOptions,
): Observable<CheckpointOutcome> {
  return defer(() => {
    let saved = false;
    let removed = 0;
    const removeOldest = (oldest: SegmentInfo): Observable<never> =>
      defer(() => remove(oldest)).pipe(
        ignoreElements(),
        tap({
          complete: () => {
            segments.shift();
            removed += 1;
          },
        }),
      );
    return concat(
      defer(() => save(checkpoint)).pipe(ignoreElements()),
      defer(() => {
        saved = true;
        const below = wholeBelow(checkpoint.lsn, segment, segments);
        return below.length === 0 ? of() : concat(...below.map(removeOldest), syncDir().pipe(ignoreElements()));
      }),
      defer(() => of({ checkpoint, saved, removed, error: undefined })),
    ).pipe(catchError((error: unknown) => of({ checkpoint, saved, removed, error })));
  });
}

/** The oldest segments whose records are all at or below `lsn`; never `segment`, where the checkpoint itself stands, or one behind it. */
export function wholeBelow(lsn: number, segment: number, segments: readonly SegmentInfo[]): readonly SegmentInfo[] {
  const kept = segments.findIndex(({ sequence }, index) => {
    const next = segments[index + 1];
    return sequence >= segment || next === undefined || next.firstLsn > lsn + 1;
  });
  return segments.slice(0, Math.max(kept, 0));
}
