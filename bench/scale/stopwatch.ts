/** What something took: by the clock, and of the processor. */
interface Taken {
  /** Microseconds by the clock. */
  readonly wallUs: number;
  /** Microseconds of processor time of the whole process: its own code, the thread pool, the garbage collector. */
  readonly cpuUs: number;
}

/** Starts both clocks. The function that it gives reads them. */
export function stopwatch(): () => Taken {
  const cpu = process.cpuUsage();
  const started = performance.now();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { wallUs: (performance.now() - started) * 1000, cpuUs: user + system };
  };
}

/** Times one piece of work. */
export async function timed(work: () => Promise<unknown>): Promise<Taken> {
  const read = stopwatch();
  await work();
  return read();
}
