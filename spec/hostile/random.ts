/**
 * Numbers that a seed and an input's number decide alone, so that an input can be made again from the two.
 *
 * xorshift128, its state filled by a mixing function: neighbouring seeds give unrelated inputs.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number, number: number) {
    let state = (Math.imul(seed, 0x9e37_79b1) ^ Math.imul(number + 1, 0x85eb_ca77)) >>> 0;
    const mixed = (): number => {
      state = (state + 0x9e37_79b9) >>> 0;
      let value = Math.imul(state ^ (state >>> 16), 0x21f0_aaad);
      value = Math.imul(value ^ (value >>> 15), 0x735a_2d97);
      return (value ^ (value >>> 15)) >>> 0;
    };
    this.#a = mixed();
    this.#b = mixed();
    this.#c = mixed() ^ number;
    this.#d = mixed() | 1;
  }

  /** From 0 to 2^32 - 1. */
  uint32(): number {
    let t = this.#d;
    const s = this.#a;
    this.#d = this.#c;
    this.#c = this.#b;
    this.#b = s;
    t ^= t << 11;
    t ^= t >>> 8;
    this.#a = t ^ s ^ (s >>> 19);
    return this.#a >>> 0;
  }

  /** From 0 to `limit - 1`. */
  below(limit: number): number {
    return Math.floor((this.uint32() / 2 ** 32) * limit);
  }

  /** From `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /** True `parts` times in `of`. */
  chance(parts: number, of: number): boolean {
    return this.below(of) < parts;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.uint32() & 0xff);
  }

  /** A number of any size, small ones as often as large ones. */
  spread(limit: number): number {
    return this.below(2 ** this.between(0, Math.ceil(Math.log2(limit)))) % limit;
  }
}
