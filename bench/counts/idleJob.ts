/** A process that does nothing, with a log or without: `node idleJob.js DIRECTORY [none]`. Prints an {@link Idleness}. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openWal, type Durability, type Wal } from 'rxwal';
import { IDLE_SECTION } from './idleSection';
import { beginSection, endSection } from './marks';
import { ORDERS } from './work';

export interface Idleness {
  /** Timers of logs in every mode that have acknowledged what they were given. */
  readonly timers: number;
  /** How often a thread of this process gave up its core to wait, within two seconds; absent where there is no /proc. */
  readonly wakeUps: number | undefined;
}

const IDLE_MS = 2000;
const MODES: readonly Durability[] = [
  { mode: 'sync' },
  { mode: 'batch', maxDelayMs: 5, maxRecords: 100 },
  { mode: 'adaptive', targetIntervalMs: 5 },
  { mode: 'nosync' },
];

async function main(dir: string, withLogs: boolean): Promise<void> {
  const logs: Wal<unknown>[] = [];
  for (const durability of withLogs ? MODES : []) {
    const wal = await openWal<unknown>(join(dir, durability.mode), { codec: ORDERS.codec, durability });
    await Promise.all(Array.from({ length: 10 }, (_, number) => wal.append(ORDERS.make(number))));
    await comeAndGo(wal);
    logs.push(wal);
  }
  // Zeros that are still on their way, and what the runtime does after its start.
  await pause(500);
  const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name === 'Immediate').length;
  const before = waits();
  beginSection(IDLE_SECTION);
  await pause(IDLE_MS);
  endSection();
  const after = waits();
  const wakeUps = before === undefined || after === undefined ? undefined : after - before;
  console.log(JSON.stringify({ timers, wakeUps } satisfies Idleness));
  for (const wal of logs) await wal.close();
}

/** Somebody follows, somebody projects, somebody listens; then nobody does. */
async function comeAndGo(wal: Wal<unknown>): Promise<void> {
  const tail = wal.tail({ after: 0 }).subscribe();
  const commits = wal.commits$.subscribe();
  const reduce = (count: number): number => count + 1;
  const projection = wal.project<number>({ name: 'count', initial: 0, reduce, checkpoint: false });
  // In the mode nosync nothing is durable by itself, and a projection takes durable records only.
  await projection.at(await wal.sync());
  await wal.append(ORDERS.make(10));
  await projection.close();
  await wal.release('projection:count');
  for (const gone of [tail, commits]) gone.unsubscribe();
}

/** How often a thread of this process has given up its core to wait, so far. */
function waits(): number | undefined {
  try {
    return readdirSync('/proc/self/task').reduce((sum, thread) => {
      const status = readFileSync(`/proc/self/task/${thread}/status`, 'utf8');
      return sum + Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(status)?.[1]);
    }, 0);
  } catch {
    return undefined;
  }
}

void main(process.argv[2] as string, process.argv[3] !== 'none');
