/**
 * One `O_DSYNC` write against a write and an fdatasync, into zeros and into a growing file, by size of the batch.
 *
 *     npx tsx bench/trials/writeDurable.ts [--rounds 9] [--ms 110]
 *
 * What Node cannot reach is not tried: it has no fallocate, and O_DIRECT asks for aligned memory, which a Buffer is only by chance.
 */
import { fdatasync, fsync, ftruncateSync, openSync, write } from 'node:fs';
import { join } from 'node:path';
import {
  inTurns,
  KIB,
  layZeros,
  MIB,
  openDurable,
  Places,
  printConditions,
  printOutcomes,
  trialOptions,
  type Variant,
} from './harness';

const FILE_BYTES = 64 * MIB;
const SIZES = [200, 4 * KIB, 64 * KIB, 256 * KIB, MIB];
const BATCH = Buffer.alloc(MIB, 1);

type Step = (done: (error?: Error | null) => void) => void;
const one = (step: Step): Promise<void> =>
  new Promise((resolve, reject) => {
    step((error) => {
      if (error) reject(error);
      else resolve();
    });
  });

/** Writes batches one at a time. A growing file begins anew in every round. */
function variant(
  name: string,
  bytes: number,
  path: string,
  sync: 'in the write' | typeof fdatasync | typeof fsync,
): Variant {
  const descriptor = sync === 'in the write' ? openDurable(path) : openSync(path, 'r+');
  const grows = path.endsWith('growing');
  return {
    name,
    run: async (roundMs) => {
      if (grows) ftruncateSync(descriptor, 0);
      const places = new Places(FILE_BYTES);
      const latenciesMs: number[] = [];
      const started = performance.now();
      for (let now = started; now - started < roundMs;) {
        const began = now;
        const at = grows ? latenciesMs.length * bytes : places.take(bytes);
        await one((done) => write(descriptor, BATCH, 0, bytes, at, done));
        if (sync !== 'in the write') await one((done) => sync(descriptor, done));
        now = performance.now();
        latenciesMs.push(now - began);
      }
      const elapsedMs = performance.now() - started;
      return { latenciesMs, records: latenciesMs.length, writes: latenciesMs.length, elapsedMs };
    },
  };
}

async function main(): Promise<void> {
  const options = trialOptions('writeDurable', { rounds: 9, roundMs: 110 });
  printConditions(options);
  console.log('fallocate, O_DIRECT: not to be had from Node, not measured');
  const path = join(options.dir, 'zeros');
  layZeros(path, FILE_BYTES);
  const growing = (name: string): string => {
    const file = join(options.dir, `${name}-growing`);
    layZeros(file, 0);
    return file;
  };
  const [first, second] = [growing('durable'), growing('plain')];
  for (const bytes of SIZES) {
    const variants = [
      variant('zeros, one O_DSYNC write', bytes, path, 'in the write'),
      variant('zeros, write + fdatasync', bytes, path, fdatasync),
      variant('zeros, write + fsync', bytes, path, fsync),
      variant('growing, one O_DSYNC write', bytes, first, 'in the write'),
      variant('growing, write + fdatasync', bytes, second, fdatasync),
    ];
    const outcomes = await inTurns(variants, options.rounds, options.roundMs);
    printOutcomes(`batches of ${bytes.toLocaleString('en')} bytes (a record here is a batch)`, outcomes);
  }
}

void main();
