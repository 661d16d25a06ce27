import { powerCuts, type PowerCutTest } from 'rxwal/testing';
import { appliesEachOnce, openSmall, type Applied } from './appliesEachOnce';

describe('a power cut at every moment', () => {
  it('applies no record twice and skips none', async () => {
    const report = await powerCuts(appliesEachOnce(14), { states: 400 });
    expect(report.distinct).toBeGreaterThanOrEqual(400);
  });

  it('nor where the log keeps its history', async () => {
    const report = await powerCuts(appliesEachOnce(6, { checkpoint: false }), { states: 100, seed: 2 });
    expect(report.distinct).toBeGreaterThanOrEqual(100);
  });

  it('nor where one has no snapshot yet when the other lets the log go', async () => {
    const report = await powerCuts(appliesEachOnce(30, { slow: 28 }), { states: 100, seed: 3 });
    expect(report.distinct).toBeGreaterThanOrEqual(100);
  });

  it('is noticed where a record is applied twice: the check can fail', async () => {
    const careless: PowerCutTest<number> = {
      ...appliesEachOnce(6),
      async use(disk, promise) {
        const wal = await openSmall(disk);
        wal.project<Applied>({
          name: 'fast',
          snapshotEvery: 1,
          initial: [],
          reduce: (state, { value }) => [...state, value, value],
        });
        for (let value = 1; value <= 4; value += 1) promise((await wal.append(value)).lsn);
        await wal.close();
      },
    };
    await expect(powerCuts(careless, { states: 50 })).rejects.toThrow('After a power cut');
  });
});
