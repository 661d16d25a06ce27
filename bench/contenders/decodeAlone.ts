import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode, encode, framesOf, payloads } from '../harness/frames';
import type { Limited } from '../harness/limited';
import { FRAMES_FILE, readOnly } from '../harness/readOnly';

const decodeAlone: Limited = {
  name: 'decode alone',
  kind: 'ideal',
  how: 'cbor-x decodes payloads that are in memory already, checked, each a view made beforehand: no file, no checksum',
  regimes: ['replay'],
  open: (dir) => {
    const file = join(dir, FRAMES_FILE);
    const ready = existsSync(file) ? [...payloads(readFileSync(file))] : [];
    return Promise.resolve(
      readOnly(
        dir,
        (order) => framesOf([encode(order)]),
        (take) => {
          for (const payload of ready) take(decode(payload));
          return Promise.resolve();
        },
      ),
    );
  },
};

export default decodeAlone;
