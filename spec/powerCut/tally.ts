import type { Finding } from './check';

/** What was met on one file system. */
export class Tally {
  /** Power cuts behind which something was not as it must be, and promises broken without one. */
  violations = 0;
  powerCuts = 0;
  #tornTails = 0;
  #runs = 0;
  #acknowledged = 0;
  /** How often a failed write or flush stopped the log, which was then opened again in the same mount, or kept it from opening. */
  #failures = 0;
  /** Power cuts that lost or tore at least one write. */
  #lossy = 0;
  /** Power cuts that came after such a failure, in the same mount. */
  #behindFailures = 0;
  /** Power cuts behind which the file system cannot be mounted: nothing that a log could mend. */
  unmountable = 0;
  #why: string | undefined;
  readonly #states = new Set<string>();

  addRun(acknowledged: number, failures: number): void {
    this.#runs += 1;
    this.#acknowledged += acknowledged;
    this.#failures += failures;
  }

  /** @param finding a text where the file system could not be mounted: why. */
  addCut(finding: Finding | string, isLossy: boolean, isBehindFailure: boolean): void {
    if (typeof finding === 'string') {
      this.unmountable += 1;
      this.#why ??= finding.split('\n')[0];
      return;
    }
    this.powerCuts += 1;
    this.#states.add(finding.hash);
    if (isLossy) this.#lossy += 1;
    if (isBehindFailure) this.#behindFailures += 1;
    if ((finding.recovery?.bytesCut ?? 0) > 0) this.#tornTails += 1;
    if (finding.violations.length > 0) this.violations += 1;
  }

  get summary(): string {
    return (
      `${this.powerCuts} power cuts, ${this.#states.size} distinct states, ${this.#tornTails} torn tails, ` +
      `${this.violations} violations`
    );
  }

  get details(): string {
    const unmountable =
      this.unmountable > 0 ? `; ${this.unmountable} more that the file system did not survive (${this.#why})` : '';
    return (
      `${this.#runs} ${this.#runs === 1 ? 'run' : 'runs'}, ${this.#acknowledged} records acknowledged; ${this.#lossy} power cuts lost or tore a write; ` +
      `${this.#failures} times stopped, or kept from opening, by a failed write or flush, ${this.#behindFailures} power cuts ` +
      'behind that' +
      unmountable
    );
  }
}
