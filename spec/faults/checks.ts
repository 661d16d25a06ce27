import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Subject, config, lastValueFrom, throwError, toArray } from 'rxjs';
import {
  HEADER_BYTES,
  WalCorruptError,
  WalIoError,
  WalLockedError,
  WalRecordError,
  cborCodec,
  nodeStore,
  readWal,
  recoverWal,
  unframe,
  type Wal,
} from 'rxwal';
import { fault, memoryStore, powerCuts, type PowerCutTest } from 'rxwal/testing';
import { WORKLOADS } from '../crashStates/workloads';
import { appliesEachOnce } from '../projection/appliesEachOnce';
import { cutsReaders } from '../retention/cutsReaders';
import { keepsReaders } from '../retention/keepsReaders';
import { frameBytes, headerBytes, join, le } from '../support/bytes';
import {
  LOG_ID,
  OTHER_LOG_ID,
  RAW,
  collect,
  filesOf,
  flippedBits,
  segmentBytes,
  segmentFile,
  type FrameSpec,
} from '../support/logs';
import type { Files } from '../support/reference';
import { GROUP_CHECKS } from './groupChecks';
import { TAIL_CHECKS } from './tailChecks';

/**
 * What a log must stand, one thing at a time: each throws where the log does not. They find each of the faults of `faults.ts`, and
 * nothing in the log as it is.
 *
 * @param states for power cuts: distinct states wanted. A broken log is found long before they are through.
 */
export type CheckName = keyof typeof CHECKS;

export const CHECKS = {
  'power cuts: sync': (states) => underPowerCuts('sync', states),
  'power cuts: nosync': (states) => underPowerCuts('nosync', states),
  'power cuts: sync, three lives': (states) => underPowerCuts('sync, three lives', states),
  'power cuts: failed fsyncs': (states) => underPowerCuts('failed fsyncs', states),
  'power cuts: small sectors': (states) => underPowerCuts('small sectors', states),
  'power cuts: groups': (states) => underPowerCuts('groups', states),
  'power cuts: projections': (states) => keeps(appliesEachOnce(14), states),
  'power cuts: a projection without a snapshot': (states) => keeps(appliesEachOnce(30, { slow: 28 }), states),
  'power cuts: readers': (states) => keeps(keepsReaders(), states),
  'power cuts: a cap that cuts': (states) => keeps(cutsReaders(), states),
  'a torn batch does not come back': tornBatch,
  'a read that fails fails the opening': failedRead,
  'a flipped bit is found': flippedBit,
  'a frame of another log is none': otherLog,
  'a length that lies is refused at once': lyingLength,
  'a refusal is heard of': refusalHeard,
  'what a symbolic link leads to is left alone': linkLeftAlone,
  'a record decodes alone': decodesAlone,
  'a second writer is refused': secondWriter,
  ...TAIL_CHECKS,
  ...GROUP_CHECKS,
} satisfies Record<string, (states: number) => void | Promise<void>>;

async function underPowerCuts(name: string, states: number): Promise<void> {
  const workload = WORKLOADS.find((each) => each.name === name);
  assert.ok(workload, `no workload has the name '${name}'`);
  const { test, disk } = workload;
  await powerCuts(test, { disk, states, nested: 1, slow: false });
}

async function keeps<P>(test: PowerCutTest<P>, states: number): Promise<void> {
  await powerCuts(test, { states });
}

async function opened(files: Files): Promise<{ wal: Wal<Uint8Array>; store: ReturnType<typeof memoryStore> }> {
  const store = memoryStore({ files });
  return { wal: await lastValueFrom(recoverWal<Uint8Array>(store, RAW)), store };
}

/** A crash has torn the first records of a batch and kept the others. Then another record takes their place: of them nothing may be left. */
async function tornBatch(): Promise<void> {
  const frames = ['first', 'torn!', 'stale', 'stale'].map((text, index): FrameSpec => ['record', index + 1, text]);
  const torn = segmentBytes(1, frames);
  torn[HEADER_BYTES + 21 + 14]! ^= 1;
  const { wal, store } = await opened(filesOf(torn));
  assert.equal(wal.lastLsn, 1);
  await lastValueFrom(wal.append(Buffer.from('new!!')));
  assert.equal(wal.durableLsn, 2);
  const left = store.snapshot().get(segmentFile(0));
  const mark = 16;
  assert.equal(left?.length, HEADER_BYTES + 21 + mark + 21, 'bytes of the torn tail are still there');
}

async function failedRead(): Promise<void> {
  const files = filesOf(
    segmentBytes(1, [
      ['record', 1, 'one'],
      ['record', 2, 'two'],
    ]),
  );
  const store = memoryStore({
    files,
    plan: ({ kind, bytes = 0 }) =>
      kind === 'read' && bytes !== HEADER_BYTES ? throwError(() => fault('EIO')) : undefined,
  });
  await assert.rejects(lastValueFrom(recoverWal(store, RAW)), WalIoError);
  assert.deepEqual(store.snapshot(), files);
}

/** In a segment that is not the last, everything is known to have been durable. */
async function flippedBit(): Promise<void> {
  const { wal, store } = await opened(new Map());
  for (const text of ['a', 'bc', 'def']) await lastValueFrom(wal.append(Buffer.from(text)));
  await wal.rotate();
  await wal.close();
  const files = store.snapshot();
  for (const { label, bytes } of flippedBits(files.get(segmentFile(0))!)) {
    const changed = memoryStore({ files: new Map([...files, [segmentFile(0), bytes]]) });
    const { error } = collect(readWal(changed, { codec: RAW.codec }));
    assert.ok(error instanceof Error, `${label} is not found`);
  }
}

async function otherLog(): Promise<void> {
  const files = filesOf(
    join(headerBytes({ firstLsn: 1, logId: LOG_ID }), frameBytes('record', 1, 'theirs', OTHER_LOG_ID)),
  );
  const entries = await lastValueFrom(readWal(memoryStore({ files }), { codec: RAW.codec }).pipe(toArray()));
  assert.deepEqual(entries, []);
  const own = filesOf(segmentBytes(1, [['record', 1, 'ours']]));
  const read = await lastValueFrom(readWal(memoryStore({ files: own }), { codec: RAW.codec }).pipe(toArray()));
  assert.equal(read.length, 1, 'a frame of this log is one');
}

/** The head of a frame is enough to refuse it: nothing is gathered for a length that cannot be. */
function lyingLength(): void {
  for (const options of [{ maxRecordBytes: 1000 }, { size: 100_000 }]) {
    const bytes$ = new Subject<Uint8Array>();
    let refusal: unknown;
    bytes$.pipe(unframe(options)).subscribe({
      error: (error: unknown) => {
        refusal = error;
      },
    });
    bytes$.next(join(le(2 ** 30 - 1, 4), le(1, 8)));
    assert.ok(refusal instanceof WalCorruptError, 'a length of a gigabyte is waited for');
  }
}

/** As an unhandled error, where nobody listens. */
async function refusalHeard(): Promise<void> {
  const { wal } = await opened(new Map());
  const heard: unknown[] = [];
  const { onUnhandledError } = config;
  config.onUnhandledError = (error: unknown) => heard.push(error);
  try {
    wal.next('no bytes' as unknown as Uint8Array);
    await setTimeout(0);
    await wal.close();
  } finally {
    config.onUnhandledError = onUnhandledError;
  }
  assert.equal(heard.length, 1, 'nobody has heard of it');
}

async function linkLeftAlone(): Promise<void> {
  const dir = mkdtempSync(path(tmpdir(), 'rxwal-fault-'));
  try {
    writeFileSync(path(dir, 'target'), 'not ours');
    symlinkSync('target', path(dir, 'checkpoint.meta.tmp'));
    await assert.rejects(lastValueFrom(nodeStore(dir).open('checkpoint.meta.tmp', 'create')));
    assert.equal(readFileSync(path(dir, 'target'), 'utf8'), 'not ours');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** A structure that one record brings means nothing in another. */
function decodesAlone(): void {
  const structure = Uint8Array.of(0xd9, 0xdf, 0xff, 0x83, 0x19, 0xe0, 0x00, 0x81, 0x61, 0x61, 0x01);
  assert.throws(() => cborCodec().decode(structure), WalRecordError);
}

async function secondWriter(): Promise<void> {
  const { wal, store } = await opened(new Map());
  await assert.rejects(lastValueFrom(recoverWal(store, RAW)), WalLockedError);
  await wal.close();
}
