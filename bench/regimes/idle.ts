/** What an open log costs while nothing happens: its timers, and how often a thread of the process wakes up. */
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ringOrders } from '../harness/orders';
import { startUsage } from '../harness/usage';
import type { Regime } from './regime';

/** After the last append, and before the clock starts: the engine finishes compiling and collecting. */
const SETTLE_MS = 1500;
const IDLE_MS = 3000;

export const idle: Regime = {
  name: 'idle',
  title: `An open log, ${IDLE_MS / 1000} s without work`,
  unit: 'intervals',
  references: [],
  compared: false,
  only: ['nothing', 'rxwal'],
  maxRounds: 3,
  async measure(contender, job) {
    const session = await contender.open(job.dir);
    await Promise.all(ringOrders(100).map((order) => session.append(order)));
    await sleep(SETTLE_MS);
    // No timer of the benchmark itself runs at this moment.
    const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name === 'Immediate').length;
    const stop = startUsage(job.dir, session.serverPid);
    const before = wakeUps();
    await sleep(IDLE_MS);
    const after = wakeUps();
    const usage = stop();
    await session.close();
    return {
      records: 1,
      seconds: IDLE_MS / 1000,
      usage,
      figures: { timers, wakeUps: after - before, cpuUs: usage.cpuUs },
    };
  },
};

/** Times that a thread of this process has gone to sleep of its own accord, so far; NaN where there is no /proc. */
function wakeUps(): number {
  try {
    return readdirSync('/proc/self/task')
      .map((task) => readFileSync(`/proc/self/task/${task}/status`, 'utf8'))
      .map((status) => Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]))
      .reduce((sum, each) => sum + each, 0);
  } catch {
    return NaN;
  }
}
