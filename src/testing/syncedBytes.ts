import { GrowingBytes } from './growingBytes';

/**
 * The content of a file, and what of it an fsync has made durable. A write costs the bytes that are written, amortised; an fsync those between the first and the
 * last byte that have changed since the one before.
 */
export class SyncedBytes {
  readonly #data: GrowingBytes;
  readonly #durable: GrowingBytes;
  /** The bytes `[from, to)` may differ from what is durable, as may the length. */
  #from = Infinity;
  #to = 0;

  /** @param content counts as durable. */
  constructor(content?: Uint8Array) {
    this.#data = new GrowingBytes(content);
    this.#durable = new GrowingBytes(content);
  }

  get length(): number {
    return this.#data.length;
  }

  /** A copy of the bytes `[from, to)`; fewer where the file ends. */
  slice(from?: number, to?: number): Uint8Array {
    return this.#data.slice(from, to);
  }

  /** A copy of what is durable. */
  durable(): Uint8Array {
    return this.#durable.slice();
  }

  /** Writes at a place, with zeros between the end and a place behind it. */
  write(at: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#changed(Math.min(at, this.length), at + bytes.length);
    this.#data.write(at, bytes);
  }

  /** Cuts it, or lets it grow with zeros. */
  resize(size: number): void {
    this.#changed(Math.min(size, this.length), Math.max(size, this.length));
    this.#data.resize(size);
  }

  /** Makes durable what is there now. */
  sync(): void {
    this.#durable.resize(this.length);
    this.#durable.write(this.#from, this.slice(this.#from, this.#to));
    this.#from = Infinity;
    this.#to = 0;
  }

  #changed(from: number, to: number): void {
    this.#from = Math.min(this.#from, from);
    this.#to = Math.max(this.#to, to);
  }
}
