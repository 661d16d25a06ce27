import { seededRandom } from '../../src/testing';

const numbers = (...seeds: number[]): number[] => Array.from({ length: 20 }, seededRandom(...seeds));

describe('seededRandom', () => {
  it('gives the same numbers for the same seeds, and others for others', () => {
    const seeds = [[], [0], [1], [2], [1, 2], [2, 1], [1, 0], [0, 1], [1, 2, 3], [2 ** 32], [2 ** 40 + 1]];
    for (const some of seeds) expect(numbers(...some)).toEqual(numbers(...some));
    const firsts = seeds.map((some) => numbers(...some).join());
    expect(new Set(firsts).size).toBe(seeds.length);
  });

  it('spreads them evenly from 0 up to 1', () => {
    const random = seededRandom(42);
    const counts = new Array<number>(10).fill(0);
    for (let draw = 0; draw < 10_000; draw += 1) counts[Math.floor(random() * 10)]! += 1;
    // Ten standard deviations.
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(300);
  });

  it('spreads the first number over neighbouring seeds', () => {
    const firsts = Array.from({ length: 1000 }, (_, seed) => seededRandom(7, seed)());
    expect(Math.abs(firsts.filter((first) => first < 0.5).length - 500)).toBeLessThan(160);
    expect(new Set(firsts).size).toBeGreaterThan(990);
  });
});
