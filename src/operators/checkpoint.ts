import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  defer,
  filter,
  identity,
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
  /**
   * LSN up to which segments may go when a checkpoint has been saved: below the checkpoint's where a reader needs more. Default: the
   * checkpoint's.
   */
  readonly floor?: ((checkpoint: Checkpoint) => number) | undefined;
  /** Keeps the saving and the removal apart from what else changes what the log keeps. Default: nothing else does. */
  readonly exclusively?: ((work: Observable<CheckpointOutcome>) => Observable<CheckpointOutcome>) | undefined;
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
      concatMap((request) => (options.exclusively ?? identity)(carryOut(request, options))),
    );
}

function carryOut(
  { checkpoint, segment }: { readonly checkpoint: Checkpoint; readonly segment: number },
  { save, floor, ...removal }: CheckpointOptions,
): Observable<CheckpointOutcome> {
  return defer(() => {
    let saved = false;
    let removed = 0;
    return concat(
      defer(() => save(checkpoint)).pipe(ignoreElements()),
      defer(() => {
        saved = true;
        const lsn = Math.min(checkpoint.lsn, floor?.(checkpoint) ?? Infinity);
        return removeBelow(lsn, segment, removal, () => {
          removed += 1;
        });
      }),
      defer(() => of({ checkpoint, saved, removed, error: undefined })),
    ).pipe(catchError((error: unknown) => of({ checkpoint, saved, removed, error })));
  });
}

/** Removes, oldest first, the segments that `wholeBelow` gives, and makes that durable. The first failure ends it. */
export function removeBelow(
  lsn: number,
  segment: number,
  { remove, syncDir, segments }: Pick<CheckpointOptions, 'remove' | 'syncDir' | 'segments'>,
  onRemoved: () => void,
): Observable<never> {
  return defer(() => {
    const removeOldest = (oldest: SegmentInfo): Observable<never> =>
      defer(() => remove(oldest)).pipe(
        ignoreElements(),
        tap({
          complete: () => {
            segments.shift();
            onRemoved();
          },
        }),
      );
    const below = wholeBelow(lsn, segment, segments);
    return below.length === 0
      ? EMPTY
      : concat(...below.map(removeOldest), defer(() => syncDir()).pipe(ignoreElements()));
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
