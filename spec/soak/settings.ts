import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { FAULTS, type Fault } from './work';

export const USAGE = `Kills processes that write logs, again and again, and checks that nothing that was promised is lost.

npx tsx spec/soak/run.ts [options]

  --kills N      ends after so many kills (default 200; without end where --minutes is given)
  --minutes M    ends after so many minutes
  --seed N       chooses what the writers do, and when they are killed (default: another one each time)
  --logs N       logs that are written, killed and checked side by side (default 2)
  --keep         keeps the logs, also where all is well
  --fault NAME   is wrong on purpose; the soak has to notice:
${Object.entries(FAULTS)
  .map(([name, what]) => `                   ${name.padEnd(14)} ${what}`)
  .join('\n')}
  --help         prints this

Exit code: 0 nothing is lost and nothing grows, 1 something is or does (the seed and the directory are printed), 2 bad arguments.`;

export interface Settings {
  /** Infinity where only the time counts. */
  readonly kills: number;
  readonly minutes: number;
  readonly seed: number;
  readonly logs: number;
  readonly keep: boolean;
  readonly fault: Fault | undefined;
  readonly help: boolean;
}

/** @throws Error for an argument that makes no sense. */
export function parseSettings(args: readonly string[]): Settings {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kills: { type: 'string' },
      minutes: { type: 'string' },
      seed: { type: 'string' },
      logs: { type: 'string' },
      keep: { type: 'boolean', default: false },
      fault: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const minutes = positive('--minutes', values.minutes ?? '0', /^\d+(\.\d+)?$/);
  return {
    kills: values.kills === undefined ? (minutes > 0 ? Infinity : 200) : positive('--kills', values.kills),
    minutes: minutes > 0 ? minutes : Infinity,
    seed: positive('--seed', values.seed ?? String(randomInt(1_000_000))),
    logs: Math.max(1, positive('--logs', values.logs ?? '2')),
    keep: values.keep,
    fault: parseFault(values.fault),
    help: values.help,
  };
}

function positive(name: string, text: string, pattern = /^\d{1,9}$/): number {
  if (!pattern.test(text)) throw new Error(`${name} takes a number, not '${text}'`);
  return Number(text);
}

function parseFault(name: string | undefined): Fault | undefined {
  if (name === undefined || name in FAULTS) return name as Fault | undefined;
  throw new Error(`--fault takes ${Object.keys(FAULTS).join(', ')}, not '${name}'`);
}
