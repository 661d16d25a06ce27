/** Bytes of JavaScript heap that a record takes on its way. */
import { join } from 'node:path';
import type { Allocations } from './allocationJob';
import { notCounted, type Counts } from './count';
import { runJob } from './runJob';

/** MiB of the young generation: more than any stretch fills, so that nothing is collected within it. */
const SEMI_SPACE_MIB = 256;

export async function countAllocations(work: string): Promise<Counts<'allocations'>> {
  const { next, subscribed, awaited, alone, replayed } = await runJob<Allocations>(
    'allocationJob',
    [join(work, 'allocations')],
    ['--expose-gc', `--max-semi-space-size=${SEMI_SPACE_MIB}`, `--min-semi-space-size=${SEMI_SPACE_MIB}`],
  );
  const collected = notCounted('something was collected in every stretch');
  return {
    'heap bytes a record: next': next ?? collected,
    'heap bytes a record: append, subscribed': subscribed ?? collected,
    'heap bytes a record: append, awaited by 64': awaited ?? collected,
    'heap bytes a record: append, awaited by 1': alone ?? collected,
    'heap bytes a record: replay, decoded': replayed ?? collected,
  };
}
