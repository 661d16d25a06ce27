import { nameFault } from '../format/readers';

/** @throws TypeError where it is no string, RangeError where it is one that cannot name a reader. */
export function checkReaderName(name: string): void {
  const fault = nameFault(name);
  if (fault === undefined) return;
  if (typeof name !== 'string') throw new TypeError(`name must be ${fault}, not ${String(name)}`);
  const shown = name.length <= 200 ? JSON.stringify(name) : `one of ${name.length}`;
  throw new RangeError(`name must be ${fault}, not ${shown}`);
}
