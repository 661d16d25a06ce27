import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { openWal } from '../../src/openWal';
import { rawCodec } from '../../src/codec/rawCodec';
import { readWal } from '../../src/read';
import type { Durability, Entry } from '../../src/types';
import { crashPayload, groupSize, type KilledWork } from './appendUntilKilled';
import { Child, killChildren, nodeCommand } from './childProcess';

const KILLS = 6;

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What the killed processes have said, all together. */
class Promised {
  /** Up to here everything was said to be durable, or (mode nosync) written. */
  lastLsn = 0;
  /** The newest checkpoint that was asked for: up to it records may be gone. */
  checkpointLsn = 0;
  /** Who wrote a record that was acknowledged. */
  readonly rounds = new Map<number, number>();

  hear(lines: readonly string[], round: number): void {
    for (const line of lines) {
      const [what, number] = line.split(' ');
      const lsn = Number(number);
      if (what === 'checkpointing') this.checkpointLsn = Math.max(this.checkpointLsn, lsn);
      if (what !== 'durable' && what !== 'written') continue;
      if (!this.rounds.has(lsn) && lsn > this.lastLsn) this.rounds.set(lsn, round);
      this.lastLsn = Math.max(this.lastLsn, lsn);
    }
  }

  /** What of the promised records is not there, not in order, not once, or not as it was appended. */
  broken(entries: readonly Entry<Uint8Array>[]): string[] {
    const first = entries[0]?.lsn ?? 1;
    const last = first + entries.length - 1;
    const wrong = entries.filter(({ lsn, value }, index) => {
      const round = Buffer.from(value).readUInt32LE(4);
      return (
        lsn !== first + index || !crashPayload(lsn, round).equals(value) || (this.rounds.get(lsn) ?? round) !== round
      );
    });
    return [
      ...(first > this.checkpointLsn + 1 ? [`begins at ${first}, and the checkpoint is ${this.checkpointLsn}`] : []),
      ...(last < this.lastLsn ? [`ends at ${last}, and ${this.lastLsn} was acknowledged`] : []),
      ...wrong.map(({ lsn }) => `LSN ${lsn} is not what was appended`),
    ];
  }
}

/** The last LSN of the group that holds an LSN, where groups stand one behind the other from LSN 1 on. */
function endOfGroup(lsn: number): number {
  let end = 0;
  while (end < lsn) end += groupSize(end + 1);
  return end;
}

describe('a process that is killed while it appends', () => {
  let dir: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'rxwal-crash-'));
  });

  afterEach(async () => {
    await killChildren();
    rmSync(dir, { recursive: true, force: true });
  });

  const read = (): Promise<Entry<Uint8Array>[]> => lastValueFrom(readWal(dir, { codec: rawCodec() }).pipe(toArray()));

  it.each<[string, Durability, Partial<KilledWork>]>([
    ['sync', { mode: 'sync' }, { outstanding: 1 }],
    ['sync, many at once, no zeros', { mode: 'sync' }, { outstanding: 40, preallocateBytes: 0 }],
    ['batch', { mode: 'batch', maxDelayMs: 2, maxRecords: 12 }, { outstanding: 30 }],
    ['adaptive', { mode: 'adaptive', targetIntervalMs: 2 }, { outstanding: 20 }],
    ['sync, groups', { mode: 'sync' }, { outstanding: 3, groups: true }],
    ['nosync, groups', { mode: 'nosync' }, { outstanding: 5, groups: true, preallocateBytes: 0 }],
    // A killed process takes nothing along that the operating system had.
    ['nosync', { mode: 'nosync' }, { outstanding: 10 }],
  ])(
    'mode %s: everything acknowledged is there, in order, once, and the next process goes on',
    async (mode, durability, more) => {
      const random = seeded(mode.length * 1009);
      const promised = new Promised();
      let last = 0;
      for (let round = 1; round <= KILLS; round += 1) {
        const work: KilledWork = {
          durability,
          preallocateBytes: 4096,
          maxSegmentBytes: 16 * 1024,
          outstanding: 1,
          every: 20 + Math.floor(random() * 60),
          round,
          ...more,
        };
        const child = new Child(nodeCommand(require.resolve('./appendUntilKilled'), dir, JSON.stringify(work)));
        // Some are killed while they open the log, the others after any number of acks.
        expect(await child.next()).toBe('starting');
        if (round % 3 === 0) {
          for (let turn = Math.floor(random() * 40); turn > 0; turn -= 1) await new Promise(setImmediate);
        } else {
          for (let lines = 1 + Math.floor(random() * 400); lines > 0; lines -= 1) await child.next();
        }
        expect(await child.kill()).toEqual({ code: null, signal: 'SIGKILL' });
        expect(child.errors).toBe('');

        promised.hear(child.lines, round);
        const entries = await read();
        expect(promised.broken(entries)).toEqual([]);
        last = entries.at(-1)?.lsn ?? last;
        expect(more.groups ? endOfGroup(last) : last).toBe(last);
      }

      const wal = await openWal(dir, { codec: rawCodec() });
      expect(wal.lastLsn).toBe(last);
      expect(promised.broken(await lastValueFrom(wal.read().pipe(toArray())))).toEqual([]);
      const ack = await lastValueFrom(wal.append(crashPayload(last + 1, KILLS + 1)));
      expect(ack).toEqual({ lsn: last + 1, durable: true });
      await wal.close();
      promised.hear([`durable ${last + 1}`], KILLS + 1);
      expect(promised.broken(await read())).toEqual([]);
      expect(last).toBeGreaterThan(KILLS * 20);
    },
  );
});
