const UNITS = ['KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `1,234 bytes`, or from 10 KiB on `12.1 KiB`. */
export function bytesText(bytes: number): string {
  if (bytes < 10 * 1024) return `${countText(bytes)} ${bytes === 1 ? 'byte' : 'bytes'}`;
  let value = bytes;
  let unit = '';
  for (const next of UNITS) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${value.toFixed(1)} ${unit}`;
}

/** `1,234` */
export function countText(count: number): string {
  return count.toLocaleString('en-GB');
}

/** `1 record`, `2 records` */
export function plural(count: number, word: string): string {
  return `${countText(count)} ${word}${count === 1 ? '' : 's'}`;
}

/** `LSN 3-8`, `LSN 3`, `no records` */
export function rangeText(firstLsn: number, lastLsn: number): string {
  if (lastLsn < firstLsn) return 'no records';
  return firstLsn === lastLsn ? `LSN ${firstLsn}` : `LSN ${firstLsn}-${lastLsn}`;
}
