/**
 * Is an arena that two threads share slower to work with than one that belongs to the main thread?
 *
 *     npx tsx bench/trials/workerArena.ts [--rounds 21] [--ms 40]
 *
 * Records are laid into the arena, each as it would be: encoded and copied, or written as text, with either kind of checksum over it.
 */
import { buf } from 'crc-32';
import { Encoder } from 'cbor-x';
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { order } from '../order';
import {
  inTurns,
  layZeros,
  MIB,
  openDurable,
  printConditions,
  printOutcomes,
  trialOptions,
  type Sample,
  type Variant,
} from './harness';

const ARENA_BYTES = MIB;
const encoder = new Encoder({ useRecords: false });
const value = order(1);
const payload = encoder.encode(value);
const large = Buffer.alloc(65_536, 1);
const text = JSON.stringify(value);
/** What is computed is used, so that no compiler leaves it out. */
let sum = 0;

/** What is done with a place in the arena. */
const STEPS: Readonly<Record<string, (arena: Buffer, at: number) => void>> = {
  'encode and copy': (arena, at) => {
    arena.set(encoder.encode(value), at);
  },
  'copy 177 bytes': (arena, at) => {
    arena.set(payload, at);
  },
  'copy 64 KiB': (arena, at) => {
    arena.set(large, at & 0xffff);
  },
  'write 200 characters': (arena, at) => {
    arena.write(text, at, 'latin1');
  },
  'write integers': (arena, at) => {
    for (let word = 0; word < 16; word += 1) arena[at + word] = word;
  },
  'crc-32 of 177 bytes': (arena, at) => {
    sum += buf(arena.subarray(at, at + 177), 0);
  },
  'zlib.crc32 of 177 bytes': (arena, at) => {
    sum += crc32(arena.subarray(at, at + 177), 0);
  },
  'zlib.crc32 of 64 KiB': (arena, at) => {
    sum += crc32(arena.subarray(at & 0xffff, (at & 0xffff) + 65_536), 0);
  },
};

function repeat(step: (arena: Buffer, at: number) => void, arena: Buffer, roundMs: number): Sample {
  const until = performance.now() + roundMs;
  let records = 0;
  let at = 0;
  do {
    for (let call = 0; call < 64; call += 1) {
      step(arena, at);
      at = at + 512 > ARENA_BYTES - 512 ? 0 : at + 199;
    }
    records += 64;
  } while (performance.now() < until);
  return { latenciesMs: [], records, writes: 1 };
}

async function main(): Promise<void> {
  const options = trialOptions('workerArena', { rounds: 21, roundMs: 40 });
  printConditions(options);
  const arenas = {
    'own memory': Buffer.from(new ArrayBuffer(ARENA_BYTES)),
    'shared memory': Buffer.from(new SharedArrayBuffer(ARENA_BYTES)),
  };
  for (const [name, step] of Object.entries(STEPS)) {
    const variants: Variant[] = Object.entries(arenas).map(([where, arena]) => ({
      name: where,
      run: (roundMs) => repeat(step, arena, roundMs),
    }));
    printOutcomes(name, await inTurns(variants, options.rounds, options.roundMs));
  }
  const path = join(options.dir, 'zeros');
  layZeros(path, ARENA_BYTES);
  const descriptor = openDurable(path);
  const writing: Variant[] = Object.entries(arenas).map(([where, arena]) => ({
    name: where,
    run: (roundMs) => {
      const latenciesMs: number[] = [];
      const until = performance.now() + roundMs;
      for (let started = performance.now(); started < until; started = performance.now()) {
        writeSync(descriptor, arena, 0, 4096, 0);
        latenciesMs.push(performance.now() - started);
      }
      return { latenciesMs, records: latenciesMs.length, writes: latenciesMs.length };
    },
  }));
  printOutcomes('one durable write of 4 KiB', await inTurns(writing, options.rounds, options.roundMs));
  console.log(`sum of all: ${sum}`);
}

void main();
