import { powerCuts } from 'rxwal/testing';
import { WORKLOADS, type Workload } from './workloads';

/** Distinct states that the whole suite wants, at the least. */
const WANTED = 10_000;

const EACH = Math.ceil(WANTED / WORKLOADS.length);

const cases = WORKLOADS.map((workload) => [workload.name, workload] as const);

describe('after a power cut at any moment, and another one while it recovers, the log keeps what it has promised and goes on', () => {
  let distinct = 0;
  let states = 0;
  let nested = 0;
  const began = process.cpuUsage();

  const expectKept = async ({ test, disk }: Workload, wanted: number): Promise<void> => {
    const report = await powerCuts(test, { disk, states: wanted, nested: 1, slow: false });
    expect(report.distinct).toBeGreaterThanOrEqual(wanted);
    distinct += report.distinct;
    states += report.states;
    nested += report.nested;
  };

  it.each(cases)('%s', (_name, workload) => expectKept(workload, EACH));

  it('in as many states as were wanted', () => {
    const { user, system } = process.cpuUsage(began);
    const seconds = ((user + system) / 1e6).toFixed(1);
    process.stderr.write(
      `crash states: ${distinct} distinct, ${states} checked, ${nested} power cuts during recovery, ${seconds} s of CPU\n`,
    );
    expect(distinct).toBeGreaterThanOrEqual(WANTED);
  });
});
