/** Throughput and latency against the number of producers, as an SVG that can be read on a light page and on a dark one. */
import type { TopLevelSpec } from 'vega-lite';
import type { Comparison } from './comparison';

/** The middle of the road between black and white. */
const INK = '#808080';
/** Lines of the grid: one for each power of ten. */
const DECADES = Array.from({ length: 10 }, (_, exponent) => 10 ** exponent);

interface Point {
  readonly contender: string;
  readonly producers: number;
  readonly value: number;
  readonly low?: number;
  readonly high?: number;
}

/** The SVG, or why there is none: a run that was too noisy to compare is too noisy to draw. */
export async function plot(comparisons: readonly Comparison[]): Promise<string | { readonly refused: string }> {
  const regimes = comparisons.filter(({ producers }) => producers !== undefined);
  if (regimes.length < 2) return { refused: 'it takes the regimes of at least two numbers of producers' };
  const noisy = regimes.find(({ refused }) => refused !== undefined);
  if (noisy !== undefined) return { refused: `${noisy.title}: ${noisy.refused ?? ''}` };

  const throughput = points(regimes, ({ rate }) => rate && { value: rate.median, low: rate.min, high: rate.max });
  const latency = points(regimes, ({ latencyUs }) => latencyUs && { value: latencyUs.p50, high: latencyUs.p99 });
  const names = [...new Set(throughput.map(({ contender }) => contender))];
  const panel = (values: readonly Point[], title: string): object => ({
    width: 380,
    height: 320,
    data: { values },
    encoding: {
      x: {
        field: 'producers',
        type: 'quantitative',
        scale: { type: 'log', base: 4 },
        title: 'producers, each awaiting its ack',
        axis: { values: regimes.map(({ producers }) => producers), format: ',d' },
      },
      y: {
        field: 'value',
        type: 'quantitative',
        scale: { type: 'log' },
        title,
        axis: { values: DECADES, format: '~s' },
      },
      color: { field: 'contender', type: 'nominal', sort: names, scale: { scheme: 'tableau20' }, title: null },
      strokeDash: {
        condition: { test: "indexof(datum.contender, 'floor') === 0 || datum.contender === 'ideal'", value: [4, 3] },
        value: [1, 0],
      },
      strokeWidth: { condition: { test: "datum.contender === 'rxwal'", value: 4 }, value: 1.5 },
    },
    mark: { type: 'line', point: true },
  });
  const spec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: null,
    hconcat: [panel(throughput, 'records a second'), panel(latency, 'append to ack, median, µs')],
    config: {
      view: { stroke: INK },
      axis: { labelColor: INK, titleColor: INK, domainColor: INK, tickColor: INK, gridColor: INK, gridOpacity: 0.25 },
      legend: { labelColor: INK, titleColor: INK },
    },
  };
  // Modules that await at their top level: `require` does not take them.
  const vega = await import('vega');
  const { compile } = await import('vega-lite');
  const view = new vega.View(vega.parse(compile(spec as unknown as TopLevelSpec).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return svg;
}

function points(
  regimes: readonly Comparison[],
  value: (row: Comparison['rows'][number]) => Omit<Point, 'contender' | 'producers'> | undefined,
): Point[] {
  return regimes.flatMap(({ producers = 0, rows }) =>
    rows.flatMap((row) => {
      const found = value(row);
      return found ? [{ contender: row.name, producers, ...found }] : [];
    }),
  );
}
