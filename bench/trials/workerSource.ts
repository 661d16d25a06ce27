import type * as FileSystem from 'node:fs';
import type { MessagePort } from 'node:worker_threads';

/** Words of the control block, each an Int32. */
export const CONTROL = {
  /** Counts the writes asked for. The worker sleeps on it. */
  asked: 0,
  /** Counts the writes that have returned. */
  done: 1,
  /** Bytes that the last one wrote; below 0: it failed. */
  written: 2,
  /** What to write: where it begins in the arena, and how long it is; below 0: stop. */
  offset: 3,
  bytes: 4,
  descriptor: 5,
  words: 6,
} as const;

/** Where in the control block the place in the file stands, as a Float64: an Int32 is too small. */
export const POSITION_AT = 32;
export const CONTROL_BYTES = 40;

export interface WorkerData {
  readonly control: SharedArrayBuffer;
  readonly arena: SharedArrayBuffer;
  /** `message`: the worker posts a message; `notify`: it wakes an `Atomics.waitAsync` of the main thread. */
  readonly back: 'message' | 'notify';
  /** How long it looks for the next write before it goes to sleep. */
  readonly spinMicros: number;
}

/**
 * What the worker runs: sleep until a write is asked for, do it with a blocking call, say so. Its source is handed over as text, so it
 * may use nothing from outside: no import, no constant of this file.
 */
function work(): void {
  /* eslint-disable @typescript-eslint/no-require-imports */
  const { parentPort, workerData } = require('node:worker_threads') as {
    parentPort: MessagePort;
    workerData: WorkerData;
  };
  const { writeSync } = require('node:fs') as typeof FileSystem;
  /* eslint-enable @typescript-eslint/no-require-imports */
  const control = new Int32Array(workerData.control, 0, 6);
  const position = new Float64Array(workerData.control, 32, 1);
  const arena = Buffer.from(workerData.arena);
  const spinMs = workerData.spinMicros / 1000;
  let seen = 0;
  for (;;) {
    if (spinMs > 0) {
      const until = performance.now() + spinMs;
      while (Atomics.load(control, 0) === seen && performance.now() < until);
    }
    while (Atomics.load(control, 0) === seen) Atomics.wait(control, 0, seen);
    seen = Atomics.load(control, 0);
    const bytes = control[4] as number;
    if (bytes < 0) return;
    let written = -1;
    try {
      written = writeSync(control[5] as number, arena, control[3], bytes, position[0] as number);
    } catch {
      // Told by the -1: what the error was is of no interest to a trial.
    }
    control[2] = written;
    Atomics.store(control, 1, seen);
    if (workerData.back === 'message') parentPort.postMessage(seen);
    else Atomics.notify(control, 1);
  }
}

/** The text of {@link work}. A compiler that keeps names calls a helper of its own, which is not there in the worker. */
export const WORKER_SOURCE = `globalThis.__name = (target) => target;\n(${work.toString()})();`;
