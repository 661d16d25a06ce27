import { asyncScheduler, defer, from, type Observable, type OperatorFunction, type SchedulerLike } from 'rxjs';
import { encodeFrame, crcStart, framePayload } from '../../src/format/frame';
import { virtualTime } from '../../src/testing/virtualTime';
import type { Checkpoint, FrameKind, Payload, StoredFrame } from '../../src/types';

/** The log that the specs write and read. */
export const LOG_ID = Uint8Array.of(0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7);
/** Another one. */
export const FOREIGN_LOG_ID = Uint8Array.of(0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa8);

export const CHECKPOINT: Checkpoint = { lsn: 2, epoch: 1 };

export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

/** Bytes in memory of a codec's own. */
export function payloadOf(buffer: Uint8Array, commit = true): Payload {
  return { buffer, start: 0, end: buffer.length, commit };
}

/** The bytes of a payload: a view. */
export function payloadBytes({ buffer, start, end }: Payload): Uint8Array {
  return buffer.subarray(start, end);
}

/** One picture: what goes in, how long it is listened to, what comes out. Every line is a marble diagram. */
export interface Picture<I = string> {
  readonly source: string;
  /** What the letters of the source mean. Default: themselves. */
  readonly values?: Readonly<Record<string, I>>;
  /** When the source is subscribed, and when it is left. */
  readonly subs?: string;
  /** When whoever listens stops listening. */
  readonly unsub?: string;
  readonly expected: string;
  /** What the letters of the result mean. Default: themselves. */
  readonly results?: Readonly<Record<string, unknown>>;
  /** What the `#` of the result is. Default: what the `#` of the source is, `'error'`. */
  readonly failure?: unknown;
}

/** One marble test of an operator with one source and no latency of its own. */
export function expectPicture<I = string>(operator: OperatorFunction<I, unknown>, picture: Picture<I>): void {
  const { source, values, subs, unsub, expected, results, failure } = picture;
  virtualTime(({ hot, expectObservable, expectSubscriptions }) => {
    const source$ = values ? hot<I>(source, { ...values }) : (hot(source) as unknown as ReturnType<typeof hot<I>>);
    const result$ = source$.pipe(operator);
    if (failure === undefined) expectObservable(result$, unsub).toBe(expected, results);
    else expectObservable(result$, unsub).toBe(expected, results, failure);
    if (subs !== undefined) expectSubscriptions(source$.subscriptions).toBe(subs);
  });
}

/** A source that hands out all its values on the subscription, and those it has been asked for. */
export function synchronousSource<T>(values: readonly T[]): { readonly source$: Observable<T>; readonly asked: T[] } {
  const asked: T[] = [];
  function* each(): Generator<T> {
    for (const value of values) {
      asked.push(value);
      yield value;
    }
  }
  return { source$: defer(() => from(each())), asked };
}

/** A frame as recovery reads it. */
export function stored(
  kind: FrameKind,
  lsn: number,
  payload: Uint8Array = new Uint8Array(0),
  { logId = LOG_ID, offset = 32 }: { readonly logId?: Uint8Array; readonly offset?: number } = {},
): StoredFrame {
  const buffer = encodeFrame(kind, lsn, payload, crcStart(logId));
  return { kind, lsn, buffer, start: 0, end: buffer.length, offset };
}

/** What a stored frame says, in a copy that stays when its buffer goes. */
export function shown({ kind, lsn, buffer, start, end, offset }: StoredFrame): string {
  return `${kind} ${lsn} "${textOf(framePayload(buffer, start, end))}" at ${offset}`;
}

/** A scheduler that counts: what was ever scheduled, and what still waits. `skew` bends the clock of the one behind it. */
export interface CountingScheduler extends SchedulerLike {
  /** Actions scheduled so far. */
  readonly scheduled: number;
  /** Those of them that were to wait longer than to the end of the turn. */
  readonly delayed: number;
  /** Actions that wait now. */
  readonly pending: number;
}

export function countingScheduler(
  skew: (now: number) => number = (now) => now,
  scheduler: SchedulerLike = asyncScheduler,
): CountingScheduler {
  let scheduled = 0;
  let delayed = 0;
  let pending = 0;
  return {
    now: () => skew(scheduler.now()),
    schedule(work, delay, state) {
      scheduled += 1;
      if (delay !== undefined && delay > 0) delayed += 1;
      pending += 1;
      let waits = true;
      const done = (): void => {
        if (waits) pending -= 1;
        waits = false;
      };
      const action = scheduler.schedule(
        function (given) {
          done();
          (work as (this: unknown, state: unknown) => void).call(this, given);
        },
        delay,
        state,
      );
      action.add(done);
      return action;
    },
    get scheduled() {
      return scheduled;
    },
    get delayed() {
      return delayed;
    },
    get pending() {
      return pending;
    },
  };
}
