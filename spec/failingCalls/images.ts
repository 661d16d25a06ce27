import { mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { HEADER_BYTES } from '../../src/format/header';
import { openWal } from '../../src/openWal';
import { rawCodec } from '../../src/codec/rawCodec';
import { segmentName } from '../../src/store/segmentStore';
import { frameBytes } from '../support/bytes';
import type { Settings } from './events';
import { payloadOf } from './payload';
import type { Scene } from './sweep';

const SETTINGS: Settings = { durability: { mode: 'sync' }, preallocateBytes: 0, maxSegmentBytes: 1024 * 1024 };
const MARK_BYTES = 16;
const SEGMENTS = 4;
const RECORDS_EACH = 3;
const LAST_LSN = SEGMENTS * RECORDS_EACH;
const LAST = segmentName(SEGMENTS - 1);

type Files = ReadonlyMap<string, Buffer>;

function filesIn(dir: string): Files {
  return new Map(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name))]));
}

/** A closed log of four segments with three records each, before and after a checkpoint that leaves only the last of them. */
async function makeLog(
  dir: string,
): Promise<{ readonly whole: Files; readonly truncated: Files; readonly logId: Buffer }> {
  const open = (): ReturnType<typeof openWal<Uint8Array>> => openWal(dir, { ...SETTINGS, codec: rawCodec() });
  const wal = await open();
  for (let id = 1; id <= LAST_LSN; id += 1) {
    if (id > 1 && id % RECORDS_EACH === 1) await wal.rotate();
    await lastValueFrom(wal.append(payloadOf(id)));
  }
  await wal.close();
  const whole = filesIn(dir);
  const again = await open();
  await again.checkpoint({ lsn: LAST_LSN - RECORDS_EACH });
  await again.close();
  return { whole, truncated: filesIn(dir), logId: whole.get(LAST)!.subarray(16, 24) };
}

/** A directory of these files, which hold the records from `firstLsn` on; what was before them a checkpoint has removed. */
function laid(files: Files, firstLsn: number): Scene {
  const lay = (dir: string): void => {
    mkdirSync(dir);
    for (const [name, bytes] of files) writeFileSync(join(dir, name), bytes);
  };
  return {
    job: { workload: 'reopen', settings: SETTINGS, firstId: 1000 },
    before: { firstLsn, lastLsn: LAST_LSN, checkpointLsn: firstLsn - 1, lay },
  };
}

type Made = Awaited<ReturnType<typeof makeLog>>;

const FIRST_KEPT = LAST_LSN - RECORDS_EACH + 1;

function tornTail({ whole, logId }: Made): Buffer {
  const last = whole.get(LAST)!;
  const unclosed = last.subarray(0, last.length - MARK_BYTES);
  return Buffer.concat([unclosed, frameBytes('record', LAST_LSN + 1, 'torn', logId).subarray(0, MARK_BYTES + 1)]);
}

/** Directories as a close or a crash leaves them, and so an opening finds them. */
const MAKE = {
  'closed, with a checkpoint': ({ truncated }: Made) => laid(truncated, FIRST_KEPT),
  'closed, four segments': ({ whole }: Made) => laid(whole, 1),
  'a torn tail': (made: Made) => laid(new Map([...made.whole, [LAST, tornTail(made)]]), 1),
  'a crash during a rotation': ({ whole }: Made) =>
    laid(new Map([...whole, [segmentName(SEGMENTS), Buffer.alloc(HEADER_BYTES)]]), 1),
  // Segment 0 stands before a gap, segment 2 below the checkpoint; the last one is to be rewritten.
  'a crash during a truncation, a torn tail, half-made files': (made: Made) =>
    laid(
      new Map([
        ...made.truncated,
        ...[0, 2].map((sequence) => [segmentName(sequence), made.whole.get(segmentName(sequence))!] as const),
        [LAST, tornTail(made)],
        [`${segmentName(SEGMENTS + 5)}.tmp`, made.whole.get(LAST)!],
        ['checkpoint.meta.tmp', Buffer.from('half')],
      ]),
      FIRST_KEPT,
    ),
};

export type ImageName = keyof typeof MAKE;
export const IMAGES = Object.keys(MAKE) as ImageName[];

/** @param dir where the log is made that the image comes from. */
export async function makeImage(name: ImageName, dir: string): Promise<Scene> {
  return MAKE[name](await makeLog(mkdtempSync(join(dir, 'log-'))));
}
