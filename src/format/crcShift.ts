/**
 * What a CRC's register becomes when zeros go through it. That is a linear map of 32 bits for each number of zeros, and so four lookups for
 * its four bytes; twice, for a number is taken apart into what fits into 6 bits and the rest.
 */

/** Bytes of zeros that {@link crcShift} can be asked for: less than this. */
export const MAX_CRC_SHIFT_BYTES = 16_384;

const LOW_BITS = 6;
const LOW_MASK = (1 << LOW_BITS) - 1;

/** A linear map by its 32 columns: what becomes of each bit. */
type Columns = Int32Array;

/** The map of `2 ** index` zero bytes. */
const POWERS: readonly Columns[] = powers();
/** Tables of the maps that were needed so far. */
const low: (Int32Array | undefined)[] = [];
const high: (Int32Array | undefined)[] = [];

/**
 * The register of a CRC-32 after `bytes` zeros.
 *
 * @param register as it stands inside the calculation: the CRC, all bits turned over.
 * @param bytes from 0 to {@link MAX_CRC_SHIFT_BYTES}, and less than that.
 */
export function crcShift(register: number, bytes: number): number {
  const few = bytes & LOW_MASK;
  const many = bytes >>> LOW_BITS;
  const byFew = low[few] ?? (low[few] = tableOf(few));
  const moved = lookUp(byFew, register);
  if (many === 0) return moved;
  const byMany = high[many] ?? (high[many] = tableOf(many << LOW_BITS));
  return lookUp(byMany, moved);
}

function lookUp(table: Int32Array, register: number): number {
  return (
    table[register & 0xff]! ^
    table[256 + ((register >>> 8) & 0xff)]! ^
    table[512 + ((register >>> 16) & 0xff)]! ^
    table[768 + (register >>> 24)]!
  );
}

/** For each byte of a register, and each value of it, what becomes of that. */
function tableOf(bytes: number): Int32Array {
  const table = new Int32Array(1024);
  for (let bit = 0; bit < 32; bit += 1) {
    let column = 1 << bit;
    for (const [index, power] of POWERS.entries()) if ((bytes >>> index) & 1) column = applied(power, column);
    const from = 256 * (bit >>> 3);
    const value = 1 << (bit & 7);
    for (let below = 0; below < value; below += 1) table[from + value + below] = table[from + below]! ^ column;
  }
  return table;
}

function applied(columns: Columns, register: number): number {
  let result = 0;
  for (let bit = 0; bit < 32; bit += 1) if ((register >>> bit) & 1) result ^= columns[bit]!;
  return result;
}

function powers(): Columns[] {
  let columns = Int32Array.from({ length: 32 }, (_, bit) => afterZeroByte(1 << bit));
  const result = [columns];
  for (let bytes = 2; bytes < MAX_CRC_SHIFT_BYTES; bytes *= 2) {
    const half = columns;
    columns = half.map((column) => applied(half, column));
    result.push(columns);
  }
  return result;
}

function afterZeroByte(register: number): number {
  let result = register;
  for (let bit = 0; bit < 8; bit += 1) result = result & 1 ? (result >>> 1) ^ 0xedb8_8320 : result >>> 1;
  return result;
}
