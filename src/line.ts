import { filter, map, tap, type Observable, type OperatorFunction, type SchedulerLike } from 'rxjs';
import { batch } from './operators/batch';
import { checksum } from './operators/checksum';
import { commit } from './operators/commit';
import { frame } from './operators/frame';
import { rotate } from './operators/rotate';
import { serialize } from './operators/serialize';
import type { Group } from './group';
import type { CheckedOptions } from './options';
import type { Recovered } from './recover';
import type { Barrier, Batch, Commit, Frame, Payload, Rejection } from './types';

export interface LineOptions<T> {
  readonly options: CheckedOptions<T>;
  readonly recovered: Recovered;
  readonly scheduler: SchedulerLike;
  /** Fed back: emits when the commit of the batch that left last has returned. */
  readonly settled$: Observable<void>;
  readonly barriers$: Observable<Barrier>;
  readonly background$: Observable<boolean>;

  /** A value cannot be a record. */
  readonly onRejected: (rejection: Rejection<T>) => void;
  /** The payload, where there is room for it. */
  readonly admit: (payload: Payload) => Payload | undefined;
  /** A record has its LSN. */
  readonly onFrame: (frame: Frame) => void;
  /** A batch is on its way to the disk. */
  readonly onBatch: (batch: Batch) => void;
}

/**
 * The line, from a value to its commit: what the public operators make when they stand one behind the other. The hooks only look;
 * `admit` alone can keep something out.
 */
export function line<T>(parts: LineOptions<T>): OperatorFunction<T | Group<T>, Commit> {
  const { recovered, scheduler, settled$, barriers$, background$ } = parts;
  const { codec, isCommit, durability, maxRecordBytes, maxSegmentBytes } = parts.options;
  const { logId, lastLsn, from } = recovered;

  return (values$) => {
    const batches$ = values$.pipe(
      serialize({ codec, isCommit, maxRecordBytes, onRejected: parts.onRejected }),
      map(parts.admit),
      filter((payload) => payload !== undefined),
      frame({ after: lastLsn }),
      tap(parts.onFrame),
      checksum(logId),
      batch({ durability, settled$, barriers$, background$, scheduler }),
      tap(parts.onBatch),
    );
    return batches$.pipe(rotate({ maxSegmentBytes, from }), commit({ ...recovered, mode: durability.mode, scheduler }));
  };
}
