import { base64 } from '../toJson';
import { framePayload } from '../format/frame';
import type { Codec, Entry, StoredFrame } from '../types';
import { jsonText } from './jsonText';
import type { EntryShown } from './report';

/** Characters of an entry that are sent to the page. */
const MAX_ENTRY_CHARS = 2000;
/** A payload above this is not decoded for the page, which shows its first bytes. */
const MAX_DECODED_BYTES = 64 * 1024;
/** Bytes that are shown of one that is not decoded. */
const HEAD_BYTES = 96;

/** The newest records of a log, as text. Holds no more than `count` of them, each of bounded size, and makes text of them when it is asked. */
export class NewestEntries {
  #waiting: (() => EntryShown)[] = [];
  #shown: readonly EntryShown[] = [];

  constructor(private readonly count: number) {}

  /** Newest first. */
  get shown(): readonly EntryShown[] {
    if (this.#waiting.length === 0) return this.#shown;
    const newer = this.#waiting.map((show) => show()).reverse();
    this.#waiting = [];
    this.#shown = [...newer, ...this.#shown].slice(0, this.count);
    return this.#shown;
  }

  clear(): void {
    this.#waiting = [];
    this.#shown = [];
  }

  /** A record with its value. Becomes text at once: the value may be large. */
  addEntry({ lsn, value }: Entry<unknown>): void {
    const entry = described(lsn, value);
    this.#add(() => entry);
  }

  /** A record as it stands in a file. Its payload is copied, if it is of a size to be decoded; and decoded, if it is still among the newest. */
  addFrame({ lsn, buffer, start, end }: StoredFrame, codec: Codec<unknown>): void {
    const payload = framePayload(buffer, start, end);
    if (payload.length > MAX_DECODED_BYTES) {
      const text = base64(payload.subarray(0, HEAD_BYTES));
      const size = payload.length.toLocaleString('en-GB');
      const note = `not decoded: a payload of ${size} bytes, of which the first ${HEAD_BYTES} are shown as base64`;
      this.#add(() => ({ lsn, text, note }));
      return;
    }
    const copy = Uint8Array.from(payload);
    this.#add(() => decoded(lsn, copy, codec));
  }

  #add(show: () => EntryShown): void {
    if (this.count === 0) return;
    this.#waiting.push(show);
    if (this.#waiting.length > this.count) this.#waiting.shift();
  }
}

function decoded(lsn: number, payload: Uint8Array, codec: Codec<unknown>): EntryShown {
  try {
    return described(lsn, codec.decode(payload));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const note = `does not decode with this codec, shown as base64: ${why}`.slice(0, MAX_ENTRY_CHARS);
    return { lsn, text: base64(payload).slice(0, MAX_ENTRY_CHARS), note };
  }
}

function described(lsn: number, value: unknown): EntryShown {
  try {
    const { text, cut } = jsonText(value, MAX_ENTRY_CHARS);
    return cut ? { lsn, text, note: 'cut: the value is larger than what is shown here' } : { lsn, text };
  } catch (error) {
    return {
      lsn,
      text: '',
      note: `cannot be shown as JSON: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}
