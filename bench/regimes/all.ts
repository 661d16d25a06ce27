/** The regimes, in the order of the tables. */
import { bulk } from './bulk';
import { bulkUnacked } from './bulkUnacked';
import { idle } from './idle';
import { memory } from './memory';
import { open } from './open';
import { openThousand } from './openThousand';
import { producers } from './producers';
import type { Regime } from './regime';
import { replay } from './replay';
import { replayRaw } from './replayRaw';

export const REGIMES: readonly Regime[] = [
  producers(1),
  producers(64),
  producers(1024),
  producers(4096),
  bulk,
  bulkUnacked,
  replay,
  replayRaw,
  open,
  openThousand,
  idle,
  memory,
];
