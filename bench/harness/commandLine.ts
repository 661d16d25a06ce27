/** The options of the benchmark. */
import { Command, InvalidArgumentError } from 'commander';
import { DEFAULT_LIMITS } from './noise';

export interface Options {
  readonly regime?: readonly string[];
  readonly contender?: readonly string[];
  readonly rounds?: number;
  readonly mostRounds?: number;
  readonly seconds?: number;
  readonly logRecords?: number;
  readonly short?: true;
  readonly control: number;
  readonly width: number;
  readonly honesty: boolean;
  readonly rxwal: 'dist' | 'src';
  readonly with?: string;
  readonly dir?: string;
  readonly json?: string;
  readonly plot?: string;
}

export function parseOptions(): Options {
  return new Command('bench/run.ts')
    .description('rxwal against what the disk allows and against its peers, in one run; README.md says what it means')
    .option(
      '--regime <names...>',
      '1, 64, 1024, 4096, bulk, bulk-unacked, replay, replay-raw, open, open-1000, idle, memory',
    )
    .option('--contender <names...>', 'by name or file; the references of each regime are always there')
    .option('--rounds <number>', 'rounds of each regime (default 8; short: 3)', positive)
    .option('--most-rounds <number>', 'where these cannot tell (default: twice as many; short: no more)', positive)
    .option('--seconds <number>', 'how long the clock runs in each job (default 0.5; short: 0.2)', positive)
    .option('--log-records <number>', 'in a log that is replayed or opened (default 100,000; short: 20,000)', positive)
    .option('--short', 'a short run: enough for the counts, hardly enough for the times')
    .option('--control <factor>', 'the control may be this far from 1', positive, DEFAULT_LIMITS.control)
    .option('--width <factor>', 'how much the ends of an interval may differ', positive, DEFAULT_LIMITS.width)
    .option('--no-honesty', 'do not look at system calls')
    .option('--rxwal <dist|src>', 'dist: as built; src: compiled now', distOrSrc, 'dist')
    .option('--with <command>', 'put before each job, such as "taskset -c 1"')
    .option('--dir <directory>', 'where logs are made (default bench/.work): its disk is what is measured')
    .option('--json <file>', 'everything measured, round by round')
    .option('--plot <file>', 'an SVG of throughput and latency against producers')
    .parse()
    .opts<Options>();
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('must be a number above 0');
  return value;
}

function distOrSrc(text: string): string {
  if (text !== 'dist' && text !== 'src') throw new InvalidArgumentError('must be dist or src');
  return text;
}
