import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { encode, framesOf, payloads } from '../harness/frames';
import type { Limited } from '../harness/limited';
import { FRAMES_FILE, readOnly } from '../harness/readOnly';

const BLOCK_BYTES = 1024 * 1024;

const readAndCrc: Limited = {
  name: 'read + one crc',
  kind: 'floor',
  how: 'reads the file in blocks of 1 MiB into one buffer, one zlib.crc32 over all: does not know where a record begins',
  regimes: ['replay-raw'],
  open: (dir) => {
    const path = join(dir, FRAMES_FILE);
    let records: number | undefined;
    let first: number | undefined;
    return Promise.resolve(
      readOnly(
        dir,
        (order) => framesOf([encode(order)]),
        async () => {
          const { crc, bytes } = await crcOf(path);
          first ??= crc;
          if (crc !== first) throw new Error('the file reads differently the second time');
          records ??= await count(path, bytes);
          return records;
        },
      ),
    );
  },
};

async function crcOf(path: string): Promise<{ crc: number; bytes: number }> {
  const file = await open(path, 'r');
  const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  let crc = 0;
  let bytes = 0;
  for (;;) {
    const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, null);
    if (bytesRead === 0) break;
    crc = crc32(block.subarray(0, bytesRead), crc);
    bytes += bytesRead;
  }
  await file.close();
  return { crc, bytes };
}

/** Once, before the clock starts: so that its figure, too, is in records a second. */
async function count(path: string, bytes: number): Promise<number> {
  const file = await open(path, 'r');
  const whole = Buffer.allocUnsafeSlow(bytes);
  await file.read(whole, 0, bytes, 0);
  await file.close();
  let records = 0;
  for (const _ of payloads(whole)) records += 1;
  return records;
}

export default readAndCrc;
