import type { Files, ReferenceRecord } from '../support/reference';
import { unionOf, type CorpusEntry } from './corpus';
import { mutate } from './mutate';
import { oddContent, oddName, segmentNameNear } from './names';
import { Random } from './random';
import { structuredFiles } from './structured';

export type Codecs = 'raw' | 'cbor';

export type Origin = 'random' | 'structured' | 'mutated' | 'corpus';

/** A directory to be opened, and where it came from. */
export interface Input {
  readonly origin: Origin;
  readonly files: Files;
  /** The codec it is opened with; read it is with both. */
  readonly codec: Codecs;
  /** Every record that the logs it was made from held: no reader may give another. Absent where it was not made from a log, or with forged checksums. */
  readonly truth: readonly ReferenceRecord[] | undefined;
  /** The entries of the corpus behind that. */
  readonly madeFrom: readonly string[];
}

/** Only what was written as a log is mutated: an offender that is kept changes no other input. */
function isLog({ name }: CorpusEntry): boolean {
  return name.startsWith('log-');
}

/** Input `number` of a seed: a pure function of the two, and of the logs in the corpus. */
export function inputOf(seed: number, number: number, corpus: readonly CorpusEntry[]): Input {
  const random = new Random(seed, number);
  const kind = random.below(20);
  const codec = random.pick<Codecs>(['raw', 'cbor']);
  if (kind === 0) return { origin: 'random', codec, files: randomFiles(random), truth: undefined, madeFrom: [] };
  if (kind < 10) return { origin: 'structured', codec, files: structuredFiles(random), truth: undefined, madeFrom: [] };
  const { files, forged, parents } = mutate(random, corpus.filter(isLog));
  const truth = forged ? undefined : unionOf(parents.map((parent) => parent.truth));
  return { origin: 'mutated', codec, files, truth, madeFrom: truth ? parents.map(({ name }) => name) : [] };
}

/** Names of a log over bytes of no meaning. */
function randomFiles(random: Random): Files {
  const files = new Map<string, Uint8Array>();
  for (let count = random.below(5); count > 0; count -= 1) {
    const name = random.pick([
      () => segmentNameNear(random, random.below(3)),
      () => 'checkpoint.meta',
      () => oddName(random),
    ])();
    files.set(
      name,
      random.pick([
        () => random.bytes(random.spread(400)),
        () => new Uint8Array(random.spread(400)),
        () => oddContent(random),
      ])(),
    );
  }
  return files;
}
