import { PrometheusMetrics, type Member, type Registry } from './prometheusMetrics';
import type { ObservedLog } from './walMetrics';

/** The families of each registry, by their prefix. */
const families = new WeakMap<Registry, Map<string, LogFamily>>();

/**
 * The metrics of all logs that share a registry and a prefix: made with the first of them, removed with the last. prom-client takes each name once, so
 * a second log cannot have metrics of its own.
 *
 * @throws TypeError where the logs that are there have labels of other names.
 */
export function logFamily(registry: Registry, prefix: string, labelNames: readonly string[]): LogFamily {
  const ofRegistry = families.get(registry) ?? new Map<string, LogFamily>();
  families.set(registry, ofRegistry);
  const names = [...labelNames].sort();
  const there = ofRegistry.get(prefix);
  if (there === undefined) {
    return new LogFamily(registry, prefix, names, (family) => {
      if (family) ofRegistry.set(prefix, family);
      else ofRegistry.delete(prefix);
    });
  }
  if (there.labelNames.join() !== names.join()) {
    throw new TypeError(
      `labels must have the names that those of the other logs of this registry have (${there.labelNames.join(', ')}), not ${names.join(', ')}`,
    );
  }
  return there;
}

class LogFamily {
  readonly #members = new Set<Member>();
  readonly #metrics: PrometheusMetrics;

  /** @param keep gets the family while it has a log, and nothing when it has none left. */
  constructor(
    registry: Registry,
    prefix: string,
    readonly labelNames: readonly string[],
    private readonly keep: (family: LogFamily | undefined) => void,
  ) {
    this.#metrics = new PrometheusMetrics(registry, prefix, labelNames, this.#members);
  }

  /**
   * @returns what removes the log again.
   * @throws RangeError where another log has these labels; Error where somebody else's metric has the name of one.
   */
  add(wal: ObservedLog, labels: Member['labels']): () => void {
    for (const other of this.#members) {
      if (this.labelNames.every((name) => other.labels[name] === labels[name])) {
        throw new RangeError(
          `labels must tell the logs of a registry apart, and another one has ${JSON.stringify(labels)}`,
        );
      }
    }
    this.#metrics.register();
    this.keep(this);
    const member: Member = { wal, labels, writtenBytes: 0 };
    this.#members.add(member);
    const end = this.#metrics.observe(member);
    return () => {
      end();
      this.#members.delete(member);
      if (this.#members.size > 0) return;
      this.#metrics.remove();
      this.keep(undefined);
    };
  }
}
