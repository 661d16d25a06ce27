import { SingleBar } from 'cli-progress';
import type { Output } from './output';
import { bytesText } from './words';

/** A log above this size has a bar from the start. */
const LARGE_BYTES = 64 * 1024 * 1024;
/** Any other has one when it takes longer than this. */
const LONG_MS = 500;

/** A bar on the standard error for what takes long; nothing where that is no terminal. */
export class Progress {
  #done = 0;
  #total = 0;
  #bar: SingleBar | undefined;
  #ended = false;
  readonly #since = performance.now();

  constructor(
    private readonly errors: Output,
    private readonly what: string,
  ) {}

  /** How many bytes there are to go through, as far as is known by now. */
  expect(bytes: number): void {
    this.#total = bytes;
    this.#show();
  }

  /** So many bytes more have been dealt with. */
  add(bytes: number): void {
    this.#done += bytes;
    if (this.#bar) this.#bar.update(Math.min(this.#done, this.#total), { at: bytesText(this.#done) });
    else this.#show();
  }

  /** So many bytes have been dealt with by now. */
  reach(bytes: number): void {
    this.add(bytes - this.#done);
  }

  /** Takes the bar away. */
  end(): void {
    this.#ended = true;
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #show(): void {
    if (this.#bar || this.#ended || !this.errors.isTerminal || this.#total === 0) return;
    if (this.#total <= LARGE_BYTES && performance.now() - this.#since < LONG_MS) return;
    this.#bar = new SingleBar({
      format: `${this.what} [{bar}] {percentage} % | {at} of {all} | {eta_formatted} left`,
      barCompleteChar: '=',
      barIncompleteChar: ' ',
      clearOnComplete: true,
      // A signal is the command's own to answer.
      gracefulExit: false,
      stream: process.stderr,
    });
    this.#bar.start(this.#total, Math.min(this.#done, this.#total), {
      at: bytesText(this.#done),
      all: bytesText(this.#total),
    });
  }
}
