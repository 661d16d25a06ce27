import { SHARE_ENV, Worker, type WorkerOptions } from 'node:worker_threads';
import { CONTROL, CONTROL_BYTES, POSITION_AT, WORKER_SOURCE, type WorkerData } from './workerSource';

/** `Atomics.waitAsync`, which is in every Node that rxwal runs on and not in the library of types for ES2023. */
type WaitAsync = (
  words: Int32Array,
  index: number,
  value: number,
) => { readonly async: false; readonly value: string } | { readonly async: true; readonly value: Promise<string> };
const { waitAsync } = Atomics as unknown as { readonly waitAsync: WaitAsync };

/** The leanest worker: a small heap, no loaders of the parent, no copy of the environment, no streams. */
export const LEAN: WorkerOptions = {
  resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, codeRangeSizeMb: 0, stackSizeMb: 1 },
  execArgv: [],
  env: SHARE_ENV,
  stdin: false,
  stdout: false,
  stderr: false,
};

export interface WorkerWriterOptions {
  readonly back: WorkerData['back'];
  readonly spinMicros: number;
  readonly arenaBytes: number;
  readonly worker?: WorkerOptions;
}

/** A worker thread that writes, one write at a time, what lies in an arena that both threads share. */
export class WorkerWriter {
  readonly arena: Buffer;
  readonly worker: Worker;
  readonly control: Int32Array;
  readonly #position: Float64Array;
  readonly #back: WorkerData['back'];
  #done: ((error?: Error) => void) | undefined;

  constructor({ back, spinMicros, arenaBytes, worker = LEAN }: WorkerWriterOptions) {
    const control = new SharedArrayBuffer(CONTROL_BYTES);
    const arena = new SharedArrayBuffer(arenaBytes);
    this.control = new Int32Array(control, 0, CONTROL.words);
    this.#position = new Float64Array(control, POSITION_AT, 1);
    this.arena = Buffer.from(arena);
    this.#back = back;
    const workerData: WorkerData = { control, arena, back, spinMicros };
    this.worker = new Worker(WORKER_SOURCE, { ...worker, eval: true, workerData });
    if (back === 'message') this.worker.on('message', this.#returned);
  }

  /** Resolves when the thread is there. */
  async started(): Promise<void> {
    await new Promise((resolve, reject) => {
      this.worker.once('online', resolve).once('error', reject);
    });
  }

  /** Writes `arena[offset, offset + bytes)`; calls back when the write has returned. */
  write(descriptor: number, offset: number, bytes: number, position: number, done: (error?: Error) => void): void {
    this.#done = done;
    const { control } = this;
    control[CONTROL.offset] = offset;
    control[CONTROL.bytes] = bytes;
    control[CONTROL.descriptor] = descriptor;
    this.#position[0] = position;
    const before = Atomics.load(control, CONTROL.done);
    Atomics.add(control, CONTROL.asked, 1);
    Atomics.notify(control, CONTROL.asked);
    if (this.#back === 'message') return;
    const waiting = waitAsync(control, CONTROL.done, before);
    if (waiting.async) void waiting.value.then(this.#returned);
    else this.#returned();
  }

  readonly #returned = (): void => {
    const done = this.#done;
    this.#done = undefined;
    const failed = this.control[CONTROL.written] !== this.control[CONTROL.bytes];
    done?.(failed ? new Error('the worker could not write all of it') : undefined);
  };

  /** Lets the worker end by itself. */
  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.worker.once('exit', resolve));
    this.control[CONTROL.bytes] = -1;
    Atomics.add(this.control, CONTROL.asked, 1);
    Atomics.notify(this.control, CONTROL.asked);
    await ended;
  }
}
