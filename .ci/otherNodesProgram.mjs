// What otherNodes.mjs runs on each Node, with the package by import and by require:
//
//   append <dir>          appends, says each ack, and goes on until it is killed
//   check <dir> <acked>   opens what that has left: nothing that was acknowledged may be missing; then uses the rest of the package
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { from, lastValueFrom, map, toArray } from 'rxjs';

const [, , verb, dir, acked] = process.argv;

/** What the record with this LSN must be, also with what needs cbor-x itself: a bigint, a Date, bytes. */
const valueOf = (n) => ({
  n,
  big: 2n ** 60n + BigInt(n),
  at: new Date(n),
  bytes: Uint8Array.of(n % 256),
  text: 'é'.repeat(n % 50),
});

async function append({ openWal }) {
  const wal = await openWal(dir, { maxSegmentBytes: 8192 });
  for (;;) {
    const first = wal.lastLsn + 1;
    const acks = await Promise.all([0, 1, 2, 3].map((more) => wal.append(valueOf(first + more))));
    for (const { lsn, durable } of acks) if (durable) process.stdout.write(`ack ${lsn}\n`);
  }
}

/** Opens, reads, appends by every door, and reads again. @returns how many records the kill had left. */
async function goOn({ openWal, readWal, appendTo, committed }, signal) {
  const wal = await openWal(dir, { maxSegmentBytes: 8192, io: 'thread', signal });
  const found = await lastValueFrom(wal.read().pipe(toArray()));
  assert.ok(found.length >= Number(acked), `${acked} were acknowledged, ${found.length} are there`);
  found.forEach(({ lsn, value }, index) => {
    assert.equal(lsn, index + 1);
    assert.deepEqual(value, valueOf(lsn));
  });
  const next = (more) => valueOf(found.length + more);
  await lastValueFrom(from([next(1), next(2)]).pipe(appendTo(wal)));
  await pipeline(Readable.from([next(3), next(4)]), wal.writable({ signal }));
  wal.next(next(5));
  await wal[Symbol.asyncDispose]();
  const entries = await lastValueFrom(readWal(dir, { signal }).pipe(toArray()));
  assert.deepEqual(entries.at(-1).value, next(5));
  assert.equal(entries.length, found.length + 5);
  const kept = committed({ isCommit: ({ n }) => n % 5 === 0, transactionOf: ({ n }) => n % 5 });
  const fifths = await lastValueFrom(from(entries).pipe(kept, toArray()));
  assert.equal(fifths.length, Math.floor(entries.length / 5));
  return found.length;
}

/** A marble: an ack comes when the write and the fsync have taken their time. */
function marble({ memoryWal, marblePlan, virtualTime }) {
  let checked = false;
  virtualTime(({ hot, expectObservable, flush }) => {
    const { wal } = memoryWal({ plan: marblePlan({ write: '-|', sync: '--|' }) });
    const acks$ = wal.acks$.pipe(map(({ lsn }) => String(lsn)));
    hot('-a-b').subscribe((value) => wal.next(value));
    expectObservable(acks$).toBe('----1--2');
    flush();
    checked = true;
  });
  assert.ok(checked);
}

async function check(log, testing) {
  const { signal } = new globalThis.AbortController();
  const records = await goOn(log, signal);
  await assert.rejects(log.openWal(dir, { signal: globalThis.AbortSignal.abort(new Error('no')) }), /^Error: no$/);
  await lock(log);
  marble(testing);
  console.log(JSON.stringify({ node: process.version, records }));
}

/** A second opening is refused while the first is open, and the lock comes back. */
async function lock({ openWal, WalLockedError }) {
  const wal = await openWal(dir);
  await assert.rejects(openWal(dir), WalLockedError);
  await wal.close();
  await (await openWal(dir)).close();
}

export function program(log, testing) {
  const done = verb === 'append' ? append(log) : check(log, testing);
  done.catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
