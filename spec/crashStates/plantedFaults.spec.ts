import assert from 'node:assert/strict';
import { PowerCutViolation, powerCuts, type PowerCutOptions, type StoreOperation } from 'rxwal/testing';
import { segmentFile } from '../support/logs';
import { WORKLOADS, type Workload } from './workloads';

/** That the workloads and their check can fail: each with something left out that the log does. */

function workloadOf(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  assert.ok(found, name);
  return found;
}

/** Runs a workload on a disk that only pretends to do some operations. */
async function assertViolation(
  name: string,
  pretend: (operation: StoreOperation) => boolean,
  options: PowerCutOptions = {},
): Promise<PowerCutViolation> {
  const { test, disk } = workloadOf(name);
  const run = powerCuts(test, {
    states: 2000,
    nested: 1,
    slow: false,
    ...options,
    disk: { ...disk, stale: false, pretend },
  });
  const outcome: unknown = await run.catch((error: unknown) => error);
  assert.ok(outcome instanceof PowerCutViolation, `${name}: no violation, ${JSON.stringify(outcome)}`);
  return outcome;
}

const isSegment = (file: string): boolean => file.endsWith('.log');

describe('the workloads catch a log that forgets', () => {
  const names = [
    'sync',
    'batch',
    'adaptive',
    'nosync',
    'sync, three lives',
    'sync, slow',
    'transactions',
    'many sectors',
  ];

  it.each(names)('every fsync: %s', async (name) => {
    const { message } = await assertViolation(name, ({ kind }) => kind === 'sync');
    expect(message).toMatch(/^After a power cut: /);
  });

  it('the fsync of durable writes', async () => {
    const { message } = await assertViolation('sync, durable writes, zeros ahead', ({ kind }) => kind === 'sync');
    expect(message).toMatch(/^After a power cut: /);
  });

  it.each(['sync', 'batch', 'nosync', 'a new log'])('every fsync of the directory: %s', async (name) => {
    const { message } = await assertViolation(name, ({ kind }) => kind === 'syncDir');
    expect(message).toMatch(/^After a power cut: /);
  });

  it('the fsync of the file that takes the place of a torn one', async () => {
    const tail = (file: string): boolean => file.endsWith('.log.tmp');
    const { message } = await assertViolation('sync, three lives', ({ kind, file }) => kind === 'sync' && tail(file));
    expect(message).toMatch(/^After a power cut: /);
  });

  it('the fsync of checkpoint.meta', async () => {
    const meta = (file: string): boolean => file.startsWith('checkpoint.meta');
    const { message } = await assertViolation('sync', ({ kind, file }) => kind === 'sync' && meta(file));
    expect(message).toMatch(/^After a power cut: WalCorruptError: checkpoint\.meta/);
  });

  it('the fsync of every second segment', async () => {
    const odd = (file: string): boolean => file === segmentFile(1) || file === segmentFile(3);
    const { message } = await assertViolation('batch', ({ kind, file }) => kind === 'sync' && odd(file));
    expect(message).toMatch(/^After a power cut: /);
  });

  it('to write, now and then', async () => {
    let writes = 0;
    const every = ({ kind, file, bytes = 0 }: StoreOperation): boolean => {
      if (kind !== 'write' || !isSegment(file) || bytes < 60) return false;
      writes += 1;
      return writes % 7 === 0;
    };
    const { message } = await assertViolation('nosync', every);
    expect(message).toMatch(/^After a power cut: |is damaged/);
  });
});

describe('a violation of the log', () => {
  // Seeds whose violation has no log in it that an opening has begun anew: its id is random.
  it.each([
    ['sync', 11],
    ['batch, slow', 11],
    ['many sectors', 13],
  ] as const)('is made again, byte for byte: %s', async (name, seed) => {
    const forgetful = ({ kind }: StoreOperation): boolean => kind === 'sync';
    const first = await assertViolation(name, forgetful, { seed });
    const again = await assertViolation(name, forgetful, { seed, replay: first.replay });
    expect(again.message).toBe(first.message);
    expect(again.files).toEqual(first.files);
    expect(again.journal).toEqual(first.journal);
  });
});
