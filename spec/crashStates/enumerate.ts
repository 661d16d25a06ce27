import { parseArgs } from 'node:util';
import { PowerCutViolation, powerCuts, type PowerCutReport } from '../../src/testing';
import { WORKLOADS, type Workload } from './workloads';

const USAGE = `Cuts the power of a log at any moment, in any number of ways, and checks what is left.

  npx tsx spec/crashStates/enumerate.ts [options]

  --states N      distinct states wanted, over all workloads (10000)
  --seed N        other numbers, other states (1)
  --nested N      power cuts during the recovery of each state (2)
  --workload S    this one only; may be given more than once
  --replay S      one state again, as a violation names it; with --seed and --workload
  --ordered       a disk that never shows old blocks: ext4 in its default mode, XFS, Btrfs
  --list          names the workloads
  --help

Ends with 1 at a violation, with 2 where an option is wrong.
`;

interface Settings {
  readonly states: number;
  readonly seed: number;
  readonly nested: number;
  readonly replay: string | undefined;
  readonly stale: boolean;
  readonly workloads: readonly Workload[];
}

/** @throws TypeError that says which option is wrong. */
function settingsOf(args: readonly string[]): Settings | 'help' | 'list' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      states: { type: 'string', default: '10000' },
      seed: { type: 'string', default: '1' },
      nested: { type: 'string', default: '2' },
      workload: { type: 'string', multiple: true },
      replay: { type: 'string' },
      ordered: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  if (values.list) return 'list';
  const number = (name: 'states' | 'seed' | 'nested'): number => {
    if (!/^\d+$/.test(values[name])) throw new TypeError(`--${name} takes a whole number, not '${values[name]}'`);
    return Number(values[name]);
  };
  const { workload: names } = values;
  const unknown = names?.find((name) => !WORKLOADS.some((workload) => workload.name === name));
  if (unknown !== undefined) throw new TypeError(`--workload: there is none with the name '${unknown}'; see --list`);
  const workloads = WORKLOADS.filter(({ name }) => !names || names.includes(name));
  if (values.replay !== undefined && workloads.length !== 1) throw new TypeError('--replay needs one --workload');
  return {
    states: number('states'),
    seed: number('seed'),
    nested: number('nested'),
    replay: values.replay,
    stale: !values.ordered,
    workloads,
  };
}

/** Goes through every workload. @returns whether all was well. */
async function enumerate(settings: Settings): Promise<boolean> {
  const { states, seed, nested, replay, stale, workloads } = settings;
  const started = performance.now();
  const each = Math.ceil(states / workloads.length);
  const sum = { workloads: 0, uses: 0, points: 0, states: 0, distinct: 0, nested: 0 };
  let sound = true;
  for (const { name, test, disk } of workloads) {
    const progress = progressOf(name, each);
    try {
      const report = await powerCuts(test, {
        seed,
        states: each,
        nested,
        replay,
        slow: false,
        disk: { ...disk, stale },
        onProgress: progress.show,
      });
      progress.end(report);
      sum.workloads += 1;
      for (const key of ['uses', 'points', 'states', 'distinct', 'nested'] as const) sum[key] += report[key];
    } catch (error) {
      progress.clear();
      sound = false;
      process.stdout.write(`${name}: VIOLATION\n${inWords(error)}\n  again: ${againWith(settings, name, error)}\n`);
    }
  }
  const seconds = (performance.now() - started) / 1000;
  process.stdout.write(
    `${sum.workloads} of ${workloads.length} workloads kept every promise: ${sum.distinct} distinct states, ${sum.states} checked at ` +
      `${sum.points} points of ${sum.uses} uses, ${sum.nested} power cuts during recovery, seed ${seed}, ${seconds.toFixed(1)} s\n`,
  );
  return sound;
}

/** A workload holds what each of its openings shows against what it was told, so it may find a violation itself: while it is used. */
function inWords(error: unknown): string {
  if (error instanceof PowerCutViolation) return error.message;
  return `While it was in use: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}

/** The options that show it again. */
function againWith({ seed, stale }: Settings, name: string, error: unknown): string {
  const replay = error instanceof PowerCutViolation ? ` --replay ${error.replay}` : '';
  return `--seed ${seed} --workload '${name}'${replay}${stale ? '' : ' --ordered'}`;
}

/** A figure that moves, where somebody can see it. */
function progressOf(
  name: string,
  wanted: number,
): {
  readonly show: (soFar: PowerCutReport) => void;
  readonly end: (report: PowerCutReport) => void;
  readonly clear: () => void;
} {
  const { stdout } = process;
  const clear = (): void => {
    if (stdout.isTTY) stdout.write('\r\x1b[K');
  };
  let shown = -Infinity;
  return {
    clear,
    show: ({ distinct }) => {
      if (!stdout.isTTY || performance.now() - shown < 100) return;
      shown = performance.now();
      stdout.write(`\r\x1b[K${name}: ${Math.min(100, Math.floor((100 * distinct) / wanted))} %, ${distinct} states`);
    },
    end: ({ distinct, states, nested }) => {
      clear();
      stdout.write(`${name}: ${distinct} distinct states, ${states} checked, ${nested} power cuts during recovery\n`);
    },
  };
}

/** @returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  let settings: ReturnType<typeof settingsOf>;
  try {
    settings = settingsOf(args);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\nTry --help.\n`);
    return 2;
  }
  if (settings === 'help') process.stdout.write(USAGE);
  else if (settings === 'list') process.stdout.write(WORKLOADS.map(({ name }) => `${name}\n`).join(''));
  else return (await enumerate(settings)) ? 0 : 1;
  return 0;
}

if (require.main === module) {
  main(process.argv.slice(2)).then(
    (code) => {
      process.exitCode = code;
    },
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exitCode = 2;
    },
  );
}
