import { crc32 } from './crc';
import { crcShift } from './crcShift';
import { FRAME_OVERHEAD_BYTES, MAX_CHECKPOINT_BYTES, MAX_PAYLOAD_BYTES } from './frame';
import { groupRecords } from './group';
import { readLsn, readUint32 } from './integers';

/**
 * Frames that are checked with one CRC have no more bytes together than this: up to 11,450, CRC-32 finds any three flipped bits, and
 * any burst of 32, wherever in them. It is enough to make up for the call into native code.
 */
const PIECE_BYTES = 11_264;

/** The register behind any whole frame: its own checksum has gone through it, which leaves the same of every content. */
const BEHIND_FRAME = crcShift(-1, 4);

/**
 * Finds out how far the frames in a buffer are what they should be, many with one CRC.
 *
 * The CRC over several frames one behind the other tells whether the sum of their errors is nothing: chance passes it once in 2^32, as it
 * does the CRC of one frame. What it does not find, and frame by frame would be found, are errors in two frames of one piece that cancel each
 * other; nobody's disk makes those, and who makes them by hand can as well make a right checksum.
 *
 * A frame that starts from its own start value `s`,
 * goes through its bytes and then through its checksum leaves a register that is the same for every content. The second frame goes on
 * from that one and not from `s`, and a CRC is linear: what it leaves differs by that difference, moved by as many zeros as it has bytes. So
 * what the register must be in the end follows from the lengths alone.
 *
 * It says "so far and not further", and never why: what follows may be cut short, the end, or damage, and the place is found frame by frame.
 */
export class SealedRun {
  /** Behind the last frame that is proven. */
  end = 0;
  /** The last LSN there. */
  lastLsn = 0;

  readonly #crcFrom: number;
  readonly #maxRecordBytes: number;
  readonly #groups: boolean;
  /** What the register of a new frame, and the one behind a frame, differ by. */
  readonly #difference: number;

  /** @param groups whether groups may stand there. */
  constructor(crcFrom: number, maxRecordBytes: number, groups = true) {
    this.#crcFrom = crcFrom;
    this.#maxRecordBytes = maxRecordBytes;
    this.#groups = groups;
    this.#difference = BEHIND_FRAME ^ ~crcFrom;
  }

  /**
   * Looks at `buffer[from, to)`, and sets `end` and `lastLsn`.
   *
   * @param after the last LSN before it.
   */
  scan(buffer: Uint8Array, from: number, to: number, after: number): void {
    const difference = this.#difference;
    this.end = from;
    this.lastLsn = after;
    let piece = from;
    let at = from;
    let lsn = after;
    let register = 0;
    while (to - at >= FRAME_OVERHEAD_BYTES) {
      const word = readUint32(buffer, at);
      const isRecord = word <= MAX_PAYLOAD_BYTES;
      const payloadBytes = word & MAX_PAYLOAD_BYTES;
      const end = at + payloadBytes + FRAME_OVERHEAD_BYTES;
      const frameLsn = readLsn(buffer, at + 4);
      if (end > to) break;
      let lastLsn = lsn;
      if (isRecord) {
        if (frameLsn !== lsn + 1 || payloadBytes > this.#maxRecordBytes) break;
        lastLsn = frameLsn;
      } else if (word >= GROUP_WORD) {
        if (!this.#groups || frameLsn !== lsn + 1 || payloadBytes > this.#maxRecordBytes) break;
        const records = groupRecords(buffer, at, end);
        if (records === 0) break;
        lastLsn += records;
      } else if (frameLsn > lsn || payloadBytes > MAX_CHECKPOINT_BYTES) break;
      if (end - piece > PIECE_BYTES && at > piece) {
        if (!this.#isSealed(buffer, piece, at, register)) return;
        this.end = at;
        this.lastLsn = lsn;
        piece = at;
        register = 0;
      }
      register = at === piece ? difference : difference ^ crcShift(register, end - at);
      at = end;
      lsn = lastLsn;
    }
    if (at === piece || !this.#isSealed(buffer, piece, at, register)) return;
    this.end = at;
    this.lastLsn = lsn;
  }

  #isSealed(buffer: Uint8Array, from: number, to: number, register: number): boolean {
    return crc32(buffer.subarray(from, to), this.#crcFrom) === (this.#crcFrom ^ register) >>> 0;
  }
}

/** From here on a word is a group's. */
const GROUP_WORD = 0xc000_0000;
