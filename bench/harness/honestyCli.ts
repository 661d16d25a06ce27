/**
 * Prints whether contenders have a record on the disk before they acknowledge it, and what they ask of the kernel for it.
 *
 *     npx tsx bench/harness/honestyCli.ts [names or paths of contenders...] [--producers 1,64]
 *     npx tsx bench/harness/honestyCli.ts --prove
 *
 * Run like this, rxwal is what stands in `src/`; in a run of the benchmark it is what the benchmark has compiled.
 *
 * With `--prove` it watches what is known to acknowledge too early (`dishonest/`, hypercore), and fails where that goes unnoticed.
 */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import Table from 'cli-table3';
import { Command } from 'commander';
import { contenderFiles, loadContender } from './contenderFiles';
import { honesty } from './honesty';
import { isLimited } from './limited';

async function names(): Promise<string[]> {
  const all: string[] = [];
  for (const file of contenderFiles()) {
    const contender = await loadContender(file);
    if (!isLimited(contender)) all.push(contender.name);
  }
  return all;
}

const DISHONEST = join(__dirname, 'dishonest');

interface Options {
  readonly producers: string;
  readonly prove?: true;
}

async function main(chosen: readonly string[], { producers, prove }: Options): Promise<void> {
  const known = prove ? [...readdirSync(DISHONEST).map((file) => join(DISHONEST, file)), 'hypercore'] : chosen;
  const table = new Table({
    head: ['contender', 'producers', 'ack', 'fsyncs', 'calls', 'bytes', 'evidence'],
    style: { head: [], border: [] },
  });
  for (const name of known.length > 0 ? known : await names()) {
    for (const count of producers.split(',').map(Number)) {
      const { ack, fsyncsPerRecord, syscallsPerRecord, bytesWrittenPerRecord, evidence } = await honesty(name, count);
      const figures = [fsyncsPerRecord.toFixed(3), syscallsPerRecord.toFixed(3), bytesWrittenPerRecord.toFixed(0)];
      // One at a time, even what is careless about appends during a write has nothing to be careless about.
      if (prove && count > 1 && ack !== 'no fsync before ack') process.exitCode = 1;
      table.push([basename(name, '.ts'), count, ack, ...figures, evidence]);
    }
  }
  console.log('Fsyncs, system calls on files and bytes are for each record.');
  console.log(table.toString());
}

const program = new Command()
  .argument('[contenders...]', 'names, or paths of files; default: all')
  .option('--producers <counts>', 'how many appends are awaited at the same time', '1,64')
  .option('--prove', 'watch what acknowledges too early, and fail where that goes unnoticed')
  .parse();
void main(program.args, program.opts<Options>());
