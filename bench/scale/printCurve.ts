/** Prints a curve: its points, and for each series the exponent, what it must be, and whether it is. */
import Table from 'cli-table3';
import type { Fit } from '../harness/fit';
import type { Curve, Samples } from './curve';
import { judge } from './must';
import { shown } from './shown';

/** @returns whether nothing is known to be worse than it must be. */
export function printCurve({ name, what, x, series }: Curve, samples: Samples): boolean {
  console.log(`\n${name}: ${what}`);
  const measured = series.filter((one) => samples.medians(one).length > 0);
  const [first] = measured;
  if (!first) {
    console.log('nothing was measured');
    return true;
  }
  const points = new Table({
    head: [x, ...measured.map((one) => `${one.name.replaceAll(', ', '\n')}\n${one.unit}`)],
    style: { head: [], border: [], compact: true },
  });
  const columns = measured.map((one) => samples.medians(one));
  for (const at of new Set(columns.flat().map((point) => point.x))) {
    points.push([shown(at), ...columns.map((column) => shown(column.find((point) => point.x === at)?.y))]);
  }
  console.log(points.toString());

  const fits = new Table({
    head: ['series', 'exponent', 'R²', 'upper half', 'must be', 'at most', 'is it'],
    style: { head: [], border: [], compact: true },
  });
  let holds = true;
  for (const one of measured) {
    const { all, upper, verdict } = judge(samples.all(one), one.must);
    fits.push([
      one.name,
      exponent(all),
      Number.isFinite(all.rSquared) ? all.rSquared.toFixed(3) : '-',
      exponent(upper),
      one.must.words,
      one.must.maxExponent.toFixed(2),
      verdict,
    ]);
    if (verdict === 'NO') holds = false;
  }
  console.log(fits.toString());
  return holds;
}

function exponent({ slope, standardError }: Fit): string {
  return `${slope.toFixed(3)} ± ${Number.isFinite(standardError) ? standardError.toFixed(3) : '?'}`;
}
