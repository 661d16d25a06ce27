import { closeSync, write } from 'node:fs';
import type { Contender } from '../contender';
import { preframed } from '../harness/preframed';
import { openZeroFilled, SPACE_BYTES } from '../harness/zeroFilled';

const floorTwoInFlight: Contender = {
  name: 'floor, two in flight',
  kind: 'floor',
  how: 'as floor, with two writes on their way at once (an ack does not say that the records before it are durable)',
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
      2,
    );
    return Promise.resolve(session);
  },
};

export default floorTwoInFlight;
