import { constants, existsSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender } from '../contender';
import { IdealLog } from '../harness/idealLog';
import { openZeroFilled } from '../harness/zeroFilled';

const ideal: Contender = {
  name: 'ideal',
  kind: 'ideal',
  how: 'no RxJS: encodes into an arena, CRC-32, one O_DSYNC write into zero-filled space at a time, a promise a record',
  open: (dir) => {
    const file = join(dir, 'log');
    const writtenBytes = existsSync(file) ? statSync(file).size : 0;
    const descriptor =
      writtenBytes > 0 ? openSync(file, constants.O_RDWR | constants.O_DSYNC) : openZeroFilled(dir, true);
    return Promise.resolve(new IdealLog(descriptor, file, writtenBytes));
  },
};

export default ideal;
