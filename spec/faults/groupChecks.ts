import assert from 'node:assert/strict';
import { lastValueFrom, map, toArray } from 'rxjs';
import { HEADER_BYTES, WalCorruptError, readWal, recoverWal, type Wal } from 'rxwal';
import { memoryStore } from 'rxwal/testing';
import { follow } from '../../src/follow';
import { checkpointCbor, frameBytes, groupPayload, headerBytes, join } from '../support/bytes';
import { LOG_ID, RAW, collect, filesOf, flippedBits, refusalOfFiles, segmentFile } from '../support/logs';
import type { Files } from '../support/reference';

/** What a group must be: there as a whole, or not at all. */
export const GROUP_CHECKS = {
  'a flipped bit of a group takes all of it': flippedBit,
  'a group that does not fit is none': misfit,
  'a group stands where it may': whereItMay,
  'a follower is shown whole groups': followed,
};

const HEADER = headerBytes({ firstLsn: 1, logId: LOG_ID });
const GROUP = groupPayload('one', '', 'three');

/** The newest bytes of a log that was not closed: a crash may have torn them, and then no record of the group is there. */
async function flippedBit(): Promise<void> {
  const store = memoryStore();
  const wal = await lastValueFrom(recoverWal<Uint8Array>(store, RAW));
  await append(wal, 'one', '', 'three');
  const files = store.snapshot();
  assert.deepEqual(shown(files), ['one', '', 'three']);
  for (const { label, bytes } of flippedBits(files.get(segmentFile(0))!)) {
    const { values } = collect(readWal(memoryStore({ files: filesOf(bytes) }), RAW));
    assert.deepEqual(values, [], `${label} is not found`);
  }
}

/** The checksum is right, and a mark proves that it was durable. */
function misfit(): void {
  for (const payload of [join(GROUP, [0]), GROUP.subarray(0, -1), join(GROUP, [0, 0, 0, 0]), groupPayload()]) {
    const files = filesOf(join(HEADER, frameBytes('group', 1, payload, LOG_ID), frameBytes('mark', 3, '', LOG_ID)));
    assert.ok(refusalOfFiles(files) instanceof WalCorruptError, `${Buffer.from(payload).toString('hex')} is a group`);
  }
}

/** Goes on with the log of an earlier rxwal. */
async function whereItMay(): Promise<void> {
  const old = headerBytes({ firstLsn: 1, logId: LOG_ID, flags: 0 });
  const closed = join(old, frameBytes('record', 1, 'old', LOG_ID), frameBytes('mark', 1, '', LOG_ID));
  const store = memoryStore({ files: filesOf(closed) });
  const wal = await lastValueFrom(recoverWal<Uint8Array>(store, RAW));
  await append(wal, 'a', 'b');
  await wal.close();
  assert.deepEqual(shown(store.durableSnapshot()), ['old', 'a', 'b']);
  const allowing = [...store.durableSnapshot().values()].filter((bytes) => bytes[6] === 1);
  assert.equal(allowing.length, 1, 'no segment says that it may hold a group');
  assert.ok(allowing[0]!.length > HEADER_BYTES, 'and that one holds none');
}

/** A checkpoint proves a part of it. */
function followed(): void {
  const files = filesOf(join(HEADER, frameBytes('group', 1, GROUP, LOG_ID), frameBytes('mark', 0, '', LOG_ID))).set(
    'checkpoint.meta',
    join(
      headerBytes({ firstLsn: 2, logId: LOG_ID, flags: 0 }),
      frameBytes('checkpoint', 1, checkpointCbor({ lsn: 1, epoch: 1 }), LOG_ID),
    ),
  );
  const before = collect(follow(memoryStore({ files }), { live: false }));
  assert.deepEqual(before, { values: [], error: undefined, done: true });
  const closed = join(files.get(segmentFile(0))!, frameBytes('mark', 3, '', LOG_ID));
  const proven = memoryStore({ files: new Map(files).set(segmentFile(0), closed) });
  const { values } = collect(follow(proven, { live: false }).pipe(map(({ lsn }) => lsn)));
  assert.deepEqual(values, [1, 2, 3]);
}

function append(wal: Wal<Uint8Array>, ...texts: readonly string[]): Promise<unknown> {
  return lastValueFrom(wal.appendAll(texts.map((text) => Buffer.from(text))));
}

function shown(files: Files): readonly string[] {
  const { values, error } = collect(readWal(memoryStore({ files }), RAW).pipe(toArray()));
  if (error !== undefined) throw error as Error;
  return (values[0] ?? []).map(({ value }) => Buffer.from(value).toString());
}
