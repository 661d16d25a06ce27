import { map, mergeMap, timer, type Observable } from 'rxjs';
import { WalTruncatedError, type Wal } from 'rxwal';
import { marblePlan, memoryWal, virtualTime, type MemoryWalOptions } from 'rxwal/testing';

/**
 * Every interleaving of append, fsync, rotation, checkpoint and subscribe: a log goes through a script in virtual time, and a reader joins it at each frame of that time, from
 * each LSN, at each pace. What it must be shown is computed from what was durable when.
 */

/** One thing a frame: a value, `R` a rotation, `S` a sync, `C` a checkpoint of all that is durable, `-` nothing. */
type Script = string;

interface Latencies {
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

interface Outcome {
  readonly shown: readonly Shown[];
  readonly error: unknown;
  readonly complete: boolean;
  /** The frame at which each LSN was durable. */
  readonly durableAt: ReadonlyMap<number, number>;
  readonly appended: readonly string[];
  readonly caughtUp: readonly { readonly lsn: number; readonly durableLsn: number }[];
}

interface Case {
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

function run({ script, latencies, joinsAt, after, pace, options = {} }: Case): Outcome {
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

function expectAll({ shown, error, complete, durableAt, appended, caughtUp }: Outcome, after: number): void {
  const values = appended.slice(after);
  expect({ error, complete, values: shown.map(({ value }) => value) }).toEqual({
    error: undefined,
    complete: true,
    values,
  });
  expect(shown.map(({ lsn }) => lsn)).toEqual(values.map((_value, index) => after + 1 + index));
  for (const { lsn, frame } of shown) expect(frame).toBeGreaterThanOrEqual(durableAt.get(lsn) ?? Infinity);
  expect(caughtUp.length).toBeGreaterThan(0);
  for (const { lsn, durableLsn } of caughtUp) expect(lsn).toBeGreaterThanOrEqual(durableLsn);
}

const LATENCIES: readonly Latencies[] = [
  {},
  { sync: '---|' },
  { sync: '--|', write: '-|', read: '--|', open: '-|' },
  { read: '-------|' },
];
const SCRIPTS: readonly Script[] = [
  'abc--def',
  'abRcd-R-ef',
  'a-b-c-R-d-RR-e',
  'abcdefgh',
  '--a---b---R---c',
  'aR-bR-cR-d',
];
const MODES: readonly MemoryWalOptions<string>[] = [
  {},
  { durability: { mode: 'batch', maxDelayMs: 3, maxRecords: 2 } },
  { durability: { mode: 'adaptive', targetIntervalMs: 4 } },
];

describe('a tail joins a log', () => {
  it.each(SCRIPTS)('at each frame of %s, from the beginning, and misses and repeats nothing', (script) => {
    let joins = 0;
    for (const latencies of LATENCIES) {
      for (const options of MODES) {
        for (let joinsAt = 0; joinsAt < script.length; joinsAt += 1) {
          for (const pace of [undefined, 0, 2]) {
            const at = { script, latencies, options, joinsAt, after: 0, pace };
            expectAll(run(at), 0);
            joins += 1;
          }
        }
      }
    }
    expect(joins).toBeGreaterThan(200);
  });

  it('behind each record that has been appended, durable or not', () => {
    const script = 'abRcd-e-f';
    let joins = 0;
    for (const latencies of LATENCIES) {
      for (let joinsAt = 0; joinsAt < script.length; joinsAt += 1) {
        const appended = Array.from(script.slice(0, joinsAt + 1)).filter((what) => !'R-'.includes(what)).length;
        for (let after = 0; after <= appended; after += 1) {
          for (const pace of [undefined, 1]) {
            expectAll(run({ script, latencies, joinsAt, after, pace }), after);
            joins += 1;
          }
        }
      }
    }
    expect(joins).toBeGreaterThan(100);
  });

  it('in mode nosync at each frame: shows what a sync or a rotation has made durable, and no more', () => {
    const script = 'ab-S-cd-R-e-S-f';
    for (const latencies of LATENCIES) {
      for (let joinsAt = 0; joinsAt < script.length; joinsAt += 1) {
        const options: MemoryWalOptions<string> = { durability: { mode: 'nosync' } };
        expectAll(run({ script, latencies, options, joinsAt, after: 0, pace: undefined }), 0);
      }
    }
  });

  it('while checkpoints remove segments: shows all in order, or says what the first record is that is still there', () => {
    const script = 'ab-R-cd-C-R-ef-C-R-gh-C-R';
    let overtaken = 0;
    let joined = 0;
    for (const latencies of LATENCIES) {
      for (let joinsAt = 0; joinsAt < script.length; joinsAt += 1) {
        for (const pace of [undefined, 3]) {
          const { shown, error, complete, appended } = run({ script, latencies, joinsAt, after: 0, pace });
          expect(shown.map(({ value }) => value)).toEqual(appended.slice(0, shown.length));
          const isOvertaken = error instanceof WalTruncatedError && error.firstLsn > shown.length + 1;
          if (isOvertaken) overtaken += 1;
          else joined += 1;
          expect(isOvertaken || (complete && shown.length === appended.length)).toBe(true);
        }
      }
    }
    expect(Math.min(overtaken, joined)).toBeGreaterThan(20);
  });
});
