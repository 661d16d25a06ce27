import { closeSync, fdatasync, openSync, write } from 'node:fs';
import { join } from 'node:path';
import type { Contender } from '../contender';
import { preframed } from '../harness/preframed';

const floorGrowing: Contender = {
  name: 'floor, growing file',
  kind: 'floor',
  how: 'as floor, on a file that grows: write, then fdatasync',
  open: (dir) => {
    const descriptor = openSync(join(dir, 'log'), 'a');
    const session = preframed(
      (slab, bytes, done) => {
        write(descriptor, slab, 0, bytes, null, (error) =>
          error === null ? fdatasync(descriptor, done) : done(error),
        );
      },
      () => closeSync(descriptor),
    );
    return Promise.resolve(session);
  },
};

export default floorGrowing;
