import type { Swept } from './sweep';

/** Whether every fault goes to every scene, which takes some minutes, or a choice of them. */
export const ALL_OF_THEM = process.env['RXWAL_CALLS'] === 'all';

/** Adds up what sweeps came to. */
export class Tally {
  points = 0;
  readonly #kinds = new Set<string>();
  readonly #faults = new Set<string>();

  add(fault: string, { points, kinds }: Swept): void {
    this.points += points;
    this.#faults.add(fault);
    for (const kind of kinds) this.#kinds.add(kind);
  }

  /** Says how much that was. */
  say(what: string): void {
    const { points } = this;
    process.stdout.write(
      `${what}: ${points} points, ${this.#kinds.size} kinds of calls, ${this.#faults.size} kinds of faults\n`,
    );
  }
}
