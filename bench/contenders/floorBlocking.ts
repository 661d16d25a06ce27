import { closeSync, writeSync } from 'node:fs';
import type { Contender } from '../contender';
import { preframed } from '../harness/preframed';
import { openZeroFilled, SPACE_BYTES } from '../harness/zeroFilled';

const floorBlocking: Contender = {
  name: 'floor, blocking',
  kind: 'floor',
  how: 'as floor, with calls that stop the event loop: no trip through the thread pool',
  open: (dir) => {
    const descriptor = openZeroFilled(dir, true);
    let at = 0;
    const session = preframed(
      (slab, bytes, done) => {
        if (at + bytes > SPACE_BYTES) at = 0;
        writeSync(descriptor, slab, 0, bytes, at);
        at += bytes;
        done(null);
      },
      () => closeSync(descriptor),
      1,
      setImmediate,
    );
    return Promise.resolve(session);
  },
};

export default floorBlocking;
