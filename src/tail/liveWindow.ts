import { frameLsn } from '../format/frame';
import type { Batch, FrameRun } from '../types';

/** Frames that stand side by side in memory: those of the LSNs behind `after`, up to `lastLsn`. */
export interface LiveRun extends FrameRun {
  readonly after: number;
  readonly lastLsn: number;
}

/** What is kept at the most, in bytes of frames and in runs. The buffers that they stand in are kept with them. */
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_RUNS = 4096;

/**
 * The newest frames of a log, as they went to the disk: where those who follow it read while they keep up. One for all of them; who falls behind it reads from
 * the disk again, so a slow reader costs no memory.
 */
export class LiveWindow {
  #runs: LiveRun[] = [];
  #bytes = 0;

  /** Takes in the frames of a batch, the one behind the last. The oldest go where there are too many. */
  add({ runs, firstLsn, lastLsn }: Batch): void {
    for (const [index, { buffer, start, end }] of runs.entries()) {
      const next = runs[index + 1];
      const after = (index === 0 ? firstLsn : frameLsn(buffer, start)) - 1;
      this.#runs.push({
        buffer,
        start,
        end,
        after,
        lastLsn: next ? frameLsn(next.buffer, next.start) - 1 : lastLsn,
      });
      this.#bytes += end - start;
    }
    while (this.#bytes > MAX_BYTES || this.#runs.length > MAX_RUNS) {
      const oldest = this.#runs.shift();
      if (!oldest) break;
      this.#bytes -= oldest.end - oldest.start;
    }
  }

  clear(): void {
    this.#runs = [];
    this.#bytes = 0;
  }

  /** The run that has the record behind `lsn`; `undefined` where that is not in memory. */
  behind(lsn: number): LiveRun | undefined {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#runs[middle]?.lastLsn ?? 0) > lsn) high = middle;
      else low = middle + 1;
    }
    const run = this.#runs[low];
    return run && run.after <= lsn ? run : undefined;
  }
}
