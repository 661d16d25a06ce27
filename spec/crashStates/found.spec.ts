import assert from 'node:assert/strict';
import { VirtualTimeScheduler } from 'rxjs';
import { recoverWal, type Wal, type WalOptions } from 'rxwal';
import { fault, powerCuts, seededRandom, simulatedDisk, type SimulatedDisk } from 'rxwal/testing';
import { RAW, collect, filesOf, segmentBytes } from '../support/logs';

/** What enumerating crash states has found in the log, each in its smallest form. */

const FILES = filesOf(segmentBytes(1, []));

function open(disk: SimulatedDisk, options: WalOptions<Uint8Array> = {}): Wal<Uint8Array> {
  const { values, error } = collect(recoverWal<Uint8Array>(disk, { ...RAW, ...options }));
  if (!values[0]) throw error as Error;
  return values[0];
}

function firstBytes(wal: Wal<Uint8Array>): (number | undefined)[] {
  const { values, error } = collect(wal.read());
  if (error !== undefined) throw error as Error;
  return values.map(({ value }) => value[0]);
}

describe('a new segment whose header has not reached the disk', () => {
  it('is made again, also where the disk shows an old segment’s header in its place', async () => {
    await powerCuts<number>(
      {
        async use(disk, promise) {
          const wal = open(disk);
          wal.acks$.subscribe(({ lsn }) => {
            promise(lsn);
          });
          wal.next(Uint8Array.of(1));
          await wal.rotate();
          wal.next(Uint8Array.of(2));
          await wal.close();
        },
        check(disk, promises) {
          const read = firstBytes(open(disk));
          assert.deepEqual(read, [1, 2].slice(0, read.length));
          assert.ok(read.length >= promises.length, 'a record is lost');
        },
      },
      { states: 100, nested: 0, slow: false, disk: { files: FILES } },
    );
  });
});

describe('a checkpoint whose name has not reached the disk', () => {
  it('removes no segment when the log is opened again, before it has', async () => {
    await powerCuts<number>(
      {
        async use(disk, promise) {
          const wal = open(disk);
          for (let lsn = 1; lsn <= 3; lsn += 1) {
            await wal.append(Uint8Array.of(lsn));
            promise(lsn);
            await wal.rotate();
          }
          // The rename of checkpoint.meta has happened; the fsync of the directory behind it fails. The log goes on, and closes cleanly.
          let renamed = false;
          disk.fail = ({ kind }) => {
            renamed ||= kind === 'rename';
            return renamed && kind === 'syncDir' ? fault('EIO') : undefined;
          };
          await wal.checkpoint({ lsn: 2 }).catch(() => undefined);
          disk.fail = undefined;
          await wal.close();
          await open(disk).close();
        },
        check(disk, promises) {
          const wal = open(disk);
          const read = firstBytes(wal);
          const { length } = read;
          assert.ok(wal.lastLsn >= promises.length, 'a record is lost');
          assert.deepEqual(read, [1, 2, 3].slice(wal.firstLsn - 1, wal.firstLsn - 1 + length));
        },
      },
      { states: 100, nested: 0, slow: false, disk: { files: FILES, stale: false } },
    );
  });
});

describe('a record that an opening has cut', () => {
  // On one that shows old blocks (ext2, ext4 with data=writeback) it can: nothing in its frame says which opening it belongs to.
  it('does not come back, and is no damage, on a disk that shows no old blocks', () => {
    const pairs: WalOptions<Uint8Array> = { durability: { mode: 'batch', maxRecords: 2, maxDelayMs: 1000 } };
    // A header has 32 bytes, a frame 16 and its payload, and the first batch of a life begins with a mark of 16: LSN 2 fills a sector
    // with that mark, and LSN 3 has a sector for itself.
    const record = (lsn: number, life: number): Uint8Array => new Uint8Array([448, 480, 496][lsn - 1]!).fill(life);

    /** A log with LSN 1; twice then the power goes while a batch of two is written. What the next opening shows. */
    const shown = (seed: number): string => {
      const random = seededRandom(seed);
      const disk = simulatedDisk({ files: FILES, stale: false });
      const clock = new VirtualTimeScheduler();
      open(disk, { scheduler: clock }).next(record(1, 1));
      clock.flush();
      disk.kill();
      for (const life of [2, 3]) {
        const wal = open(disk, pairs);
        disk.fail = ({ kind }) => {
          if (kind === 'sync') disk.losePower(random);
          return undefined;
        };
        wal.next(record(wal.lastLsn + 1, life));
        wal.next(record(wal.lastLsn + 1, life));
        disk.fail = undefined;
        const { values, error } = collect(recoverWal<Uint8Array>(disk, { ...RAW, ...pairs }));
        if (!values[0]) return String(error);
        const read = firstBytes(values[0]);
        if (read.length > 1 || life === 3) return read.join();
        disk.kill();
      }
      return '';
    };
    const seen = new Set(Array.from({ length: 600 }, (_, seed) => shown(seed)));
    // What the last life had appended, or its first part, or nothing: what the second life had appended was gone when the third began.
    expect([...seen].sort()).toEqual(['1', '1,2', '1,2,2', '1,3', '1,3,3']);
  });
});
