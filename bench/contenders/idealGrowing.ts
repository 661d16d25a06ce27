import { constants, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Limited } from '../harness/limited';
import { IdealLog } from '../harness/idealLog';
import { ZerosAhead } from '../harness/zerosAhead';

/** What a log can be that does not know beforehand how long it will get: what laying zeros costs is the difference to `ideal`. */
const idealGrowing: Limited = {
  name: 'ideal, growing',
  kind: 'ideal',
  how: 'as ideal, but lays its zeros while it writes, as rxwal does',
  regimes: ['1', '64', '1024', '4096', 'bulk'],
  open: (dir) => {
    const file = join(dir, 'log');
    const descriptor = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC);
    return Promise.resolve(new IdealLog(descriptor, file, 0, new ZerosAhead(file)));
  },
};

export default idealGrowing;
