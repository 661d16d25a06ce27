import { createHash } from 'node:crypto';
import { seededRandom, type Random } from '../../src/testing/seededRandom';

/** Draws that are the same for the same seed, or the same name, in every run. */
export class Draw {
  readonly #random: Random;

  constructor(seed: number | string) {
    this.#random = seededRandom(
      typeof seed === 'number' ? seed : createHash('sha256').update(seed).digest().readUInt32LE(),
    );
  }

  /** From 0 to below 1. */
  next(): number {
    return this.#random();
  }

  /** An integer from `min` to `max`, both among them. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  /** Whether something of this probability happens. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.integer(0, values.length - 1)]!;
  }

  /** A source of its own, so that what one part draws does not move what another draws. */
  fork(): Draw {
    return new Draw(this.integer(0, 0x7fff_ffff));
  }
}
