/**
 * What does a worker thread of the log's own cost: to start, to keep, to do nothing?
 *
 *     npx tsx bench/trials/workerStart.ts [--rounds 7] [start] [idle] [exit]
 *
 * `start`: time until it has written its first byte, and the resident memory it takes, with and without the lean options. `idle`: CPU time
 * and context switches of the whole process in two seconds without a write. `exit`: whether the process ends by itself.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkerOptions } from 'node:worker_threads';
import { KIB, layZeros, median, MIB, openDurable, printConditions, trialOptions, wants } from './harness';
import { LEAN, WorkerWriter } from './workerWriter';

const IDLE_MS = 2000;

/** Every set of options that is compared; the bare one without the loader that runs this program, which is no part of a worker's cost. */
const OPTIONS: Readonly<Record<string, WorkerOptions>> = {
  'execArgv: [] only': { execArgv: [] },
  '+ env: SHARE_ENV': { execArgv: [], env: LEAN.env },
  '+ resourceLimits': {
    execArgv: [],
    env: LEAN.env,
    resourceLimits: LEAN.resourceLimits,
  },
  'lean (all)': LEAN,
};

async function firstWrite(writer: WorkerWriter, descriptor: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    writer.write(descriptor, 0, 200, 0, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

async function start(rounds: number, descriptor: number): Promise<void> {
  const startMs = new Map<string, number[]>();
  const residentBytes = new Map<string, number[]>();
  for (let round = -1; round < rounds; round += 1) {
    for (const [name, worker] of Object.entries(OPTIONS)) {
      const before = process.memoryUsage.rss();
      const started = performance.now();
      const writer = new WorkerWriter({ back: 'message', spinMicros: 0, arenaBytes: 64 * KIB, worker });
      await firstWrite(writer, descriptor);
      const took = performance.now() - started;
      const grew = process.memoryUsage.rss() - before;
      await writer.stop();
      if (round < 0) continue;
      startMs.set(name, [...(startMs.get(name) ?? []), took]);
      residentBytes.set(name, [...(residentBytes.get(name) ?? []), grew]);
    }
  }
  console.log(
    '\nstart: new Worker to the first durable byte, and what the resident memory grew by; medians, lowest..highest',
  );
  for (const [name, times] of startMs) {
    const grown = residentBytes.get(name) ?? [];
    const mib = (bytes: number): string => (bytes / MIB).toFixed(1);
    console.log(
      `${name.padEnd(20)} ${median(times).toFixed(1)} ms (${Math.min(...times).toFixed(1)}..${Math.max(...times).toFixed(1)})   ` +
        `${mib(median(grown))} MiB (${mib(Math.min(...grown))}..${mib(Math.max(...grown))})`,
    );
  }
}

/** Context switches of every thread of this process, by the kernel's count; `undefined` where there is no such count. */
function switches(): Map<string, number> | undefined {
  try {
    return new Map(
      readdirSync('/proc/self/task').map((task) => {
        const status = readFileSync(`/proc/self/task/${task}/status`, 'utf8');
        return [task, Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? NaN)];
      }),
    );
  } catch {
    return undefined;
  }
}

async function idle(descriptor: number): Promise<void> {
  const pause = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));
  console.log(`\nidle for ${IDLE_MS} ms (the first row is what the process and this trial do by themselves)`);
  for (const back of [undefined, 'message', 'notify'] as const) {
    const writer = back && new WorkerWriter({ back, spinMicros: 0, arenaBytes: 64 * KIB });
    if (writer) await firstWrite(writer, descriptor);
    // What a start leaves to do: compiling, collecting.
    await pause(1000);
    const cpuBefore = process.cpuUsage();
    const before = switches();
    await pause(IDLE_MS);
    const after = switches();
    const cpu = process.cpuUsage(cpuBefore);
    const woken = before && after ? [...after].map(([task, count]) => count - (before.get(task) ?? 0)) : undefined;
    console.log(
      `${back ? `worker, back by ${back}` : 'no worker'}: CPU ${cpu.user + cpu.system} us in all threads; ` +
        `context switches by thread: ${woken?.join(' ') ?? 'not counted on this system'}`,
    );
    await writer?.stop();
  }
}

/** Programs of their own: whether they come to an end, and with what. A time limit belongs to the question: a program that hangs is the finding. */
const WRITE = 'writer.write(fd, 0, 8388608, 0, acknowledged)';
const ENDINGS: Readonly<Record<string, string>> = {
  'a worker that sleeps': `console.log('nothing left to do');`,
  'a worker that sleeps, unref-ed': `writer.worker.unref(); console.log('nothing left to do');`,
  'unref-ed, a write in flight, back by message': `writer.worker.unref(); ${WRITE};`,
  'unref-ed, ref() for the time of the write, back by message': `const { worker } = writer; worker.unref(); worker.ref(); writer.write(fd, 0, 8388608, 0, () => { acknowledged(); worker.unref(); });`,
  'unref-ed, a write in flight, back by waitAsync': `writer.worker.unref(); ${WRITE};`,
  'process.exit 2 ms into a write': `${WRITE}; setTimeout(() => process.exit(3), 2);`,
  'an uncaught exception 2 ms into a write': `${WRITE}; setTimeout(() => { throw new Error('on purpose'); }, 2);`,
  'terminate() 2 ms into a write': `${WRITE}; setTimeout(async () => { await writer.worker.terminate(); console.log('terminated; the worker has told of', writer.control[1], 'of', writer.control[0], 'writes'); }, 2);`,
};

function endings(dir: string): void {
  for (const [name, then] of Object.entries(ENDINGS)) {
    const path = join(dir, `ending-${Object.keys(ENDINGS).indexOf(name)}`);
    const back = name.includes('waitAsync') ? 'notify' : 'message';
    const source = `
      const { WorkerWriter } = require(${JSON.stringify(join(__dirname, 'workerWriter.ts'))});
      const { openDurable } = require(${JSON.stringify(join(__dirname, 'harness.ts'))});
      const fd = openDurable(${JSON.stringify(path)});
      const writer = new WorkerWriter({ back: '${back}', spinMicros: 0, arenaBytes: 8388608 });
      writer.arena.fill(1);
      const acknowledged = () => console.log('acknowledged');
      writer.started().then(() => { ${then} });`;
    const started = performance.now();
    const ended = spawnSync(process.execPath, ['--require', 'tsx/cjs', '-e', source], {
      timeout: 4000,
      encoding: 'utf8',
    });
    const took = performance.now() - started;
    let bytes = 0;
    try {
      bytes = readFileSync(path).length;
    } catch {
      // It never came to opening it.
    }
    const how = ended.error
      ? 'still running after 4 s'
      : `exit code ${ended.status ?? `none, signal ${ended.signal}`} after ${took.toFixed(0)} ms`;
    console.log(`${name}: ${how}; printed ${JSON.stringify(ended.stdout.trim())}; ${bytes} bytes in the file`);
  }
}

async function main(): Promise<void> {
  const options = trialOptions('workerStart', { rounds: 7, roundMs: 0 });
  printConditions(options);
  const path = join(options.dir, 'zeros');
  layZeros(path, MIB);
  const descriptor = openDurable(path);
  if (wants(options, 'start')) await start(options.rounds, descriptor);
  if (wants(options, 'idle')) await idle(descriptor);
  if (wants(options, 'exit')) {
    console.log('\nhow programs end');
    endings(options.dir);
  }
}

void main();
