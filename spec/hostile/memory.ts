const MIB = 1024 * 1024;

/** How much memory the process has at the most, from the first look on. */
export class Memory {
  readonly #first = process.memoryUsage();
  #rss = 0;
  #arrayBuffers = 0;

  look(): void {
    const { rss, arrayBuffers } = process.memoryUsage();
    this.#rss = Math.max(this.#rss, rss);
    this.#arrayBuffers = Math.max(this.#arrayBuffers, arrayBuffers);
  }

  summary(): string {
    const grown = (peak: number, first: number): string => (Math.max(0, peak - first) / MIB).toFixed(1);
    return `peak RSS ${(this.#rss / MIB).toFixed(0)} MiB (+${grown(this.#rss, this.#first.rss)}), peak array buffers +${grown(this.#arrayBuffers, this.#first.arrayBuffers)} MiB`;
  }
}
