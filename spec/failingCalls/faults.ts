/** A way in which a call fails, as rules for the shim. */
export interface Fault {
  readonly name: string;
  /** The kinds of calls it is for; see shim.c. */
  readonly kinds: readonly string[];
  readonly rules: (kind: string, n: number) => string;
  /** What must come of it. `effects.ts` knows the effect of one call; where more than one fails, what it does not know is which comes first. */
  readonly leadsTo: 'the effect of that call' | 'a failure' | 'nothing' | 'its end';
  /** Whether one run is enough for all the calls of a kind. */
  readonly once?: boolean;
}

const WRITES = ['write', 'writesync', 'zeros'];
const SYNCS = ['sync', 'syncdir'];
const OPENS = ['create', 'open', 'opendir'];
const NAMES = ['rename', 'unlink'];
const CLOSES = ['close', 'closedir'];
const REST = ['truncate', 'read', 'stat', 'list', 'lock'];
/** Every kind but `mkdir`, of most of whose errors node:fs makes ENOENT or nothing, and `unlock`. */
const ALL = [...WRITES, ...SYNCS, ...OPENS, ...NAMES, ...CLOSES, ...REST];

/** The kinds after which a killed process may leave something that it would not have left before. */
const CHANGES = [...WRITES, ...SYNCS, 'create', 'truncate', ...NAMES];

function once(fault: string, kinds: readonly string[], name = `${fault}, once`): Fault {
  return { name, kinds, rules: (kind, n) => `${kind}:${n}:${fault}`, leadsTo: 'the effect of that call' };
}

function onward(fault: string, kinds: readonly string[]): Fault {
  return { name: `${fault}, from then on`, kinds, rules: (kind, n) => `${kind}:${n}+:${fault}`, leadsTo: 'a failure' };
}

export const FAULTS: readonly Fault[] = [
  once('EIO', ALL),
  once('ENOSPC', [...WRITES, ...SYNCS, 'create', 'rename', 'truncate']),
  once('EDQUOT', [...WRITES, 'sync', 'create']),
  once('EFBIG', WRITES),
  once('EMFILE', [...OPENS, 'list']),
  once('ENFILE', OPENS),
  once('EACCES', [...OPENS, ...NAMES, 'mkdir']),
  once('EROFS', [...OPENS, ...NAMES]),
  once('EINVAL', SYNCS),
  once('ENOLCK', ['lock']),
  once('ENOLCK', ['unlock'], 'ENOLCK where the lock is given back'),
  // Made, and then it is told that it was not.
  once('land+EIO', [...WRITES, ...SYNCS, ...OPENS, ...NAMES, 'truncate']),
  once('short=7+EIO', WRITES),
  // What the log must not notice.
  once('short=7', [...WRITES, 'read']),
  once('EINTR', [...WRITES, ...SYNCS, ...OPENS, ...NAMES, ...CLOSES, ...REST.filter((kind) => kind !== 'lock')]),
  // What libuv does not tell: it goes on after a short write, and where that fails it tells of the short one alone.
  {
    name: 'a short write, then ENOSPC, once',
    kinds: WRITES,
    rules: (kind, n) => `${kind}:${n}:short=7,${kind}:${n + 1}:ENOSPC`,
    leadsTo: 'nothing',
  },
  {
    name: 'a short write, then ENOSPC, from then on',
    kinds: WRITES,
    rules: (kind, n) => `${kind}:${n}:short=7,${kind}:${n + 1}+:ENOSPC`,
    leadsTo: 'a failure',
  },
  onward('EIO', [...WRITES, ...SYNCS]),
  onward('ENOSPC', [...WRITES, 'create']),
  onward('EMFILE', OPENS),
];

export const KILLS: readonly Fault[] = [once('kill', CHANGES), once('short=7+kill', WRITES)].map((fault) => ({
  ...fault,
  leadsTo: 'its end',
}));
