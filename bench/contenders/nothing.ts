import type { Limited } from '../harness/limited';

/** What a process does by itself while it idles: whatever an idle log does comes on top. */
const nothing: Limited = {
  name: 'nothing',
  kind: 'floor',
  how: 'a process without a log',
  regimes: ['idle'],
  open: () => Promise.resolve({ append: () => Promise.resolve(), close: () => Promise.resolve() }),
};

export default nothing;
