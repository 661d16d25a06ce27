import { map, mergeMap, timer, type Observable } from 'rxjs';
import type { Wal } from 'rxwal';
import { marblePlan, memoryWal, virtualTime, type MemoryWalOptions } from 'rxwal/testing';

/** One thing a frame: a value, `R` a rotation, `S` a sync, `C` a checkpoint of all that is durable, `-` nothing. */
export type Script = string;

export interface Latencies {
  readonly write?: string;
  readonly sync?: string;
  readonly read?: string;
  readonly open?: string;
}

interface Shown {
  readonly lsn: number;
  readonly value: string;
  readonly frame: number;
}

/** What a reader was shown, and what it must be held against. */
export interface Joined {
  readonly shown: readonly Shown[];
  readonly error: unknown;
  readonly complete: boolean;
  /** The frame at which each LSN was durable. */
  readonly durableAt: ReadonlyMap<number, number>;
  readonly appended: readonly string[];
  readonly caughtUp: readonly { readonly lsn: number; readonly durableLsn: number }[];
}

/** A reader that joins a log while it goes through a script. */
export interface Joining {
  readonly script: Script;
  readonly latencies: Latencies;
  readonly joinsAt: number;
  readonly after: number;
  /** Frames of time that each entry takes; `undefined`: a subscriber that takes what comes. */
  readonly pace: number | undefined;
  readonly options?: MemoryWalOptions<string>;
}

function act(wal: Wal<string>, what: string): void {
  if (what === 'R') void wal.rotate();
  else if (what === 'S') void wal.sync();
  else if (what === 'C') void wal.checkpoint({ lsn: wal.durableLsn });
  else if (what !== '-') wal.next(what);
}

/** Lets a log go through a script in virtual time, and a reader join it. */
export function joinTail({ script, latencies, joinsAt, after, pace, options = {} }: Joining): Joined {
  return virtualTime(({ flush }) => {
    const { wal } = memoryWal<string>({ ...options, plan: marblePlan({ ...latencies }) });
    const now = (): number => Date.now();
    const shown: Shown[] = [];
    const durableAt = new Map<number, number>();
    const caughtUp: { lsn: number; durableLsn: number }[] = [];
    let error: unknown;
    let complete = false;
    let durable = 0;
    wal.durable$.subscribe((lsn) => {
      for (; durable < lsn; durable += 1) durableAt.set(durable + 1, now());
    });
    for (const [frame, what] of Array.from(script).entries()) {
      timer(frame).subscribe(() => act(wal, what));
    }
    timer(script.length).subscribe(() => void wal.close());
    timer(joinsAt)
      .pipe(
        mergeMap((): Observable<{ lsn: number; value: string }> => {
          const entries = wal.tail({
            after,
            onCaughtUp: (lsn) => caughtUp.push({ lsn, durableLsn: wal.durableLsn }),
          });
          if (pace === undefined) return entries;
          return entries.each((entry) => timer(pace).pipe(map(() => entry)));
        }),
      )
      .subscribe({
        next: ({ lsn, value }) => shown.push({ lsn, value, frame: now() }),
        error: (reason: unknown) => (error = reason),
        complete: () => (complete = true),
      });
    flush();
    const appended = Array.from(script).filter((what) => !'RSC-'.includes(what));
    return { shown, error, complete, durableAt, appended, caughtUp };
  });
}
