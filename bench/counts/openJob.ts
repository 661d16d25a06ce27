/** The traced process that opens logs: `node openJob.js DIRECTORY`. Its sections are named in `openSections.ts`. */
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openWal } from 'rxwal';
import {
  KILLED,
  KILLED_RECORDS,
  LAST_RECORDS,
  SEGMENTS,
  SIZES_FILE,
  isSegment,
  openSection,
  type LastSegment,
  type Sizes,
} from './openSections';
import { beginSection, endSection } from './marks';
import { jobFile } from './tracedJob';
import { ORDERS, produce } from './work';

async function main(dir: string): Promise<void> {
  const sizes: Sizes = {};
  for (const segments of SEGMENTS) {
    const log = join(dir, openSection(segments));
    await prepare(log, segments);
    sizes[openSection(segments)] = await open(log, openSection(segments));
  }
  const log = join(dir, KILLED);
  const { signal, stderr } = spawnSync(process.execPath, [jobFile('crashJob'), log, String(KILLED_RECORDS)]);
  if (signal !== 'SIGKILL') throw new Error(`the log to be left behind was not: ${stderr.toString()}`);
  sizes[KILLED] = await open(log, KILLED);
  writeFileSync(join(dir, SIZES_FILE), JSON.stringify(sizes));
}

/** Closed cleanly, with one record in each segment but the last. */
async function prepare(dir: string, segments: number): Promise<void> {
  const wal = await openWal<unknown>(dir, { codec: ORDERS.codec });
  for (let segment = 1; segment < segments; segment += 1) {
    await wal.append(ORDERS.make(segment));
    await wal.rotate();
  }
  await produce(wal, { producers: 64, records: LAST_RECORDS, make: ORDERS.make });
  await wal.close();
}

async function open(dir: string, section: string): Promise<LastSegment> {
  const last = readdirSync(dir).filter(isSegment).sort().at(-1) as string;
  const file = join(dir, last);
  const bytesBefore = statSync(file).size;
  beginSection(section);
  const wal = await openWal<unknown>(dir, { codec: ORDERS.codec });
  endSection();
  const bytesAfter = statSync(file).size;
  await wal.close();
  return { bytesBefore, bytesAfter };
}

void main(process.argv[2] as string);
