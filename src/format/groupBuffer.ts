import { GROUP_COUNT_BYTES, GROUP_LENGTH_BYTES } from './group';
import { writeUint32 } from './integers';

const FIRST_BYTES = 64 * 1024;
/** A larger buffer is not kept from one group to the next. */
const MOST_KEPT_BYTES = 1024 * 1024;

/** Memory in which the payload of a group is laid, record by record. Used again for the next one. */
export class GroupBuffer {
  #buffer: Uint8Array = new Uint8Array(0);
  /** Where the next record's length goes. */
  #end = 0;
  /** Bytes of the payload so far, also of those that are not kept. */
  bytes = 0;

  /** @param mostBytes what the payload may have: of a larger one the bytes are counted and not kept. */
  constructor(private readonly mostBytes: number) {}

  get buffer(): Uint8Array {
    return this.#buffer;
  }

  /** Offset behind the payload, which begins at 0. */
  get end(): number {
    return this.#end;
  }

  /** Where the next record goes, if it fits into this buffer. */
  get recordStart(): number {
    return this.#end + GROUP_LENGTH_BYTES;
  }

  /** Begins a group of `count` records. */
  begin(count: number): void {
    if (this.#buffer.length === 0 || this.#buffer.length > MOST_KEPT_BYTES) this.#buffer = allocate(FIRST_BYTES);
    writeUint32(this.#buffer, 0, count);
    this.bytes = this.#end = GROUP_COUNT_BYTES;
  }

  /** The next record stands from {@link recordStart} to `end`. */
  take(end: number): void {
    const start = this.recordStart;
    this.bytes += end - this.#end;
    if (this.bytes > this.mostBytes) return;
    writeUint32(this.#buffer, this.#end, end - start);
    this.#end = end;
  }

  /** Copies the next record. */
  copy(record: Uint8Array): void {
    this.bytes += GROUP_LENGTH_BYTES + record.length;
    if (this.bytes > this.mostBytes) return;
    const start = this.recordStart;
    const end = start + record.length;
    if (end > this.#buffer.length) {
      const old = this.#buffer;
      this.#buffer = allocate(Math.max(2 * old.length, end));
      this.#buffer.set(old.subarray(0, this.#end));
    }
    writeUint32(this.#buffer, this.#end, record.length);
    this.#buffer.set(record, start);
    this.#end = end;
  }
}

function allocate(bytes: number): Uint8Array {
  return Buffer.allocUnsafeSlow(bytes);
}
