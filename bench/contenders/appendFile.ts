/** `fs.appendFile` on an open file, and `fs.fdatasync`: what is written first in many a program. */
import { appendFile, fdatasync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Contender } from '../contender';
import { byHand } from '../harness/byHand';
import { readJsonLines, toJsonLines } from '../harness/jsonLines';

const sync = promisify(fdatasync);
const append = promisify(appendFile);

const contender: Contender = {
  name: 'fs.appendFile',
  kind: 'peer',
  how: 'lines of JSON, fs.appendFile to an open file, then fdatasync; batched by hand',

  async open(dir) {
    const path = join(dir, 'orders.jsonl');
    const file = await open(path, 'a');
    return {
      ...byHand({
        encode: toJsonLines,
        async write(lines) {
          await append(file.fd, lines);
          await sync(file.fd);
        },
      }),
      replay: (take) => readJsonLines(path, take),
      close: () => file.close(),
    };
  },
};

export default contender;
