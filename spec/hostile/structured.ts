import { crc32 } from 'node:zlib';
import {
  checkpointCbor,
  frameBytes,
  groupPayload,
  headerBytes,
  join,
  KIND,
  le,
  type HeaderFields,
  type Kind,
} from '../support/bytes';
import { LOG_ID, OTHER_LOG_ID } from '../support/logs';
import { hostileCbor, hostileCheckpoint } from './hostileCbor';
import { oddContent, oddName, segmentNameNear } from './names';
import type { Random } from './random';

/** LSNs at which arithmetic goes wrong. */
const EDGE_LSNS = [
  0,
  1,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 40,
  2 ** 53 - 2,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 63,
];

/** A log written by the format, and lied in: `lies` times in 256 places. */
interface Liar {
  readonly random: Random;
  readonly lies: number;
  readonly logId: Uint8Array;
}

/** A directory by the format: sometimes faultless, mostly with some lies in it. */
export function structuredFiles(random: Random): Map<string, Uint8Array> {
  const liar: Liar = { random, lies: random.pick([0, 2, 8, 40]), logId: LOG_ID };
  const lying = (): boolean => random.chance(liar.lies, 256);
  const files = new Map<string, Uint8Array>();
  const hasCheckpoint = random.chance(1, 3);
  const firstSequence = hasCheckpoint && random.chance(1, 2) ? random.spread(40) : 0;
  let firstLsn =
    firstSequence === 0
      ? 1
      : random.chance(1, 8)
        ? random.pick([2 ** 32 - 2, 2 ** 40, 2 ** 53 - 9])
        : random.between(2, 60);
  const oldestLsn = firstLsn;
  const segments = random.below(5);
  for (let index = 0; index < segments; index += 1) {
    const { bytes, lastLsn } = segment(liar, firstLsn, index === segments - 1);
    files.set(segmentNameNear(random, firstSequence + index), bytes);
    firstLsn = lying() ? random.pick(EDGE_LSNS) : lastLsn + 1;
  }
  if (hasCheckpoint)
    files.set(
      'checkpoint.meta',
      checkpointFile(liar, random.between(Math.max(0, oldestLsn - 1), Math.max(0, firstLsn - 1))),
    );
  if (random.chance(1, 5)) files.set(oddName(random), oddContent(random));
  if (random.chance(1, 12)) files.set(`${segmentNameNear(random, 0)}.tmp`, oddContent(random));
  return files;
}

function segment(
  liar: Liar,
  firstLsn: number,
  isLast: boolean,
): { readonly bytes: Uint8Array; readonly lastLsn: number } {
  const { random } = liar;
  const lying = (): boolean => random.chance(liar.lies, 256);
  const parts: Uint8Array[] = [header(liar, firstLsn)];
  let lastLsn = firstLsn - 1;
  let marked = lastLsn;
  const frames = random.spread(12);
  for (let index = 0; index < frames; index += 1) {
    if (marked < lastLsn && random.chance(1, 2)) {
      parts.push(frame(liar, 'mark', lastLsn, new Uint8Array(0)));
      marked = lastLsn;
    } else if (random.chance(1, 16)) {
      const lsn = Math.max(0, lastLsn - random.below(3));
      parts.push(
        frame(liar, 'checkpoint', lsn, lying() ? hostileCheckpoint(random, lsn) : checkpointCbor({ lsn, epoch: 1 })),
      );
    } else if (random.chance(1, 6)) {
      const records = Array.from({ length: random.between(1, 4) }, () => hostileCbor(random));
      parts.push(frame(liar, 'group', lastLsn + 1, lying() ? oddGroup(random, records) : groupPayload(...records)));
      lastLsn += records.length;
    } else {
      lastLsn += 1;
      parts.push(frame(liar, 'record', lastLsn, hostileCbor(random)));
    }
  }
  if (isLast && random.chance(1, 2)) parts.push(frame(liar, 'mark', lastLsn, new Uint8Array(0)));
  if (isLast && random.chance(1, 3)) parts.push(behind(liar, lastLsn));
  const bytes = join(...parts);
  return { bytes: lying() ? bytes.slice(0, random.below(bytes.length)) : bytes, lastLsn };
}

/** The payload of a group whose records do not fit it, or do by chance. */
function oddGroup(random: Random, records: readonly Uint8Array[]): Uint8Array {
  const payload = groupPayload(...records);
  return random.pick([
    () => groupPayload(),
    () => payload.slice(0, random.below(payload.length)),
    () => join(payload, random.bytes(random.between(1, 9))),
    () => join(le(random.pick([0, records.length + 1, 2 ** 20, 2 ** 32 - 1]), 4), payload.subarray(4)),
    () => join(payload.subarray(0, 4), le(random.pick([0, 1, 2 ** 31, 2 ** 32 - 1]), 4), payload.subarray(8)),
  ])();
}

/** What stands behind the last frame: zeros, half a frame, noise, or what had been there before. */
function behind(liar: Liar, lastLsn: number): Uint8Array {
  const { random, logId } = liar;
  const torn = frameBytes('record', lastLsn + 1, random.bytes(random.below(60)), logId);
  return random.pick([
    () => new Uint8Array(random.spread(600)),
    () => torn.slice(0, random.below(torn.length)),
    () => join(torn.slice(0, random.below(torn.length)), new Uint8Array(random.below(40))),
    () => join(new Uint8Array(random.below(40)), torn),
    () => random.bytes(random.below(60)),
    () =>
      join(random.bytes(random.below(30)), frameBytes('mark', Math.max(0, lastLsn + random.between(-2, 2)), '', logId)),
    () => frameBytes('record', lastLsn + 1, torn, OTHER_LOG_ID),
  ])();
}

function header({ random, lies, logId }: Liar, firstLsn: number): Uint8Array {
  if (!random.chance(lies, 512)) return headerBytes({ firstLsn, logId });
  const wrong: HeaderFields = {
    firstLsn,
    logId,
    ...random.pick<Partial<HeaderFields>>([
      { magic: random.pick(['RXWM', 'rxwl', '\0\0\0\0']) },
      { version: random.pick([0, 2, 3, 255, 65_535]) },
      { flags: random.pick([0, 2, 3, 0x8000]) },
      { reserved: random.pick([1, 2 ** 32 - 1]) },
      { firstLsn: random.pick(EDGE_LSNS) },
      { logId: OTHER_LOG_ID },
      {},
    ]),
  };
  const bytes = headerBytes(wrong);
  if (random.chance(1, 4)) bytes[random.below(32)]! ^= 1 << random.below(8);
  return random.chance(1, 6) ? bytes.slice(0, random.below(33)) : bytes;
}

/** A frame, which may lie in each of its words, with a checksum that is right for the lie, or is not. */
function frame({ random, lies, logId }: Liar, kind: Kind, lsn: number, payload: Uint8Array): Uint8Array {
  if (!random.chance(lies, 256)) return frameBytes(kind, lsn, payload, logId);
  switch (random.below(7)) {
    case 0:
      return frameBytes(kind, random.pick([...EDGE_LSNS, lsn + 1, Math.max(0, lsn - 1), lsn + 2]), payload, logId);
    case 1:
      return frameBytes(random.pick(['record', 'mark', 'checkpoint', 'group']), lsn, payload, logId);
    case 2:
      return withLength(
        kind,
        lsn,
        payload,
        random.pick([0, payload.length + 1, payload.length + 16, 1024, 1025, 2 ** 20, 2 ** 30 - 1]),
        logId,
      );
    case 3: {
      const bytes = frameBytes(kind, lsn, payload, logId);
      bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
      return bytes;
    }
    case 4:
      return frameBytes(kind, lsn, payload, OTHER_LOG_ID);
    case 5: {
      const bytes = frameBytes(kind, lsn, payload, logId);
      return join(bytes, bytes);
    }
    default:
      return new Uint8Array(0);
  }
}

/** A frame that claims another length than it has; sealed over the bytes that are there. */
function withLength(kind: Kind, lsn: number, payload: Uint8Array, claimed: number, logId: Uint8Array): Uint8Array {
  const covered = join(le(claimed + KIND[kind] * 2 ** 30, 4), le(lsn, 8), payload);
  return join(covered, le(crc32(covered, crc32(logId)), 4));
}

function checkpointFile(liar: Liar, lsn: number): Uint8Array {
  const { random, lies, logId } = liar;
  if (!random.chance(lies, 64)) {
    return join(
      headerBytes({ firstLsn: lsn + 1, logId, flags: 0 }),
      frameBytes('checkpoint', lsn, checkpointCbor({ lsn, epoch: random.below(9) }), logId),
    );
  }
  const payload = random.chance(1, 4) ? checkpointCbor({ lsn, epoch: 1 }) : hostileCheckpoint(random, lsn);
  const bytes = join(
    header(liar, random.chance(1, 4) ? lsn + 2 : lsn + 1),
    frame(liar, random.chance(1, 8) ? 'record' : 'checkpoint', lsn, payload),
  );
  return random.chance(1, 8) ? join(bytes, new Uint8Array(random.spread(5000))) : bytes;
}
