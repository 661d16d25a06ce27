import { TRUTH, buildLog } from '../support/logs';
import { complaintsOfOpening, complaintsOfReading } from '../support/trials';
import { readCorpus } from './corpus';
import { inputOf, type Codecs, type Input } from './inputs';
import { trySalvage } from './salvageTrial';
import { Tally } from './tally';
import { tryInput } from './trial';

const SEED = 20_260_101;
const INPUTS = 10_000;

const corpus = readCorpus();

// Most inputs end in errors, whose stacks nobody looks at: they cost more than the rest.
const { stackTraceLimit } = Error;
beforeAll(() => {
  Error.stackTraceLimit = 0;
});
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit;
});

describe('hostile input', () => {
  it(`${INPUTS} inputs of one seed`, async () => {
    const tally = new Tally();
    const violations: string[] = [];
    for (let number = 0; number < INPUTS; number += 1) {
      const input = inputOf(SEED, number, corpus);
      const trial = tryInput(input);
      const salvage = await trySalvage(input);
      tally.count(input.origin, trial, salvage);
      violations.push(
        ...[...trial.complaints, ...salvage.complaints].map((complaint) => `${SEED}:${number}: ${complaint}`),
      );
    }
    expect(violations).toEqual([]);
    // Inputs that are all refused, or all fine, would try nothing.
    expect(tally.outcomes.get('opened')).toBeGreaterThan(INPUTS / 10);
    expect(tally.outcomes.get('WAL_CORRUPT')).toBeGreaterThan(INPUTS / 10);
    expect(tally.outcomes.get('WAL_VERSION')).toBeGreaterThan(0);
    expect(tally.records).toBeGreaterThan(INPUTS);
    expect(tally.salvaged).toBeGreaterThan(INPUTS / 10);
  });

  it('an input is a pure function of its seed and number', () => {
    for (let number = 0; number < 200; number += 1) {
      expect(inputOf(SEED, number, corpus)).toEqual(inputOf(SEED, number, corpus));
    }
    expect(inputOf(SEED, 1, corpus)).not.toEqual(inputOf(SEED + 1, 1, corpus));
  });
});

describe('the corpus', () => {
  const cases = corpus.flatMap((entry) =>
    (['raw', 'cbor'] as const).map((codec): [string, Codecs, typeof entry] => [entry.name, codec, entry]),
  );

  it.each(cases)('%s, %s', async (_name, codec, { files, truth }) => {
    const input: Input = { origin: 'corpus', codec, files, truth, madeFrom: [] };
    expect(tryInput(input).complaints).toEqual([]);
    expect((await trySalvage(input)).complaints).toEqual([]);
  });

  it.each(corpus.filter(({ name }) => name.startsWith('log-')).map((entry) => [entry.name, entry] as const))(
    '%s is a log that opens, as the reference reader says',
    (_name, { files, truth }) => {
      expect(complaintsOfOpening(files)).toEqual([]);
      expect(complaintsOfReading(files, truth ?? [])).toEqual([]);
      expect(tryInput({ origin: 'corpus', codec: 'raw', files, truth, madeFrom: [] }).outcome).toBe('opened');
    },
  );

  it('holds the log that the log itself writes today', async () => {
    const closed = corpus.find(({ name }) => name === 'log-today');
    expect(closed?.files).toEqual(await buildLog('closed'));
    expect(closed?.truth).toEqual(TRUTH);
  });
});
