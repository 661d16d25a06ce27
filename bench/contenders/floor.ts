import { closeSync, write } from 'node:fs';
import type { Contender } from '../contender';
import { preframed } from '../harness/preframed';
import { openZeroFilled, SPACE_BYTES } from '../harness/zeroFilled';

const floor: Contender = {
  name: 'floor',
  kind: 'floor',
  how: 'preframed bytes, group commit: one O_DSYNC write into zero-filled space at a time',
  open: (dir) => {
    const descriptor = openZeroFilled(dir, true);
    let at = 0;
    const session = preframed(
      (slab, bytes, done) => {
        if (at + bytes > SPACE_BYTES) at = 0;
        write(descriptor, slab, 0, bytes, at, done);
        at += bytes;
      },
      () => closeSync(descriptor),
    );
    return Promise.resolve(session);
  },
};

export default floor;
