/** Straight lines and powers through measured points, by least squares. */
import { linearRegression } from 'simple-statistics';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Fit {
  /** Of a line: y for each x. Of a power: the exponent. */
  readonly slope: number;
  /** Of the slope; `NaN` with fewer than three points. */
  readonly standardError: number;
  /** Share of the variance that the fit explains; `NaN` where there is no variance to explain. */
  readonly rSquared: number;
}

/** The line through the points. */
export function fitLine(points: readonly Point[]): Fit {
  const { m, b } = linearRegression(points.map(({ x, y }) => [x, y]));
  const meanX = mean(points.map(({ x }) => x));
  const meanY = mean(points.map(({ y }) => y));
  const spreadX = sum(points.map(({ x }) => (x - meanX) ** 2));
  const spreadY = sum(points.map(({ y }) => (y - meanY) ** 2));
  const residual = sum(points.map(({ x, y }) => (y - m * x - b) ** 2));
  return {
    slope: m,
    standardError: Math.sqrt(residual / (points.length - 2) / spreadX),
    rSquared: 1 - residual / spreadY,
  };
}

/** The power through the points: the line through their logarithms, so its slope is the exponent. All must be above 0. */
export function fitExponent(points: readonly Point[]): Fit {
  return fitLine(points.map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y) })));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
