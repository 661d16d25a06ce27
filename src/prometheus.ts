import { Subscription } from 'rxjs';
import { logFamily } from './metrics/logFamily';
import type { Registry } from './metrics/prometheusMetrics';
import type { ObservedLog } from './metrics/walMetrics';
import { checkNames } from './options';

export type { ObservedLog } from './metrics/walMetrics';

export interface CollectWalOptions {
  /**
   * Labels of every value: what tells the logs of a registry apart. All logs of a registry have labels of the same names.
   *
   * @default { dir: wal.dir }
   */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /**
   * What the names begin with.
   *
   * @default 'rxwal_'
   */
  readonly prefix?: string | undefined;
}

/** Labels that some of the metrics have of their own. */
const RESERVED = ['durable', 'le', 'state'];

/**
 * Shows a log in a registry of prom-client, until the subscription that it gives is unsubscribed. Numbers are read when the registry is scraped; a commit
 * observes three values, which takes a microsecond. Several logs share the metrics of one registry, by their labels.
 *
 * Counters: `rxwal_appended_records_total`, `acked_records_total`, `rejected_records_total`, `written_bytes_total`, `rotations_total`,
 * `checkpoints_total`. Gauges: `queue_records`, `queue_bytes`, `segments`, `durable_lag_records`, `first_lsn`, `last_lsn`, `durable_lsn`,
 * `recovery_duration_seconds`, `recovery_cut_bytes`, and `state` with the label `state`, 1 for the state the log is in. Histograms:
 * `commit_duration_seconds`, `commit_records`, `commit_bytes`.
 *
 * `rxwal_commit_duration_seconds{durable="true"}` is how long an fsync takes, on every platform and in every mode.
 *
 * It only looks: a failure or a refusal that nobody hears of is still reported as an unhandled error. A log that has ended stays in the registry, with its
 * state, until it is unsubscribed.
 *
 * Needs `prom-client` 15.
 *
 * @example
 * const registry = new Registry();
 * const collecting = collectWal(wal, registry);
 * http.createServer(async (_, response) => response.end(await registry.metrics())).listen(9464);
 * @throws TypeError for an option of the wrong type, an unknown one, a registry that is none, or labels of other names than those of the logs that are there
 *   already; RangeError for labels that another log has, or a name that Prometheus does not take; the error of prom-client where a metric of
 *   somebody else's has the name. Nothing is registered then.
 */
export function collectWal(wal: ObservedLog, registry: Registry, options: CollectWalOptions = {}): Subscription {
  checkNames('options', options, ['labels', 'prefix']);
  if (typeof (registry as Partial<Registry> | undefined)?.registerMetric !== 'function') {
    throw new TypeError('registry must be a Registry of prom-client');
  }
  const { labels = { dir: wal.dir }, prefix = 'rxwal_' } = options;
  if (typeof prefix !== 'string') throw new TypeError(`prefix must be a string, not ${String(prefix)}`);
  if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(prefix)) {
    throw new RangeError(`prefix must be the beginning of a metric's name ([a-zA-Z_:][a-zA-Z0-9_:]*), not '${prefix}'`);
  }
  checkLabels(labels);
  const remove = logFamily(registry, prefix, Object.keys(labels)).add(wal, { ...labels });
  return new Subscription(remove);
}

function checkLabels(labels: object): void {
  if (typeof labels !== 'object' || (labels as object | null) === null) {
    throw new TypeError(`labels must be an object, not ${JSON.stringify(labels)}`);
  }
  for (const [name, value] of Object.entries(labels) as [string, unknown][]) {
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) || name.startsWith('__') || RESERVED.includes(name)) {
      throw new RangeError(
        `labels.${name} is no name for a label: it must match [a-zA-Z_][a-zA-Z0-9_]*, not begin with __, and not be ${RESERVED.join(', ')}`,
      );
    }
    if (typeof value !== 'string') throw new TypeError(`labels.${name} must be a string, not ${typeof value}`);
  }
}
