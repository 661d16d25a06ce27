/*
 * The program of fullDisk.spec.ts. Fills the file system that it is given through a log, until that stops; looks at what is left,
 * on the full disk and after space was freed; says what it saw as one line of JSON.
 */
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { WalError, WalPoisonedError } from '../../src/errors';
import { openWal } from '../../src/openWal';
import type { WalOptions } from '../../src/options';
import { rawCodec } from '../../src/codec/rawCodec';
import { readWal } from '../../src/read';

export interface FillReport {
  /** Bytes of the disk that were free when the log stopped. */
  readonly freeBytes: number;
  readonly diskBytes: number;
  readonly appended: number;
  readonly acked: number;
  /** Acks that came after the stop. */
  readonly late: number;
  readonly states: readonly string[];
  /** How the appends failed that were not acknowledged, each kind once. */
  readonly failures: readonly string[];
  readonly nextAppend: string;
  readonly sync: string;
  readonly close: string;
  /** The LSNs that can be read on the full disk, as `first-last`; `'bad'` where one is out of place or not what was appended. */
  readonly readOnFullDisk: string;
  readonly reopenOnFullDisk: string;
  readonly readAfterReopening: string;
  /** When space has been freed. */
  readonly lastLsnAfterwards: number;
  readonly acksAfterwards: readonly number[];
  readonly readAfterwards: string;
}

const BALLAST_BYTES = 1024 * 1024;
const OUTSTANDING = 16;

/** 1 to 3 KiB that say which record they are. */
function payload(lsn: number): Buffer {
  const bytes = Buffer.alloc(1024 + ((lsn * 7919) % 2048), lsn % 251);
  bytes.writeUInt32LE(lsn);
  return bytes;
}

function describe(error: unknown): string {
  if (error instanceof WalPoisonedError) {
    return `${error.code} ${(error.cause as NodeJS.ErrnoException).code} ${error.outcome}`;
  }
  if (error instanceof WalError) return `${error.code} ${(error.cause as NodeJS.ErrnoException | undefined)?.code}`;
  return String(error);
}

async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(() => 'done', describe);
}

async function readable(dir: string): Promise<string> {
  const entries = await lastValueFrom(readWal(dir, { codec: rawCodec() }).pipe(toArray()));
  const good = entries.every(({ lsn, value }, index) => lsn === index + 1 && payload(lsn).equals(value));
  return good ? `1-${entries.length}` : 'bad';
}

async function main(disk: string, options: WalOptions<Uint8Array>): Promise<void> {
  const ballast = join(disk, 'ballast');
  const dir = join(disk, 'log');
  writeFileSync(ballast, Buffer.alloc(BALLAST_BYTES, 1));
  mkdirSync(dir);
  const settings: WalOptions<Uint8Array> = { ...options, codec: rawCodec() };

  const wal = await openWal(dir, settings);
  const states: string[] = [];
  const failures = new Set<string>();
  let appended = 0;
  let acked = 0;
  let late = 0;
  await new Promise<void>((resolve) => {
    let waiting = 0;
    wal.state$.subscribe((state) => {
      states.push(state);
      if (state === 'poisoned') resolve();
    });
    const fill = (): void => {
      while (waiting < OUTSTANDING && states.at(-1) === 'open') {
        waiting += 1;
        appended += 1;
        wal.append(payload(appended)).subscribe({
          next: ({ lsn }) => {
            if (states.at(-1) !== 'open') late += 1;
            if (lsn === acked + 1) acked = lsn;
            else failures.add(`ack of ${lsn} behind that of ${acked}`);
            waiting -= 1;
            setImmediate(fill);
          },
          error: (error: unknown) => failures.add(describe(error)),
        });
      }
    };
    fill();
  });

  const { bavail, bsize, blocks } = statfsSync(disk);
  const nextAppend = await outcomeOf(lastValueFrom(wal.append(payload(0))));
  const sync = await outcomeOf(wal.sync());
  const readOnFullDisk = await readable(dir);
  const close = await outcomeOf(wal.close());
  const reopenOnFullDisk = await outcomeOf(openWal(dir, settings).then((again) => again.close()));
  const readAfterReopening = await readable(dir);

  rmSync(ballast);
  const again = await openWal(dir, settings);
  const lastLsnAfterwards = again.lastLsn;
  const acksAfterwards: number[] = [];
  for (let n = 1; n <= 5; n += 1) {
    acksAfterwards.push((await lastValueFrom(again.append(payload(lastLsnAfterwards + n)))).lsn);
  }
  await again.close();

  const report: FillReport = {
    freeBytes: bavail * bsize,
    diskBytes: blocks * bsize,
    appended,
    acked,
    late,
    states,
    failures: [...failures].sort(),
    nextAppend,
    sync,
    close,
    readOnFullDisk,
    reopenOnFullDisk,
    readAfterReopening,
    lastLsnAfterwards,
    acksAfterwards,
    readAfterwards: await readable(dir),
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

if (require.main === module) void main(process.argv[2]!, JSON.parse(process.argv[3]!) as WalOptions<Uint8Array>);
