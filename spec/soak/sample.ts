import { readdirSync } from 'node:fs';

/** What a process holds, at one moment. */
export interface Sample {
  /** Logs opened and closed so far. */
  readonly cycles: number;
  /** Of them, those that a failing disk stopped. */
  readonly poisoned: number;
  /** Bytes, after a garbage collection. */
  readonly heapUsed: number;
  readonly arrayBuffers: number;
  readonly rss: number;
  /** Open descriptors, where the system tells (`/proc`); else 0. */
  readonly descriptors: number;
  /** What keeps the event loop running, by its type. A type that is not there is 0. */
  readonly resources: Readonly<Record<string, number>>;
  /** Listeners on the process and on its standard input. */
  readonly listeners: number;
}

/** Needs `--expose-gc`. Nothing of a log may be on its way. */
export function takeSample(cycles: number, poisoned: number): Sample {
  if (!globalThis.gc) throw new Error('samples need node --expose-gc');
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  const resources: Record<string, number> = {};
  for (const type of process.getActiveResourcesInfo()) resources[type] = (resources[type] ?? 0) + 1;
  return {
    cycles,
    poisoned,
    heapUsed,
    arrayBuffers,
    rss,
    descriptors: countDescriptors(),
    resources,
    listeners: countListeners(),
  };
}

/** What ends the line of a sample: one that a kill cut short is none. */
const END = ';';

/** A line that says it. */
export function writeSample(sample: Sample): string {
  return JSON.stringify(sample) + END;
}

export function readSample(line: string): Sample | undefined {
  return line.endsWith(END) ? (JSON.parse(line.slice(0, -END.length)) as Sample) : undefined;
}

function countDescriptors(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
}

function countListeners(): number {
  return [process, process.stdin]
    .flatMap((emitter) => emitter.eventNames().map((name) => emitter.listenerCount(name)))
    .reduce((sum, count) => sum + count, 0);
}
