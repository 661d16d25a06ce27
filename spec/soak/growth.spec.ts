import { trends } from './growth';
import type { Sample } from './sample';

const STEADY: Sample = {
  cycles: 0,
  poisoned: 0,
  heapUsed: 10e6,
  arrayBuffers: 50e3,
  rss: 80e6,
  descriptors: 20,
  resources: { PipeWrap: 1 },
  listeners: 10,
};

/** Samples of a long life, each `differs` from a steady one. */
function life(differs: (index: number) => Partial<Sample>): readonly Sample[] {
  return Array.from({ length: 30 }, (_, index) => ({ ...STEADY, ...differs(index) }));
}

const grown = (samples: readonly Sample[]): readonly string[] =>
  trends(samples)
    .filter(({ grew }) => grew)
    .map(({ name }) => name);

describe('trends', () => {
  it('leaves alone what is steady, what grows while it warms up, and a peak', () => {
    expect(grown(life(() => ({})))).toEqual([]);
    expect(grown(life((index) => ({ heapUsed: index < 6 ? 4e6 : 10e6 })))).toEqual([]);
    expect(grown(life((index) => ({ rss: index === 25 ? 300e6 : 80e6 })))).toEqual([]);
  });

  it.each<[string, (index: number) => Partial<Sample>]>([
    ['heapUsed', (index) => ({ heapUsed: 10e6 + index * 200e3 })],
    ['arrayBuffers', (index) => ({ arrayBuffers: 50e3 + index * 50e3 })],
    ['rss', (index) => ({ rss: 80e6 + index * 3e6 })],
    ['descriptors', (index) => ({ descriptors: index < 28 ? 20 : 21 })],
    ['listeners', (index) => ({ listeners: 10 + index })],
    ['timers', (index) => ({ resources: { PipeWrap: 1, ...(index > 20 && { Timeout: 1 }) } })],
    ['FSReqCallback', (index) => ({ resources: { PipeWrap: 1, ...(index === 3 && { FSReqCallback: 1 }) } })],
  ])('finds that %s grows', (name, differs) => {
    expect(grown(life(differs))).toEqual([name]);
  });

  it('does not judge few samples', () => {
    expect(trends(life(() => ({})).slice(0, 8))).toEqual([]);
  });
});
