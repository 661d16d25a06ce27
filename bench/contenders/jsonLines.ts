import { join } from 'node:path';
import type { Limited } from '../harness/limited';
import { readJsonLines, toJsonLines } from '../harness/jsonLines';
import { FRAMES_FILE, readOnly } from '../harness/readOnly';

const jsonLines: Limited = {
  name: 'JSON lines',
  kind: 'floor',
  how: 'reads blocks of 1 MiB, JSON.parse for each line; no checksum',
  regimes: ['replay'],
  open: (dir) =>
    Promise.resolve(
      readOnly(
        dir,
        (order) => Buffer.from(toJsonLines([order])),
        (take) => readJsonLines(join(dir, FRAMES_FILE), take),
      ),
    ),
};

export default jsonLines;
