/** The traced process that writes: `node writeJob.js DIRECTORY`. Its sections are named by {@link writeSection}, and below. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { from, lastValueFrom } from 'rxjs';
import { appendTo, openWal, type Wal } from 'rxwal';
import { beginSection, endSection } from './marks';
import { KINDS, ORDERS, produce, type Kind } from './work';
import { BULK, LOADS, ROTATIONS, recordsOf, writeSection, type Load } from './writeSections';

async function main(dir: string): Promise<void> {
  for (const kind of KINDS) {
    for (const load of LOADS) await write(join(dir, writeSection(kind.name, load)), kind, load);
  }
  await barriers(join(dir, 'barriers'));
}

async function write(dir: string, kind: Kind, load: Load): Promise<void> {
  mkdirSync(dir);
  const wal = await openWal<unknown>(dir, { codec: kind.codec });
  // The first batch of a log has no mark before it.
  await append(wal, kind, load === BULK ? 1 : load, 64);
  beginSection(writeSection(kind.name, load));
  await append(wal, kind, load, recordsOf(load));
  endSection();
  await wal.close();
}

async function append(wal: Wal<unknown>, { make }: Kind, load: Load, records: number): Promise<void> {
  if (load !== BULK) return produce(wal, { producers: load, records, make });
  const values = Array.from({ length: records }, (_, number) => make(number));
  await lastValueFrom(from(values).pipe(appendTo(wal)));
}

/** What is paid once in a while. */
async function barriers(dir: string): Promise<void> {
  mkdirSync(dir);
  const wal = await openWal<unknown>(dir, { codec: ORDERS.codec });
  for (let rotation = 0; rotation < ROTATIONS; rotation += 1) {
    await wal.append(ORDERS.make(rotation));
    beginSection('rotation');
    await wal.rotate();
    endSection();
  }
  await wal.append(ORDERS.make(ROTATIONS));
  beginSection('checkpoint');
  await wal.checkpoint({ lsn: 0 });
  endSection();
  // Removes what the rotations have left.
  beginSection('removal');
  await wal.checkpoint();
  endSection();
  await wal.append(ORDERS.make(ROTATIONS + 1));
  // Zeros that are on their way are no part of a close.
  await pause(100);
  beginSection('close');
  await wal.close();
  endSection();
}

void main(process.argv[2] as string);
