import { main } from './enumerate';
import { WORKLOADS } from './workloads';

/** Runs the command, and gives what it has printed. */
async function run(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const stdout = jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  const stderr = jest.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text);
    return true;
  });
  try {
    return { code: await main(args), out, err };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

describe('enumerate', () => {
  it('goes through one workload, and says what it did', async () => {
    const args = ['--workload', 'sync', '--states', '50', '--seed', '3', '--nested', '1', '--ordered'];
    const { code, out } = await run(...args);
    expect(code).toBe(0);
    const [line = '', last = ''] = out.split('\n');
    const [distinct = 0, states = 0, nested = 0] = [...line.matchAll(/\d+/g)].map(Number);
    expect(line).toBe(`sync: ${distinct} distinct states, ${states} checked, ${nested} power cuts during recovery`);
    expect(distinct).toBeGreaterThanOrEqual(50);
    expect(states).toBeGreaterThanOrEqual(distinct);
    expect(nested).toBe(states);
    expect(last).toContain(`1 of 1 workloads kept every promise: ${distinct} distinct states, ${states} checked at `);
    expect(last).toContain(', seed 3, ');
  });

  it('makes one state again', async () => {
    const { code, out } = await run('--workload', 'sync', '--replay', '1:20:2/3:1', '--ordered');
    expect(code).toBe(0);
    expect(out.split('\n')[0]).toBe('sync: 1 distinct states, 1 checked, 1 power cuts during recovery');
  });

  it('lists the workloads', async () => {
    const { code, out } = await run('--list');
    expect(code).toBe(0);
    expect(out).toBe(WORKLOADS.map(({ name }) => `${name}\n`).join(''));
  });

  it('says how it is used', async () => {
    const { code, out } = await run('--help');
    expect(code).toBe(0);
    expect(out).toContain('npx tsx spec/crashStates/enumerate.ts [options]');
  });

  it.each([
    [['--states', 'many'], "--states takes a whole number, not 'many'"],
    [['--workload', 'none'], "--workload: there is none with the name 'none'; see --list"],
    [['--replay', '1:2:3'], '--replay needs one --workload'],
    [['--speed', '9'], "Unknown option '--speed'"],
  ])('refuses %j', async (args, message) => {
    const { code, out, err } = await run(...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
    expect(err).toContain('Try --help.');
  });
});
