import { randomInt } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

export const BUNDLED_EVENTS = join(__dirname, '..', 'events.ndjson');

export const USAGE = `Logs events in a child process, kills it again and again, and checks that no acknowledged event is lost.

npm start -- [events.ndjson | -] [options]

  events.ndjson   a JSON value on each line; - reads them from stdin (default: the bundled shop events)
  --kills N       how many times the writer is killed (default 4)
  --seed N        chooses the moments of the kills (default: another one each time)
  --seconds N     spreads the events over this many seconds; 0 writes as fast as the disk takes them (default 8)
  --dir DIR       keeps the log in this empty or new directory (default: a temporary one, removed at the end)
  --acks          prints every acknowledgement, not one line now and then
  --help          prints this

Exit code: 0 nothing is lost, 1 something is lost, repeated or out of order, 2 bad arguments or input.`;

export interface Settings {
  /** Path of the events; `-` is stdin. */
  readonly input: string;
  readonly kills: number;
  readonly seed: number;
  readonly seconds: number;
  /** Where the log is kept; `undefined` for a temporary directory. */
  readonly dir: string | undefined;
  readonly printsAcks: boolean;
  readonly help: boolean;
}

/** What the user has to mend: an argument, or the input. Ends the program with exit code 2. */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** @throws UserError for an argument that makes no sense. */
export function parseSettings(args: readonly string[]): Settings {
  const { values, positionals } = parse(args);
  if (positionals.length > 1) {
    throw new UserError(`one input at a time, not ${positionals.length}: ${positionals.join(' ')}`);
  }
  return {
    input: positionals[0] ?? BUNDLED_EVENTS,
    kills: integer('--kills', values.kills, 4),
    seed: integer('--seed', values.seed, randomInt(1_000_000)),
    seconds: integer('--seconds', values.seconds, 8),
    dir: values.dir,
    printsAcks: values.acks,
    help: values.help,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        kills: { type: 'string' },
        seed: { type: 'string' },
        seconds: { type: 'string' },
        dir: { type: 'string' },
        acks: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

function integer(name: string, text: string | undefined, byDefault: number): number {
  if (text === undefined) return byDefault;
  if (!/^\d{1,9}$/.test(text)) throw new UserError(`${name} takes a whole number, not '${text}'`);
  return Number(text);
}

/**
 * Makes a directory for the log. The check holds the whole log against the input, so nothing may be in it.
 *
 * @throws UserError for one that has something in it, or cannot be made.
 */
export function emptyDirectory(dir: string): string {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    if (readdirSync(dir).length === 0) return dir;
  } catch (error) {
    throw new UserError(`--dir ${dir}: ${(error as Error).message}`);
  }
  throw new UserError(`--dir ${dir} is not empty`);
}
