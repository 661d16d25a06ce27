import { CRC_BYTES, FRAME_HEAD_BYTES, FRAME_OVERHEAD_BYTES } from './frame';

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

  /** Where the payload of the next frame goes, if that fits into this buffer. */
  get payloadStart(): number {
    return this.#free + FRAME_HEAD_BYTES;
  }

  /** The largest offset that the payload of a frame may end at. */
  get payloadLimit(): number {
    return this.#buffer.length - CRC_BYTES;
  }

  /** The payload that stands from {@link payloadStart} to `end` is somebody's, and with it the room for its frame. */
  take(end: number): void {
    this.#free = end + CRC_BYTES;
  }

  /**
   * Copies a payload to where there is room for its frame around it, in another buffer if need be, and takes it.
   *
   * @returns where it begins in {@link buffer}.
   */
  copy(payload: Uint8Array): number {
    const size = payload.length + FRAME_OVERHEAD_BYTES;
    if (this.#buffer.length - this.#free < size) {
      this.#buffer = Buffer.allocUnsafeSlow(Math.max(this.bufferBytes, size));
      this.#free = 0;
    }
    const start = this.payloadStart;
    this.#buffer.set(payload, start);
    this.take(start + payload.length);
    return start;
  }
}
