/**
 * `appendAll` of a thousand records against a thousand `append`, each waited for: records a second, on the real disk.
 *
 *     npx tsx bench/trials/writeGroups.ts [--rounds 15] [--records 30000] [--group 1000]
 *
 * Medians of rounds in turns; in brackets the share of `append`, round by round. `append and forget` waits for the last ack alone.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Table from 'cli-table3';
import { Command } from 'commander';
import { openWal } from '../../src/openWal';
import type { DurabilityMode } from '../../src/types';
import type { Wal } from '../../src/wal';
import { order } from '../order';
import { median, turns } from './readTurns';

const { records, rounds, group, dir } = new Command()
  .option('--records <number>', 'records a round', Number, 30_000)
  .option('--rounds <number>', 'rounds', Number, 15)
  .option('--group <number>', 'records that are waited for together', Number, 1000)
  .option('--dir <directory>', 'on whose disk the log is made', '.')
  .parse()
  .opts<{ records: number; rounds: number; group: number; dir: string }>();

const groups = Array.from({ length: Math.ceil(records / group) }, (_, at) =>
  Array.from({ length: group }, (_unused, index) => order(at * group + index)),
);

const ways: Readonly<Record<string, (wal: Wal<unknown>, values: readonly unknown[]) => PromiseLike<unknown>>> = {
  append: (wal, values) => Promise.all(values.map((value) => wal.append(value))),
  'append and forget': (wal, values) => {
    for (const value of values.slice(0, -1)) wal.next(value);
    return wal.append(values.at(-1));
  },
  appendAll: (wal, values) => wal.appendAll(values),
};

async function main(): Promise<void> {
  const table = new Table({
    head: ['mode', 'way', 'records a second'],
    style: { head: [], border: [], compact: true },
  });
  for (const mode of ['sync', 'nosync'] satisfies DurabilityMode[]) {
    const place = mkdtempSync(join(dir, '.writeGroups-'));
    const wal = await openWal<unknown>(place, { durability: { mode } });
    const runs = Object.entries(ways).map(([way, append]) => {
      const run = async (): Promise<void> => {
        for (const values of groups) await append(wal, values);
      };
      return [way, run] as const;
    });
    const times = await turns(Object.fromEntries(runs), rounds);
    await wal.close();
    rmSync(place, { recursive: true });
    const [first = []] = times.values();
    for (const [way, own] of times) {
      const share = median(own.map((ms, round) => (first[round] ?? NaN) / ms));
      const rate = (groups.length * group) / (median(own) / 1000);
      table.push([mode, way, `${Math.round(rate / 1000).toLocaleString('en')},000 (${share.toFixed(2)})`]);
    }
  }
  console.log(
    `groups of ${group}, ${groups.length * group} records a round, ${rounds} rounds, node ${process.version}`,
  );
  console.log(table.toString());
}

void main();
