import type { WalOptions } from 'rxwal';
import { powerCuts } from 'rxwal/testing';
import { keepsReaders } from './keepsReaders';

describe('after a power cut of the simulated disk', () => {
  it.each<[what: string, retention: WalOptions<number>['retention']]>([
    ['without a cap', undefined],
    ['under a cap by size', { maxBytes: 100 }],
  ])('readers are where they were promised, and read on: %s', async (_what, retention) => {
    const report = await powerCuts(keepsReaders(retention), { states: 400, seed: 7 });
    expect(report.states).toBeGreaterThanOrEqual(400);
  });
});
