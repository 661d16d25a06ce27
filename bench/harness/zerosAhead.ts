/** Zeros laid ahead of where a log writes, in the background, in the steps and by the rule of rxwal. */
import { closeSync, fsync, openSync, write } from 'node:fs';

const STEP_BYTES = 256 * 1024;
const ZEROS = Buffer.alloc(STEP_BYTES);

export class ZerosAhead {
  private readonly descriptor: number;
  private end = 0;
  private laying = false;
  private waiting: (() => void) | undefined;

  constructor(file: string) {
    this.descriptor = openSync(file, 'r+');
  }

  /** Calls back when no zeros are on their way to where a write up to `end` goes. */
  whenClear(end: number, then: () => void): void {
    if (this.laying && end > this.end) this.waiting = then;
    else then();
  }

  /** Lays the next step where little is left of the last. A writer of large batches gains nothing from zeros. */
  follow(at: number, writtenBytes: number): void {
    if (this.laying || writtenBytes * 8 > STEP_BYTES || this.end - at > STEP_BYTES / 2) return;
    this.laying = true;
    const from = Math.max(this.end, at);
    write(this.descriptor, ZEROS, 0, STEP_BYTES, from, () => {
      fsync(this.descriptor, () => {
        this.end = from + STEP_BYTES;
        this.laying = false;
        const then = this.waiting;
        this.waiting = undefined;
        then?.();
      });
    });
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
