/*
 * A process that writes a log, for tail.spec.ts and others. Obeys the lines of its standard input, and answers each with a line.
 */
import { createInterface } from 'node:readline';
import { firstValueFrom } from 'rxjs';
import { openWal } from '../../src/openWal';
import type { Durability } from '../../src/types';
import type { Wal } from '../../src/wal';

interface Work {
  readonly durability: Durability;
  readonly maxSegmentBytes?: number;
}

/** The value with LSN n is `{ n, text }`. */
async function obey(wal: Wal<unknown>, command: string): Promise<string> {
  const [verb, number] = command.split(' ');
  switch (verb) {
    case 'append': {
      let acked = Promise.resolve<unknown>(undefined);
      for (let count = Number(number); count > 0; count -= 1) {
        const n = wal.lastLsn + 1;
        acked = firstValueFrom(wal.append({ n, text: `record ${n} `.repeat(1 + (n % 5)) }));
      }
      await acked;
      return `acked ${wal.lastLsn}`;
    }
    case 'rotate':
      await wal.rotate();
      return 'rotated';
    case 'checkpoint':
      return `checkpoint ${(await wal.checkpoint({ lsn: Number(number) })).lsn}`;
    case 'close':
      await wal.close();
      return 'closed';
    default:
      return `there is no ${command}`;
  }
}

async function main(dir: string, work: Work): Promise<void> {
  const wal = await openWal<unknown>(dir, work);
  process.stdout.write(`open ${wal.lastLsn}\n`);
  for await (const command of createInterface(process.stdin)) {
    process.stdout.write(`${await obey(wal, command)}\n`);
    if (command === 'close') break;
  }
  // Whoever gave the commands may keep the pipe open.
  process.stdin.destroy();
}

void main(process.argv[2]!, JSON.parse(process.argv[3]!) as Work);
