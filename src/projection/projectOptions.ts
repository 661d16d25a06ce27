import { cborCodec } from '../codec/cborCodec';
import { PROJECTION_NAME } from '../format/snapshot';
import { checkCodec, checkNames, checkSignal, integer } from '../options';
import type { ProjectOptions } from './projection';

/** Options of a projection with every default in its place. */
export type CheckedProjectOptions<T, S> = {
  readonly [K in Exclude<keyof ProjectOptions<T, S>, 'signal'>]-?: Exclude<ProjectOptions<T, S>[K], undefined>;
} & Pick<ProjectOptions<T, S>, 'signal'>;

const KNOWN: Readonly<Record<keyof ProjectOptions<unknown, unknown>, true>> = {
  name: true,
  initial: true,
  reduce: true,
  codec: true,
  snapshotEvery: true,
  checkpoint: true,
  version: true,
  after: true,
  signal: true,
};

const DEFAULT_SNAPSHOT_EVERY = 10_000;

/**
 * Fills in the defaults.
 *
 * @throws TypeError or RangeError that names the option and the value.
 */
export function checkProjectOptions<T, S>(options: ProjectOptions<T, S>): CheckedProjectOptions<T, S> {
  checkNames('options', options, Object.keys(KNOWN));
  const { name, reduce, initial, checkpoint = true } = options;
  if (typeof name !== 'string') throw new TypeError(`name must be a string, not ${typeof name}`);
  if (!PROJECTION_NAME.test(name)) {
    throw new RangeError(`name must be 1 to 100 of a-z 0-9 . _ - and begin with a letter or a digit, not '${name}'`);
  }
  if (typeof reduce !== 'function') throw new TypeError(`reduce must be a function, not ${typeof reduce}`);
  if (!('initial' in options)) throw new TypeError('initial must be there: the state before the first record');
  if (typeof checkpoint !== 'boolean')
    throw new TypeError(`checkpoint must be true or false, not ${typeof checkpoint}`);
  return {
    name,
    reduce,
    initial: initial as CheckedProjectOptions<T, S>['initial'],
    checkpoint,
    codec: checkCodec(options.codec ?? cborCodec<S>()),
    snapshotEvery: integer('snapshotEvery', options.snapshotEvery ?? DEFAULT_SNAPSHOT_EVERY, 1),
    version: integer('version', options.version ?? 1, 0),
    after: integer('after', options.after ?? 0, 0),
    signal: checkSignal(options.signal),
  };
}
