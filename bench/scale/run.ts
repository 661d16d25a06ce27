/**
 * Curves: what must be flat is flat, what must be linear is no worse.
 *
 *     npm run build
 *     npx tsx --tsconfig bench/tsconfig.dist.json bench/scale/run.ts [curve...] [--full] [--rounds <n>] [--dir <path>] [--strict]
 *
 * Each x is measured in several rounds that go through all x in turn, and the table shows the median. The exponent of each series is the slope of a
 * least-squares line through the logarithms of what every round measured, with its standard error and R²; and again over the upper half of the
 * values of x, where a curve that turns upwards late shows it.
 */
import { Argument, Command } from 'commander';
import { cpus } from 'node:os';
import { Samples, type Curve } from './curve';
import { curveLastSegment } from './curveLastSegment';
import { curveLogBytes } from './curveLogBytes';
import { curvePending } from './curvePending';
import { curveProducers } from './curveProducers';
import { curveRecordBytes } from './curveRecordBytes';
import { curveSegments } from './curveSegments';
import { curveSubscribers } from './curveSubscribers';
import { printCurve } from './printCurve';
import { WORK, inWorkDirectory } from './workDirectory';

const CURVES: readonly Curve[] = [
  curveProducers,
  curveRecordBytes,
  curveSegments,
  curveLogBytes,
  curveLastSegment,
  curvePending,
  curveSubscribers,
];

interface Flags {
  readonly full: boolean;
  readonly strict: boolean;
  readonly rounds?: string;
  readonly dir: string;
}

async function main(names: readonly string[], { full, strict, rounds, dir }: Flags): Promise<void> {
  console.log(
    `node ${process.version}, ${process.platform} ${process.arch}, ${cpus().length} processors, in ${dir === WORK ? 'bench/.work' : dir}`,
  );
  let holds = true;
  for (const curve of CURVES.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const samples = new Samples();
    await inWorkDirectory(dir, (work) =>
      curve.measure({ dir: work, rounds: rounds === undefined ? curve.rounds : Number(rounds), full }, samples),
    );
    holds = printCurve(curve, samples) && holds;
  }
  if (strict && !holds) process.exitCode = 1;
}

void new Command()
  .name('scale')
  .addArgument(new Argument('[curve...]', 'which of them').choices(CURVES.map(({ name }) => name)))
  .option('--full', 'also logs of 10 GB', false)
  .option('--strict', 'exit with 1 where a curve is worse than it must be', false)
  .option('--rounds <n>', 'how often each x is measured')
  .option('--dir <path>', 'where logs are made', WORK)
  .action((names: readonly string[], flags: Flags) => main(names, flags))
  .parseAsync();
