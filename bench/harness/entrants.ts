/** Who takes part, and in what. */
import type { Contender } from '../contender';
import { REGIMES } from '../regimes/all';
import type { Regime } from '../regimes/regime';
import { contenderFiles, loadContender } from './contenderFiles';
import { isLimited } from './limited';

export interface Entrant {
  /** The contender's file, without its ending. */
  readonly file: string;
  readonly contender: Contender;
}

/** All contenders that can be loaded; of the others, a line for each. */
export async function loadEntrants(): Promise<{ entrants: Entrant[]; missing: string[] }> {
  const entrants: Entrant[] = [];
  const missing: string[] = [];
  for (const file of contenderFiles()) {
    try {
      entrants.push({ file, contender: await loadContender(file) });
    } catch (error) {
      missing.push(`${file} cannot be loaded: ${(error as Error).message.split('\n')[0] ?? ''}`);
    }
  }
  return { entrants, missing };
}

/** @throws RangeError for a name that none of them has. */
export function chooseRegimes(names: readonly string[] | undefined): readonly Regime[] {
  if (names === undefined) return REGIMES;
  return names.map((name) => {
    const regime = REGIMES.find((each) => each.name === name);
    if (regime === undefined)
      throw new RangeError(`${name} is no regime: ${REGIMES.map((each) => each.name).join(' | ')}`);
    return regime;
  });
}

/** @throws RangeError for a name that none of them has. */
export function checkNames(names: readonly string[], entrants: readonly Entrant[]): void {
  for (const name of names) {
    if (!entrants.some(({ file, contender }) => name === file || name === contender.name)) {
      throw new RangeError(`${name} is no contender: ${entrants.map(({ contender }) => contender.name).join(' | ')}`);
    }
  }
}

/** In the order of the rounds: the references and rxwal side by side, the others behind them. */
export function takingPart(
  regime: Regime,
  entrants: readonly Entrant[],
  wanted: readonly string[] | undefined,
): Entrant[] {
  const rank = ({ contender }: Entrant): number => {
    const reference = regime.references.indexOf(contender.name);
    if (reference >= 0) return reference;
    return regime.references.length + (contender.kind === 'rxwal' ? 0 : 1);
  };
  return entrants
    .filter(({ file, contender }) => {
      if (regime.only?.includes(contender.name) === false) return false;
      if (isLimited(contender) && !contender.regimes.includes(regime.name)) return false;
      const needed = regime.only !== undefined || regime.references.includes(contender.name);
      return needed || wanted === undefined || wanted.includes(contender.name) || wanted.includes(file);
    })
    .toSorted((a, b) => rank(a) - rank(b));
}
