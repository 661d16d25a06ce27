/**
 * The bytes `buffer[start, end)`: a view, and always a bare Uint8Array. `subarray` gives what the buffer is, which takes three times as long for a Buffer,
 * and is anybody's guess for somebody's subclass.
 */
export function bytesBetween(buffer: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset + start, end - start);
}
