/**
 * Two durable writes in flight at a time, against one with all their records.
 *
 *     npx tsx bench/trials/writeInFlight.ts [--rounds 9] [--ms 150]
 *
 * The number of records that wait for an ack at any time is the same: n in one write, or n / 2 in each of two. The log keeps to one, because a
 * mark proves the records before it durable only if no more than one batch is ever unsynced.
 */
import { write } from 'node:fs';
import { join } from 'node:path';
import {
  inTurns,
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
const RECORD_BYTES = 200;
const BATCH = Buffer.alloc(MIB, 1);

function variant(descriptor: number, inFlight: number, records: number): Variant {
  const places = new Places(FILE_BYTES);
  const ofEach = records / inFlight;
  return {
    name: `${inFlight} in flight, ${ofEach} records each`,
    run: async (roundMs) => {
      const latenciesMs: number[] = [];
      const until = performance.now() + roundMs;
      const chain = async (): Promise<void> => {
        for (let now = performance.now(); now < until;) {
          const began = now;
          await new Promise<void>((resolve, reject) => {
            write(descriptor, BATCH, 0, ofEach * RECORD_BYTES, places.take(ofEach * RECORD_BYTES), (error) => {
              if (error) reject(error);
              else resolve();
            });
          });
          now = performance.now();
          latenciesMs.push(now - began);
        }
      };
      await Promise.all(Array.from({ length: inFlight }, chain));
      return { latenciesMs, records: latenciesMs.length * ofEach, writes: latenciesMs.length };
    },
  };
}

async function main(): Promise<void> {
  const options = trialOptions('writeInFlight', { rounds: 9, roundMs: 150 });
  printConditions(options);
  const path = join(options.dir, 'zeros');
  layZeros(path, FILE_BYTES);
  const descriptor = openDurable(path);
  for (const records of [4, 64, 1024]) {
    const variants = [1, 2, 4].map((inFlight) => variant(descriptor, inFlight, records));
    printOutcomes(`${records} records wait at any time`, await inTurns(variants, options.rounds, options.roundMs));
  }
}

void main();
