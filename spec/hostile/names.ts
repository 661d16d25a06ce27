import { LOG_ID, segmentFile } from '../support/logs';
import { headerBytes } from '../support/bytes';
import type { Random } from './random';

/** The names of a log: at least 8 digits, and no further leading zeros. */
const OWN = /^(?:wal_(?:\d{8}|[1-9]\d{8,14})\.log(?:\.tmp)?|checkpoint\.meta(?:\.tmp)?|LOCK)$/;

/** Whether a log may touch a file of this name. All others are foreign. */
export function isOwn(name: string): boolean {
  return OWN.test(name);
}

/** Names that are none of a log's, and look as if they were. */
export const FOREIGN_NAMES: readonly string[] = [
  'wal_1.log',
  'wal_0000001.log',
  'wal_000000001.log',
  'wal_0000000001.log.tmp',
  'wal_00000000.log.bak',
  'wal_00000000.log~',
  'wal_00000000.LOG',
  'WAL_00000000.log',
  'wal_-0000001.log',
  'wal_0000000x.log',
  'wal_٠٠٠٠٠٠٠٠.log',
  'wal_00000000.log\n',
  ' wal_00000000.log',
  'wal_00000000.log.tmp.tmp',
  'wal_1e000000.log',
  'wal_9999999999999999.log',
  'wal_99999999999999999999999999.log',
  'checkpoint.meta.old',
  'Checkpoint.meta',
  'checkpoint.meta.tmp.tmp',
  'LOCK.old',
  'lock',
  '__proto__',
  'constructor',
  'toString',
  'ключ',
  '日誌.log',
  '\u202egol.00000000_law',
  '-rf',
  '$(touch x)',
  'notes.txt',
  '.hidden',
];

/** Names that no directory gives, and a store of one's own might. */
export const IMPOSSIBLE_NAMES: readonly string[] = [
  '../x',
  '..',
  '.',
  '/etc/passwd',
  '../wal_00000000.log',
  'a/wal_00000000.log',
  '',
];

/** A name from anywhere. */
export function oddName(random: Random): string {
  return random.chance(1, 6) ? random.pick(IMPOSSIBLE_NAMES) : random.pick(FOREIGN_NAMES);
}

/** What an odd file holds: nothing, noise, or what a segment begins with. */
export function oddContent(random: Random): Uint8Array {
  return random.pick([
    () => new Uint8Array(0),
    () => random.bytes(random.below(50)),
    () => headerBytes({ firstLsn: random.between(1, 9), logId: LOG_ID }),
  ])();
}

/** A sequence number: mostly the next one, seldom one that leaves a gap, repeats, or is huge. */
export function segmentNameNear(random: Random, sequence: number): string {
  if (random.chance(29, 30)) return segmentFile(sequence);
  return segmentFile(
    random.pick([
      sequence + 1,
      sequence + random.below(5),
      99_999_999,
      100_000_000,
      999_999_999_999_998,
      999_999_999_999_999,
    ]),
  );
}
