/**
 * How long a replay at full speed keeps the event loop from everything else: a timer of the application, a socket, another log.
 *
 *     npm run build && npx tsx bench/trials/readDelay.ts [--records 200000] [--seconds 5] [--builds dist,../other/dist]
 *
 * Replays the same log again and again for some seconds, each build in turn, and prints the delays of the event loop that `perf_hooks` has
 * seen meanwhile, and what its own timer of 5 ms has: by how much it was late. An idle loop is printed first: what this machine does by itself.
 */
import { Command } from 'commander';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom } from 'rxjs';
import type * as indexModule from '../../src/index';
import { order, type Order } from '../order';

const root = resolve(__dirname, '../..');
const { records, seconds, builds, dir } = new Command()
  .option('--records <number>', 'orders in the log', Number, 200_000)
  .option('--seconds <number>', 'seconds for each build', Number, 5)
  .option('--builds <dirs>', 'builds of rxwal, by their dist directories', 'dist')
  .option('--dir <directory>', 'where the log is made', join(root, 'bench/.work'))
  .parse()
  .opts<{ records: number; seconds: number; builds: string; dir: string }>();

const TIMER_MS = 5;

async function measure(name: string, work: (isOver: () => boolean) => Promise<number>): Promise<void> {
  const late: number[] = [];
  let due = performance.now() + TIMER_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    late.push(Math.max(0, now - due));
    due = now + TIMER_MS;
  }, TIMER_MS);
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  const started = performance.now();
  const read = await work(() => performance.now() - started > seconds * 1000);
  const took = performance.now() - started;
  histogram.disable();
  clearInterval(timer);
  late.sort((a, b) => a - b);
  const at = (share: number): string => (late[Math.floor(share * (late.length - 1))] ?? NaN).toFixed(2).padStart(7);
  const loop = (share: number): string => (histogram.percentile(share) / 1e6).toFixed(2).padStart(7);
  console.log(
    `${name.padEnd(40)} loop ${loop(50)} ${loop(99)} ${(histogram.max / 1e6).toFixed(2).padStart(7)}   timer late ${at(0.5)} ${at(0.99)} ${at(1)}   ${((read / took) * 1000).toFixed(0)} records/s`,
  );
}

async function main(): Promise<void> {
  const all = await Promise.all(
    builds.split(',').map(async (dist) => ({
      dist,
      index: (await import(join(resolve(root, dist), 'index.js'))) as typeof indexModule,
    })),
  );
  mkdirSync(dir, { recursive: true });
  const log = mkdtempSync(join(dir, 'readDelay-'));
  try {
    const [first] = all;
    if (!first) return;
    const wal = await first.index.openWal<Order>(log, { durability: { mode: 'nosync' }, maxPendingBytes: 2 ** 30 });
    for (let id = 1; id <= records; id += 1) {
      wal.next(order(id));
      if (id % 10_000 === 0) await wal.flush();
    }
    await wal.close();
    console.log('milliseconds: median, p99, most');
    await measure('idle', async () => {
      await sleep(seconds * 1000);
      return 0;
    });
    for (const { dist, index } of all) {
      await measure(`replay, decoded: ${dist}`, async (isOver) => {
        let read = 0;
        while (!isOver()) {
          await lastValueFrom(index.readWal<Order>(log), { defaultValue: undefined });
          read += records;
        }
        return read;
      });
    }
  } finally {
    rmSync(log, { recursive: true });
  }
}

void main();
