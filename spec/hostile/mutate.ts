import { crc32 } from 'node:zlib';
import { fromLe, le } from '../support/bytes';
import { segmentFile } from '../support/logs';
import type { CorpusEntry } from './corpus';
import { oddContent, oddName } from './names';
import type { Random } from './random';

export interface Mutated {
  readonly files: Map<string, Uint8Array>;
  /** Whether a checksum was made right again: then the directory may hold records that nobody ever appended. */
  readonly forged: boolean;
}

/** A directory of the corpus after one to eight harms. */
export function mutate(
  random: Random,
  corpus: readonly CorpusEntry[],
): Mutated & { readonly parents: readonly CorpusEntry[] } {
  const parent = random.pick(corpus);
  const other = random.pick(corpus);
  let files = new Map<string, Uint8Array>(parent.files);
  let forged = false;
  for (let harm = random.between(1, 1 + random.spread(8)); harm > 0; harm -= 1) {
    if (random.chance(1, 5)) {
      files = ofDirectory(random, files, other.files);
      continue;
    }
    const names = [...files.keys()];
    if (names.length === 0) break;
    const name = random.pick(names);
    const bytes = ofBytes(random, files.get(name)!, random.pick([...other.files.values()]));
    const sealed = random.chance(1, 12);
    forged ||= sealed;
    files.set(name, sealed ? resealed(random, bytes) : bytes);
  }
  return { files, forged, parents: [parent, other] };
}

/** One harm to the bytes of a file. */
function ofBytes(random: Random, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  const at = random.below(bytes.length + 1);
  const count = random.spread(64);
  const splice = (removed: number, ...inserted: readonly Uint8Array[]): Uint8Array =>
    Buffer.concat([bytes.subarray(0, at), ...inserted, bytes.subarray(at + removed)]);
  return random.pick([
    () => flipped(random, bytes),
    () => flipped(random, bytes),
    () => bytes.slice(0, at),
    () => splice(0, random.bytes(count)),
    () => splice(count),
    () => splice(count, random.bytes(count)),
    () => splice(count, new Uint8Array(Math.min(count, bytes.length - at))),
    () => splice(0, bytes.subarray(at, at + count)),
    () => splice(0, bytes.subarray(random.below(at + 1), at)),
    () => Buffer.concat([bytes, new Uint8Array(random.spread(300))]),
    () => {
      const from = random.below(other.length + 1);
      return splice(random.pick([0, count]), other.subarray(from, from + random.spread(200)));
    },
    // Cross-over: the head of one, the tail of another.
    () => splice(bytes.length, other.subarray(at)),
    // A number of interest over the ones that are there.
    () =>
      overwritten(
        bytes,
        at,
        random.pick([
          le(0, 4),
          le(2 ** 32 - 1, 4),
          le(2 ** 30, 4),
          le(2 ** 30 - 1, 4),
          le(2 ** 53 - 1, 8),
          le(2 ** 53, 8),
          le(0, 8),
        ]),
      ),
  ])();
}

/** One harm to the names: a file removed, renamed, copied, swapped, exchanged for another log's, or an odd one added. */
function ofDirectory(
  random: Random,
  files: ReadonlyMap<string, Uint8Array>,
  other: ReadonlyMap<string, Uint8Array>,
): Map<string, Uint8Array> {
  const changed = new Map(files);
  const names = [...files.keys()];
  const name = names.length > 0 ? random.pick(names) : '';
  const bytes = files.get(name) ?? new Uint8Array(0);
  const target = random.chance(3, 4)
    ? segmentFile(random.below(6))
    : random.pick([...names, 'checkpoint.meta', oddName(random)]);
  random.pick([
    () => changed.delete(name),
    () => changed.delete(name) && changed.set(target, bytes),
    () => changed.set(target, bytes),
    () => {
      const second = files.get(target);
      if (second) changed.set(name, second).set(target, bytes);
    },
    () => changed.set(name, other.get(name) ?? bytes),
    () => changed.set(oddName(random), oddContent(random)),
    () => changed.set(`${name}.tmp`, bytes.slice(0, random.below(bytes.length + 1))),
    () => changed.set(target, new Uint8Array(random.spread(100))),
  ])();
  return changed;
}

function flipped(random: Random, bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  for (let flips = bytes.length > 0 ? random.between(1, 3) : 0; flips > 0; flips -= 1) {
    changed[random.below(bytes.length)]! ^= 1 << random.below(8);
  }
  return changed;
}

function overwritten(bytes: Uint8Array, at: number, over: readonly number[]): Uint8Array {
  const changed = bytes.slice();
  changed.set(over.slice(0, Math.max(0, bytes.length - at)), at);
  return changed;
}

/** Makes right what is wrong: the checksum of the header, or of the frames, in the file's own words. */
function resealed(random: Random, bytes: Uint8Array): Uint8Array {
  const forged = Uint8Array.from(bytes);
  if (forged.length >= 32 && random.chance(1, 2)) forged.set(le(crc32(forged.subarray(0, 28)), 4), 28);
  const start = crc32(forged.subarray(16, 24));
  for (let at = 32; at + 16 <= forged.length;) {
    const end = at + 16 + (fromLe(forged, at, 4) % 2 ** 30);
    if (end > forged.length) break;
    forged.set(le(crc32(forged.subarray(at, end - 4), start), 4), end - 4);
    at = end;
  }
  return forged;
}
