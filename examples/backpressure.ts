import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { firstValueFrom, from, lastValueFrom, mergeMap, skip } from 'rxjs';
import { openWal, type Wal } from 'rxwal';

interface Reading {
  readonly sensor: string;
  readonly celsius: number;
}

/** A source that could go on for ever, and counts how far it has been read. */
async function* readings(count: number, onRead: (n: number) => void): AsyncGenerator<Reading> {
  for (let n = 1; n <= count; n += 1) {
    onRead(n);
    yield Promise.resolve({ sensor: `s${n % 7}`, celsius: 20 + (n % 5) });
  }
}

/** Bounds what is on its way to the disk. `from(source)` reads ahead all the same: for what fits into memory. */
async function fromObservable(wal: Wal<Reading>, source: AsyncIterable<Reading>): Promise<void> {
  // #region backpressure
  // At most 64 appends on their way at a time: the limits of the log are never reached.
  await lastValueFrom(from(source).pipe(mergeMap((reading) => wal.append(reading), 64)));
  // #endregion backpressure
}

/** For a source of any length. */
async function fromIterable(wal: Wal<Reading>, source: AsyncIterable<Reading>): Promise<void> {
  // #region backpressure-iterable
  for await (const reading of source) {
    wal.next(reading);
    // 64 on their way to the disk are enough: the source is not asked for more before an ack has come.
    if (wal.lastLsn - wal.durableLsn >= 64) await firstValueFrom(wal.durable$.pipe(skip(1)));
  }
  await wal.sync();
  // #endregion backpressure-iterable
}

async function fromStream(wal: Wal<Reading>, source: AsyncIterable<Reading>): Promise<void> {
  // #region backpressure-stream
  // `source` is any stream or async iterable of records. It is read no faster than the disk takes them.
  await pipeline(source, wal.writable({ highWaterMark: 64 }));
  // #endregion backpressure-stream
}

export async function main(dir: string): Promise<void> {
  for (const [name, write] of Object.entries({ fromObservable, fromIterable, fromStream })) {
    const wal = await openWal<Reading>(join(dir, name));
    let mostAhead = 0;
    const source = readings(4_000, (n) => {
      mostAhead = Math.max(mostAhead, n - wal.durableLsn);
    });
    await write(wal, source);
    console.log(`${name}: ${wal.durableLsn} durable, the source was read ${mostAhead} ahead of the disk at most`);
    await wal.close();
  }
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
