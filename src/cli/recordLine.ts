import { framePayload } from '../format/frame';
import type { StoredFrame } from '../types';
import type { NamedCodec } from './codecOption';
import { base64 } from './jsonValue';

/** A record, read: its value, or why its payload is none. */
export type Decoded =
  | { readonly lsn: number; readonly value: unknown }
  | { readonly lsn: number; readonly undecodable: string; readonly error: string };

export function decode(codec: NamedCodec, { lsn, buffer, start, end }: StoredFrame): Decoded {
  const payload = framePayload(buffer, start, end);
  try {
    return { lsn, value: codec.codec.decode(payload) };
  } catch (error) {
    return { lsn, undecodable: base64(payload), error: error instanceof Error ? error.message : String(error) };
  }
}

/** A record as a line of JSON: with its LSN, or its value alone. */
export function recordLine(codec: NamedCodec, record: Decoded, valueOnly = false): string {
  if (!('value' in record)) return JSON.stringify(record);
  const value = codec.toJson(record.value);
  return JSON.stringify(valueOnly ? value : { lsn: record.lsn, value });
}
