import type { Reader } from '../types';

/** Since when each reader has had records to take, in milliseconds of the log's clock, and so which of them are stuck. */
export class Lagging {
  readonly #since = new Map<string, { readonly lsn: number; at: number | undefined }>();
  /** Readers that have everything. While there is none, a commit changes nothing here. */
  #upToDate = 0;

  constructor(
    private readonly stuckAfterMs: number,
    private readonly now: () => number,
  ) {}

  /** Readers have come, moved or gone. */
  onReaders(readers: readonly Reader[], durableLsn: number): void {
    const now = this.now();
    const names = new Set(readers.map(({ name }) => name));
    for (const name of this.#since.keys()) if (!names.has(name)) this.#since.delete(name);
    for (const { name, lsn } of readers) {
      if (this.#since.get(name)?.lsn !== lsn) this.#since.set(name, { lsn, at: lsn < durableLsn ? now : undefined });
    }
    this.#count();
  }

  /** More records are durable. */
  onDurable(durableLsn: number): void {
    if (this.#upToDate === 0) return;
    const now = this.now();
    for (const since of this.#since.values()) if (since.lsn < durableLsn) since.at ??= now;
    this.#count();
  }

  isStuck(name: string): boolean {
    const at = this.#since.get(name)?.at;
    return at !== undefined && this.now() - at >= this.stuckAfterMs;
  }

  /** When the next reader will be stuck, where nothing happens until then. */
  get nextStuckAt(): number | undefined {
    let next: number | undefined;
    for (const [name, { at }] of this.#since) {
      if (at === undefined || this.isStuck(name)) continue;
      next = Math.min(next ?? Infinity, at + this.stuckAfterMs);
    }
    return next;
  }

  #count(): void {
    this.#upToDate = 0;
    for (const { at } of this.#since.values()) if (at === undefined) this.#upToDate += 1;
  }
}
