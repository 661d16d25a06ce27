/** A figure that keeps running: rewritten in place on a terminal, otherwise a line now and then. */
export class Progress {
  readonly #timer: NodeJS.Timeout;
  readonly #isTerminal = process.stdout.isTTY;

  constructor(private readonly line: () => string) {
    this.#timer = setInterval(() => this.#show(), this.#isTerminal ? 250 : 10_000);
  }

  /** Shows it for the last time, and leaves it there. */
  stop(): void {
    clearInterval(this.#timer);
    this.#show();
    if (this.#isTerminal) process.stdout.write('\n');
  }

  #show(): void {
    process.stdout.write(this.#isTerminal ? `\r${this.line()}\x1b[K` : `${this.line()}\n`);
  }
}
