import type { Draw } from '../support/draw';
import type { Opening } from './writer';

const KIB = 1024;

/** What a writer does with the log, drawn. */
export function drawOpenings(random: Draw): Opening[] {
  const isFailing = random.chance(0.5);
  return Array.from({ length: random.integer(3, 5) }, () => ({
    options: {
      durability: random.pick([
        { mode: 'sync' },
        { mode: 'sync' },
        { mode: 'batch', maxDelayMs: 2, maxRecords: 12 },
        { mode: 'adaptive', targetIntervalMs: 3 },
        { mode: 'nosync' },
      ] as const),
      preallocateBytes: random.pick([0, 16 * KIB, 64 * KIB]),
      maxSegmentBytes: random.pick([8 * KIB, 32 * KIB, 256 * KIB]),
    },
    outstanding: random.pick([1, 4, 30]),
    group: random.pick([1, 1, 4, 12]),
    snapshotEvery: random.pick([10, 100]),
    every: random.pick([15, 40, 120]),
    milliseconds: random.integer(100, 500),
    failAfter: isFailing && random.chance(0.7) ? random.integer(3, 60) : 0,
    failWith: random.pick(['SIGUSR1', 'SIGUSR1', 'SIGUSR2', 'SIGUSR2', 'SIGHUP']),
  }));
}

/** A writer that syncs nothing. */
export function unsyncedOpenings(): Opening[] {
  return [
    {
      options: { durability: { mode: 'nosync' }, preallocateBytes: 0, maxSegmentBytes: KIB * KIB },
      outstanding: 4,
      group: 1,
      snapshotEvery: 1_000_000,
      every: 1_000_000,
      milliseconds: 800,
      failAfter: 0,
      failWith: 'SIGUSR1',
    },
  ];
}
