/**
 * When does a batch leave: at once with its first record, or at the end of the turn, so that all producers that one commit has released
 * ride together?
 *
 *     npx tsx bench/trials/writeDeparture.ts [--rounds 7] [--ms 120] [fast] [slow]
 *
 * Producers each await their ack and append again. `layers` is how many async functions stand between a producer and the log: each one
 * brings its append some microtasks later; `mixed` is none to three. The slow disks are this one behind a timer.
 */
import { write } from 'node:fs';
import { join } from 'node:path';
import { order } from '../order';
import {
  inTurns,
  layZeros,
  MIB,
  openDurable,
  Places,
  printConditions,
  printOutcomes,
  trialOptions,
  wants,
  type Sample,
  type Variant,
} from './harness';
import { IdealLoop, type Departure, type DurableWrite } from './writeIdealLoop';

const FILE_BYTES = 64 * MIB;

type Layers = 0 | 'mixed';
const ORDERS = Array.from({ length: 1024 }, (_, id) => order(id));

const DEPARTURES: Readonly<Record<string, Departure>> = {
  'at once': (leave) => {
    leave();
  },
  queueMicrotask,
  'process.nextTick': (leave) => {
    process.nextTick(leave);
  },
  setImmediate,
};

async function through(loop: IdealLoop, id: number, layers: number): Promise<void> {
  await (layers > 1
    ? through(loop, id, layers - 1)
    : loop.append(ORDERS[id % ORDERS.length] as (typeof ORDERS)[number]));
}

async function produce(loop: IdealLoop, producers: number, layers: Layers, roundMs: number): Promise<Sample> {
  const until = performance.now() + roundMs;
  const latenciesMs: number[] = [];
  const one = async (id: number): Promise<void> => {
    const ofMine = layers === 'mixed' ? id % 4 : layers;
    for (let now = performance.now(); now < until;) {
      const started = now;
      await (ofMine === 0
        ? loop.append(ORDERS[id % ORDERS.length] as (typeof ORDERS)[number])
        : through(loop, id, ofMine));
      now = performance.now();
      latenciesMs.push(now - started);
    }
  };
  await Promise.all(Array.from({ length: producers }, (_, id) => one(id)));
  return { latenciesMs, records: loop.records, writes: loop.writes };
}

function variants(device: DurableWrite, producers: number, layers: Layers): Variant[] {
  return Object.entries(DEPARTURES).map(([name, departure]) => ({
    name,
    run: (roundMs) => produce(new IdealLoop(device, departure), producers, layers, roundMs),
  }));
}

async function main(): Promise<void> {
  const options = trialOptions('writeDeparture', { rounds: 7, roundMs: 120 });
  printConditions(options);
  const path = join(options.dir, 'zeros');
  layZeros(path, FILE_BYTES);
  const descriptor = openDurable(path);
  const places = new Places(FILE_BYTES);
  const fast: DurableWrite = (arena, bytes, done) => {
    write(descriptor, arena, 0, bytes, places.take(bytes), done);
  };
  const slower =
    (extraMs: number): DurableWrite =>
    (arena, bytes, done) => {
      setTimeout(() => fast(arena, bytes, done), extraMs);
    };
  if (wants(options, 'fast')) {
    for (const layers of [0, 'mixed'] as const) {
      for (const producers of [1, 2, 8, 64, 1024]) {
        const outcomes = await inTurns(variants(fast, producers, layers), options.rounds, options.roundMs);
        printOutcomes(`${producers} producers, layers: ${layers}, this disk`, outcomes);
      }
    }
  }
  if (wants(options, 'slow')) {
    for (const extraMs of [2, 8]) {
      for (const producers of [2, 8, 64, 1024]) {
        const outcomes = await inTurns(
          variants(slower(extraMs), producers, 'mixed'),
          Math.ceil(options.rounds / 2),
          options.roundMs * 2,
        );
        printOutcomes(`${producers} producers, layers: mixed, a disk ${extraMs} ms slower`, outcomes);
      }
    }
  }
}

void main();
