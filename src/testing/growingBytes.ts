/** The content of a file that grows. Room is doubled, so appending costs what is appended and not what is there. */
export class GrowingBytes {
  /** Zeros from `length` on. */
  #room: Uint8Array;
  #length: number;

  constructor(content: Uint8Array = new Uint8Array(0)) {
    this.#room = new Uint8Array(content);
    this.#length = content.length;
  }

  get length(): number {
    return this.#length;
  }

  /** A copy of the bytes `[from, to)`; fewer where the file ends. */
  slice(from = 0, to = this.#length): Uint8Array {
    return this.#room.slice(Math.min(from, this.#length), Math.min(to, this.#length));
  }

  /** Copies `[from, to)` into a buffer of exactly that size, with zeros where the file has ended. */
  padded(from: number, to: number): Uint8Array {
    const bytes = new Uint8Array(to - from);
    bytes.set(this.#room.subarray(from, Math.min(to, this.#length)));
    return bytes;
  }

  /** Copies the bytes from the beginning into `target`, as many as it has room for. */
  copyTo(target: Uint8Array): void {
    target.set(this.#room.subarray(0, Math.min(this.#length, target.length)));
  }

  /** Writes at a place, with zeros between the end and a place behind it. */
  write(at: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#reserve(at + bytes.length);
    this.#room.set(bytes, at);
    this.#length = Math.max(this.#length, at + bytes.length);
  }

  /** Cuts it, or lets it grow with zeros. */
  resize(size: number): void {
    this.#reserve(size);
    if (size < this.#length) this.#room.fill(0, size, this.#length);
    this.#length = size;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#room.length) return;
    const room = new Uint8Array(Math.max(bytes, 2 * this.#room.length));
    room.set(this.#room.subarray(0, this.#length));
    this.#room = room;
  }
}
