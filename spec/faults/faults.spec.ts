import { checksOf } from './brokenLog';
import { FAULTS } from './faults';

/**
 * The suite bites: for each way in which logs have lost data there is a check that finds it. The code itself is broken, line by line,
 * as somebody might have written it.
 */
describe('a log that is broken on purpose', () => {
  it.each(FAULTS.map((fault) => [fault.name, fault.caughtBy, fault] as const))(
    'is found out where %s — %s',
    async (_name, caughtBy, fault) => {
      const checks = await checksOf(fault);
      await expect((async () => checks[caughtBy](1500))()).rejects.toThrow();
    },
  );

  // In many more states: spec/crashStates.
  it('and nothing is found in the log as it is', async () => {
    const checks = await checksOf();
    const found: unknown[] = [];
    for (const name of new Set(FAULTS.map(({ caughtBy }) => caughtBy))) {
      await (async () => checks[name](100))().catch((error: unknown) => found.push([name, error]));
    }
    expect(found).toEqual([]);
  });

  it('has no check that finds no fault', async () => {
    const checks = await checksOf();
    expect(Object.keys(checks).sort()).toEqual([...new Set(FAULTS.map(({ caughtBy }) => caughtBy))].sort());
  });
});
