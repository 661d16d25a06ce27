/*
 * The command line of the fuzzer:
 *
 *   npx tsx spec/hostile/fuzz.ts --inputs 1000000 --seed 7 [--from 0]     many inputs; stops at the first violation
 *   npx tsx spec/hostile/fuzz.ts --replay 7:4711                           one input again, with what it holds
 *
 * A violation is told with its seed and number, its directory becomes a file of the corpus (or of `--keep DIR`), and the exit code
 * is 1. An interrupt ends it early, with the summary so far.
 */
import { inspect, parseArgs } from 'node:util';
import { hex } from '../support/bytes';
import { keep, readCorpus } from './corpus';
import { inputOf } from './inputs';
import { Memory } from './memory';
import { trySalvage } from './salvageTrial';
import { Tally } from './tally';
import { tryInput } from './trial';

/** Inputs between two turns of the event loop: what was reported as unhandled comes out then. */
const TURN = 500;
/** Inputs between two lines of progress. */
const PROGRESS = 10_000;

async function replay(seed: number, number: number): Promise<number> {
  const input = inputOf(seed, number, readCorpus());
  for (const [name, bytes] of input.files) process.stdout.write(`${JSON.stringify(name)}  ${hex(bytes)}\n`);
  const trial = tryInput(input);
  const salvage = await trySalvage(input);
  process.stdout.write(`${seed}:${number}, ${input.origin}: ${inspect({ trial, salvage }, { depth: 5 })}\n`);
  return trial.complaints.length + salvage.complaints.length > 0 ? 1 : 0;
}

async function fuzz(seed: number, from: number, inputs: number, dir: string | undefined): Promise<number> {
  // Most inputs end in errors, whose stacks nobody looks at: `--replay` has them.
  Error.stackTraceLimit = 0;
  const corpus = readCorpus();
  const tally = new Tally();
  const memory = new Memory();
  const interrupt = new AbortController();
  process.once('SIGINT', () => {
    interrupt.abort();
  });
  let done = 0;
  for (let number = from; number < from + inputs && !interrupt.signal.aborted; number += 1) {
    const input = inputOf(seed, number, corpus);
    done += 1;
    const trial = tryInput(input);
    const salvage = await trySalvage(input);
    const complaints = [...trial.complaints, ...salvage.complaints];
    tally.count(input.origin, trial, salvage);
    if (complaints.length > 0) {
      const path = keep(
        `What seed ${seed} made of it: ${complaints[0] ?? ''}`.split('\n')[0] ?? '',
        input.files,
        input.madeFrom,
        dir,
      );
      process.stdout.write(`seed ${seed}, input ${number}: ${complaints.join('\n  ')}\nkept as ${path}\n`);
      return 1;
    }
    if (number % TURN === 0) {
      // What happens behind the back of the trial would end the process: so far none has.
      await new Promise(setImmediate);
      memory.look();
    }
    if ((number - from + 1) % PROGRESS === 0) process.stderr.write(`\r${number - from + 1} of ${inputs} inputs`);
  }
  process.stderr.write('\n');
  process.stdout.write(`${done} inputs, seed ${seed}: ${tally.summary()}, 0 violations, ${memory.summary()}\n`);
  return 0;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      inputs: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      from: { type: 'string', default: '0' },
      replay: { type: 'string' },
      keep: { type: 'string' },
    },
  });
  if (values.replay !== undefined) {
    const [seed, number] = values.replay.split(':').map(Number);
    return replay(seed ?? 0, number ?? 0);
  }
  return fuzz(Number(values.seed), Number(values.from), Number(values.inputs), values.keep);
}

if (require.main === module) void main().then((code) => (process.exitCode = code));
