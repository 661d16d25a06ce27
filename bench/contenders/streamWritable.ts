/**
 * A `stream.Writable` whose `writev` writes and syncs, as its documentation teaches; the callback of `write` is the ack. Corked for a
 * tick, so that what is appended together is written together.
 */
import { fdatasync, write } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { Contender } from '../contender';
import { byHand } from '../harness/byHand';
import { readJsonLines, toJsonLines } from '../harness/jsonLines';

type Done = (error?: Error | null) => void;

const contender: Contender = {
  name: 'stream.Writable',
  kind: 'peer',
  how: 'lines of JSON, a Writable whose write is fs.write and fdatasync; batched by hand',

  async open(dir) {
    const path = join(dir, 'orders.jsonl');
    const file = await open(path, 'a');
    const stream = new Writable({
      decodeStrings: false,
      write: (lines: string, _encoding, done) => writeAndSync(file.fd, Buffer.from(lines), done),
    });
    return {
      ...byHand({
        encode: toJsonLines,
        write: (lines) =>
          new Promise<void>((resolve, reject) => {
            stream.write(lines, (error) => {
              if (error) reject(error);
              else resolve();
            });
          }),
      }),
      replay: (take) => readJsonLines(path, take),
      async close() {
        await new Promise<void>((resolve) => stream.end(resolve));
        await file.close();
      },
    };
  },
};

function writeAndSync(fd: number, bytes: Uint8Array, done: Done): void {
  write(fd, bytes, (error, bytesWritten) => {
    if (error) done(error);
    else if (bytesWritten < bytes.length) writeAndSync(fd, bytes.subarray(bytesWritten), done);
    else fdatasync(fd, done);
  });
}

export default contender;
