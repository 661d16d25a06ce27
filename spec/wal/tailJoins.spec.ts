import { WalTruncatedError } from 'rxwal';
import type { MemoryWalOptions } from 'rxwal/testing';
import { joinTail, type Joined, type Latencies, type Script } from './joinTail';

/**
 * Every interleaving of append, fsync, rotation, checkpoint and subscribe: a log goes through a script in virtual time, and a reader joins it at each frame of that time, from
 * each LSN, at each pace. What it must be shown is computed from what was durable when.
 */

function expectAll({ shown, error, complete, durableAt, appended, caughtUp }: Joined, after: number): void {
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
            expectAll(joinTail(at), 0);
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
            expectAll(joinTail({ script, latencies, joinsAt, after, pace }), after);
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
        expectAll(joinTail({ script, latencies, options, joinsAt, after: 0, pace: undefined }), 0);
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
          const { shown, error, complete, appended } = joinTail({ script, latencies, joinsAt, after: 0, pace });
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
