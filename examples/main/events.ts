import { closeSync, createReadStream, createWriteStream, openSync, readSync, statSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { StringDecoder } from 'node:string_decoder';
import { cborCodec } from 'rxwal';
import { UserError } from './settings';

const CHUNK_BYTES = 64 * 1024;
/** What a log takes by default (`maxRecordBytes`). */
const MAX_RECORD_BYTES = 16 * 1024 * 1024;

/** One event of the input. The events are numbered from 1, as the log numbers its records. */
export interface InputEvent {
  /** The line it stands on; empty lines count here, and are no events. */
  readonly line: number;
  readonly value: unknown;
}

/**
 * The events of an NDJSON file behind the first `after`, in constant memory.
 *
 * It blocks for a chunk at a time, so that it can be read in step with a log, which is pushed: see `verify`.
 *
 * @throws UserError for a line that is no JSON.
 */
export function* readEvents(path: string, after = 0): Generator<InputEvent> {
  let line = 0;
  let number = 0;
  for (const text of readLines(path)) {
    line += 1;
    if (text.trim() === '') continue;
    number += 1;
    if (number > after) yield { line, value: parse(text, line) };
  }
}

/**
 * Reads the input once before anything is written, so that a bad line is found before and not in the middle.
 *
 * @throws UserError for an input that cannot be read, has no events, or a line that cannot be logged.
 */
export function inspectEvents(path: string): { readonly events: number; readonly bytes: number } {
  const codec = cborCodec();
  let events = 0;
  let bytes = 0;
  try {
    for (const { line, value } of readEvents(path)) {
      const record = encode(codec, value, line);
      if (record.length > MAX_RECORD_BYTES) {
        throw new UserError(
          `line ${line}: the event takes ${record.length} bytes, a record ${MAX_RECORD_BYTES} at most`,
        );
      }
      if (!isSame(codec.decode(record), value)) {
        throw new UserError(
          `line ${line}: CBOR does not keep this event (half a surrogate pair, or a key '__proto__')`,
        );
      }
      events += 1;
      bytes += record.length;
    }
  } catch (error) {
    throw error instanceof UserError ? error : new UserError(`cannot read ${path}: ${(error as Error).message}`);
  }
  if (events === 0) throw new UserError(`${path} holds no events`);
  return { events, bytes };
}

/**
 * A file that can be read more than once: each writer begins where the last one stopped. Stdin, or a pipe, is copied to `copy` first.
 *
 * @throws UserError for an input that cannot be read.
 */
export async function rereadable(input: string, copy: string): Promise<string> {
  try {
    if (input !== '-' && statSync(input).isFile()) return input;
    await pipeline(input === '-' ? process.stdin : createReadStream(input), createWriteStream(copy));
    return copy;
  } catch (error) {
    throw new UserError(`cannot read ${input}: ${(error as Error).message}`);
  }
}

/** Whether two values are the same JSON. */
export function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function* readLines(path: string): Generator<string> {
  const file = openSync(path, 'r');
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    const decoder = new StringDecoder('utf8');
    let rest = '';
    for (let bytes = readSync(file, chunk); bytes > 0; bytes = readSync(file, chunk)) {
      const [end = '', ...others] = decoder.write(chunk.subarray(0, bytes)).split('\n');
      rest += end;
      for (const next of others) {
        yield rest;
        rest = next;
      }
    }
    rest += decoder.end();
    if (rest !== '') yield rest;
  } finally {
    closeSync(file);
  }
}

function parse(text: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`line ${line} is no JSON: ${(error as Error).message}`);
  }
}

function encode(codec: ReturnType<typeof cborCodec>, value: unknown, line: number): Uint8Array {
  try {
    return codec.encode(value);
  } catch (error) {
    throw new UserError(`line ${line}: ${(error as Error).message}`);
  }
}
