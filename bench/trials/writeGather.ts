/**
 * Many pieces with one `writev`, against a copy into one arena and one write.
 *
 *     npx tsx bench/trials/writeGather.ts [--rounds 9] [--ms 60] [disk] [cache]
 *
 * `disk`: durable writes into zeros. `cache`: plain writes, which end in the page cache, so that the work of the processor can be seen without
 * the disk's.
 */
import { openSync, write, writev } from 'node:fs';
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
  wants,
  type Variant,
} from './harness';

const FILE_BYTES = 64 * MIB;
const arena = Buffer.alloc(8 * MIB);

type Gather = (descriptor: number, pieces: readonly Buffer[], at: number, done: (error?: Error | null) => void) => void;

const GATHERS: Readonly<Record<string, Gather>> = {
  'copy into an arena, write': (descriptor, pieces, at, done) => {
    let used = 0;
    for (const piece of pieces) {
      arena.set(piece, used);
      used += piece.length;
    }
    write(descriptor, arena, 0, used, at, done);
  },
  writev: (descriptor, pieces, at, done) => {
    writev(descriptor, pieces, at, done);
  },
  'Buffer.concat, write': (descriptor, pieces, at, done) => {
    write(descriptor, Buffer.concat(pieces), 0, undefined, at, done);
  },
};

function variant(name: string, gather: Gather, descriptor: number, pieces: readonly Buffer[]): Variant {
  const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
  const places = new Places(FILE_BYTES);
  return {
    name,
    run: async (roundMs) => {
      const latenciesMs: number[] = [];
      const started = performance.now();
      for (let now = started; now - started < roundMs;) {
        const began = now;
        await new Promise<void>((resolve, reject) => {
          gather(descriptor, pieces, places.take(bytes), (error) => {
            if (error) reject(error);
            else resolve();
          });
        });
        now = performance.now();
        latenciesMs.push(now - began);
      }
      return { latenciesMs, records: latenciesMs.length * pieces.length, writes: latenciesMs.length };
    },
  };
}

async function main(): Promise<void> {
  const options = trialOptions('writeGather', { rounds: 9, roundMs: 60 });
  printConditions(options);
  const path = join(options.dir, 'zeros');
  layZeros(path, FILE_BYTES);
  for (const part of ['disk', 'cache']) {
    if (!wants(options, part)) continue;
    const descriptor = part === 'disk' ? openDurable(path) : openSync(path, 'r+');
    for (const pieceBytes of [200, KIB, 4 * KIB]) {
      for (const count of [1, 8, 64, 256, 1024]) {
        const pieces = Array.from({ length: count }, (_, piece) => Buffer.alloc(pieceBytes, piece));
        const variants = Object.entries(GATHERS).map(([name, gather]) => variant(name, gather, descriptor, pieces));
        const outcomes = await inTurns(variants, options.rounds, options.roundMs);
        printOutcomes(`${count} pieces of ${pieceBytes} bytes, ${part} (latencies are of the batch)`, outcomes);
      }
    }
  }
}

void main();
