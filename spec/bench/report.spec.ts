import { BUDGETS, type Budget } from '../../bench/counts/budgets';
import { report, type Results } from '../../bench/counts/report';

/** Every count at its budget, but for one. */
function results(name: string, change: (most: number) => Results['acks'] | number): Results {
  const groups = Object.entries(BUDGETS) as [string, Readonly<Record<string, Budget>>][];
  return Object.fromEntries(
    groups.map(([group, budgets]) => [
      group,
      Object.fromEntries(Object.entries(budgets).map(([key, { most }]) => [key, key === name ? change(most) : most])),
    ]),
  ) as unknown as Results;
}

const FSYNCS = 'fsyncs a record, 64 producers';

describe('report', () => {
  it('lets counts pass that are at their budgets', () => {
    const { exceeded, missing } = report(results(FSYNCS, (most) => most));
    expect([...exceeded, ...missing]).toEqual([]);
  });

  it.each([
    ['a little more', (most: number) => most * 1.01],
    ['no number', () => NaN],
  ])('names a count that is %s', (_what, change) => {
    const { exceeded, missing } = report(results(FSYNCS, change));
    expect(exceeded).toEqual([expect.stringContaining(FSYNCS)]);
    expect(missing).toEqual([]);
  });

  it('names a count that could not be taken, and does not call it exceeded', () => {
    const { exceeded, missing } = report(results(FSYNCS, () => ({ notCounted: 'strace is not installed' })));
    expect(exceeded).toEqual([]);
    expect(missing).toEqual([`not counted: ${FSYNCS}: strace is not installed`]);
  });

  it('names all counts of a group that could not be taken', () => {
    const { missing } = report({ ...results('', (most) => most), acks: { notCounted: 'gone' } });
    expect(missing).toHaveLength(Object.keys(BUDGETS.acks).length);
  });
});
