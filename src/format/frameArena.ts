/** Frames are laid side by side into buffers of this many bytes, where nobody says otherwise. */
export const ARENA_BUFFER_BYTES = 256 * 1024;

/**
 * Memory that frames are laid into side by side, so that a whole batch goes to the operating system in one piece (the group commit arena of
 * many databases). A buffer that is full is left to those whose frames stand in it.
 */
export class FrameArena {
  #buffer: Uint8Array = new Uint8Array(0);
  #free = 0;

  /** @param bufferBytes size of a buffer; a larger frame gets one of its own. */
  constructor(private readonly bufferBytes: number) {}

  get buffer(): Uint8Array {
    return this.#buffer;
  }

  /** Offset of the first byte that is nobody's. */
  get free(): number {
    return this.#free;
  }

  /** Sees to it that `size` bytes are free, in another buffer if need be. */
  reserve(size: number): void {
    if (this.#buffer.length - this.#free >= size) return;
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(this.bufferBytes, size));
    this.#free = 0;
  }

  /** What stands before `end` is somebody's. */
  take(end: number): void {
    this.#free = end;
  }
}
