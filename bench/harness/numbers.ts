/** Numbers as the tables show them. */

export function whole(value: number | undefined): string {
  return value === undefined ? '–' : Math.round(value).toLocaleString('en');
}

/** Three digits that count. */
export function short(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–';
  if (Math.abs(value) >= 100) return whole(value);
  return String(Number(value.toPrecision(3)));
}

export function ratio(value: number): string {
  if (value >= 10) return value.toFixed(1);
  return value < 0.1 ? String(Number(value.toPrecision(2))) : value.toFixed(2);
}
