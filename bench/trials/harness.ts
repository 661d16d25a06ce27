/**
 * What the trials share: a file on the real disk, rounds of several variants in turns, and the table they end in.
 *
 * A trial answers one question. Its variants run in turns within one process, so that a noisy machine is noisy for all of them, and the
 * figure to read is the ratio to the first variant: of each round, then the median of the rounds.
 */
import Table from 'cli-table3';
import { closeSync, constants, fdatasyncSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** What the command line says. A trial has its own defaults for the rest. */
export interface TrialOptions {
  readonly dir: string;
  readonly rounds: number;
  /** How long a variant runs in a round. */
  readonly roundMs: number;
  /** Only the parts of the trial with these names; none named: all of them. */
  readonly parts: readonly string[];
}

/**
 * Reads `--dir`, `--rounds`, `--ms` and the names of parts, makes the directory, and sees to it that it is removed at the end.
 * The default directory is on the file system of the repository: that of temporary files may be in memory.
 */
export function trialOptions(
  name: string,
  defaults: { readonly rounds: number; readonly roundMs: number },
): TrialOptions {
  const { values, positionals } = parseArgs({
    options: { dir: { type: 'string' }, rounds: { type: 'string' }, ms: { type: 'string' } },
    allowPositionals: true,
  });
  const parent = resolve(values.dir ?? join(__dirname, '..', '.work'));
  const dir = join(parent, `${name}-${process.pid}`);
  mkdirSync(dir, { recursive: true });
  process.on('exit', () => {
    rmSync(dir, { recursive: true, force: true });
  });
  return {
    dir,
    rounds: Number(values.rounds ?? defaults.rounds),
    roundMs: Number(values.ms ?? defaults.roundMs),
    parts: positionals,
  };
}

/** Whether the command line asks for this part. */
export function wants(options: TrialOptions, part: string): boolean {
  return options.parts.length === 0 || options.parts.includes(part);
}

/** Opens a file in which a write is durable when it returns, where the system has `O_DSYNC`; else the trial cannot run. */
export function openDurable(path: string): number {
  const { O_CREAT, O_WRONLY } = constants;
  const { O_DSYNC } = constants as { O_DSYNC?: number };
  if (O_DSYNC === undefined) throw new Error('O_DSYNC is not known on this system: this trial measures nothing here');
  return openSync(path, O_CREAT | O_WRONLY | O_DSYNC);
}

/** Makes a file of zeros whose blocks are all written and durable, so that later writes to it change no size and no block map. */
export function layZeros(path: string, bytes: number): void {
  const descriptor = openSync(path, 'w');
  const zeros = Buffer.alloc(Math.min(bytes, MIB));
  for (let at = 0; at < bytes; at += zeros.length) {
    writeSync(descriptor, zeros, 0, Math.min(zeros.length, bytes - at), at);
  }
  fdatasyncSync(descriptor);
  fsyncSync(descriptor);
  closeSync(descriptor);
}

/** Places in a file of zeros, one behind the other, from the start again where the file ends. */
export class Places {
  #next = 0;

  constructor(private readonly fileBytes: number) {}

  /** The place of the next write of so many bytes. */
  take(bytes: number): number {
    if (this.#next + bytes > this.fileBytes) this.#next = 0;
    const at = this.#next;
    this.#next += bytes;
    return at;
  }
}

/** What one variant did in one round. */
export interface Sample {
  /** How long each append took, in milliseconds; where there are very many, some of them. */
  readonly latenciesMs: readonly number[];
  readonly records: number;
  /** Durable writes. */
  readonly writes: number;
  /** Where preparations are not to count. Default: all of the run. */
  readonly elapsedMs?: number;
}

interface TimedSample extends Sample {
  readonly elapsedMs: number;
  /** Of all threads of the process. */
  readonly cpuMs: number;
}

export interface Variant {
  readonly name: string;
  run(roundMs: number): Promise<Sample> | Sample;
}

/** What all rounds of a variant came to. */
export interface Outcome {
  readonly name: string;
  readonly samples: readonly TimedSample[];
  readonly latenciesMs: Float64Array;
}

/** Runs the variants in turns, each round beginning with another one, after one short round that does not count. */
export async function inTurns(variants: readonly Variant[], rounds: number, roundMs: number): Promise<Outcome[]> {
  const samples = new Map(variants.map(({ name }) => [name, [] as TimedSample[]]));
  for (let round = -1; round < rounds; round += 1) {
    for (let turn = 0; turn < variants.length; turn += 1) {
      const variant = variants[(turn + round + variants.length) % variants.length] as Variant;
      const cpuBefore = process.cpuUsage();
      const started = performance.now();
      const sample = await variant.run(round < 0 ? roundMs / 4 : roundMs);
      const elapsedMs = performance.now() - started;
      const cpu = process.cpuUsage(cpuBefore);
      if (round >= 0) samples.get(variant.name)?.push({ elapsedMs, ...sample, cpuMs: (cpu.user + cpu.system) / 1000 });
    }
  }
  return [...samples].map(([name, ofName]) => ({
    name,
    samples: ofName,
    latenciesMs: Float64Array.from(ofName.flatMap(({ latenciesMs }) => latenciesMs)).sort(),
  }));
}

export function median(values: readonly number[]): number {
  return quantile(Float64Array.from(values).sort(), 0.5);
}

/** Of values in ascending order. */
export function quantile(sorted: Float64Array, q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
}

export const perSecond = (sample: TimedSample): number => (sample.records * 1000) / sample.elapsedMs;

/** Microseconds, with as many digits as mean something. */
export function micros(ms: number): string {
  const value = ms * 1000;
  if (Number.isNaN(value)) return '-';
  if (value < 1) return value.toFixed(3);
  return value < 100 ? value.toFixed(1) : value.toFixed(0);
}

/** Tables that can be pasted: two spaces between columns and one line below the head. */
export const PLAIN = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '' },
  ...{ 'bottom-right': '', left: '', right: '', 'left-mid': '', 'right-mid': '', mid: '-', 'mid-mid': '', middle: ' ' },
};

/**
 * Prints the outcomes. `x rate` is records a second against the first variant, round by round; the lowest and highest round stand beside
 * the median and say how noisy the machine was.
 */
export function printOutcomes(title: string, outcomes: readonly Outcome[]): void {
  const [first] = outcomes;
  if (!first) return;
  const table = new Table({
    head: [
      '',
      'records/s',
      'x rate',
      'lowest..highest',
      'p50 us',
      'x p50',
      'p99 us',
      'p999 us',
      'max us',
      'CPU us/record',
      'records/write',
    ],
    style: { head: [], border: [], compact: true },
    chars: PLAIN,
    colAligns: ['left', ...Array.from({ length: 10 }, () => 'right' as const)],
  });
  const firstP50 = quantile(first.latenciesMs, 0.5);
  for (const { name, samples, latenciesMs } of outcomes) {
    const ratios = samples.map((sample, round) => perSecond(sample) / perSecond(first.samples[round] as TimedSample));
    const records = samples.reduce((sum, sample) => sum + sample.records, 0);
    const writes = samples.reduce((sum, sample) => sum + sample.writes, 0);
    const p50 = quantile(latenciesMs, 0.5);
    table.push([
      name,
      Math.round(median(samples.map(perSecond))).toLocaleString('en'),
      median(ratios).toFixed(2),
      `${Math.min(...ratios).toFixed(2)}..${Math.max(...ratios).toFixed(2)}`,
      micros(p50),
      (p50 / firstP50).toFixed(2),
      micros(quantile(latenciesMs, 0.99)),
      micros(quantile(latenciesMs, 0.999)),
      micros(latenciesMs.at(-1) ?? NaN),
      micros(samples.reduce((sum, sample) => sum + sample.cpuMs, 0) / records),
      (records / writes).toFixed(1),
    ]);
  }
  console.log(`\n${title}`);
  console.log(table.toString());
}

/** Says where and under what load the figures were taken. */
export function printConditions(options: TrialOptions): void {
  const load = loadavg()[0]?.toFixed(2) ?? '?';
  console.log(
    `node ${process.version}, ${process.platform} ${process.arch}, load ${load}; ${options.rounds} rounds in turns, ${options.roundMs} ms each`,
  );
}
