/** The least code that keeps encoded records: no RxJS, no segments, no recovery, no bounds. */
import { closeSync, ftruncateSync, write } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Session } from '../contender';
import { decode, encode, FRAME_ROOM_BYTES, layFrame, payloads } from './frames';
import type { ZerosAhead } from './zerosAhead';
import { SPACE_BYTES } from './zeroFilled';

/** Two arenas: one gathers while the other is written. */
class Arena {
  bytes: Buffer = Buffer.allocUnsafeSlow(1024 * 1024);
  end = 0;
  acks: (() => void)[] = [];
  refusals: ((error: Error) => void)[] = [];
}

export class IdealLog implements Session {
  private gathering = new Arena();
  private other = new Arena();
  private number = 0;
  private at: number;
  private end = 0;
  private busy = false;
  private readonly reopened: boolean;

  /** @param zeros lays zeros ahead while the log writes; without, they have been laid beforehand, and the log begins again at its start when it gets to their end. */
  constructor(
    private readonly descriptor: number,
    private readonly file: string,
    writtenBytes: number,
    private readonly zeros?: ZerosAhead,
  ) {
    this.at = writtenBytes;
    this.reopened = writtenBytes > 0;
  }

  append(order: Parameters<Session['append']>[0]): Promise<void> {
    const arena = this.gathering;
    if (arena.bytes.length - arena.end < FRAME_ROOM_BYTES) {
      const larger = Buffer.allocUnsafeSlow(arena.bytes.length * 2);
      larger.set(arena.bytes.subarray(0, arena.end));
      arena.bytes = larger;
    }
    arena.end = layFrame(arena.bytes, arena.end, ++this.number, encode(order));
    return new Promise((resolve, reject) => {
      arena.acks.push(resolve);
      arena.refusals.push(reject);
      if (!this.busy) {
        this.busy = true;
        process.nextTick(() => this.send());
      }
    });
  }

  private send(): void {
    const arena = this.gathering;
    this.gathering = this.other;
    this.other = arena;
    if (this.at + arena.end > SPACE_BYTES && !this.reopened && !this.zeros) this.at = 0;
    if (this.zeros) this.zeros.whenClear(this.at + arena.end, () => this.write(arena));
    else this.write(arena);
  }

  private write(arena: Arena): void {
    write(this.descriptor, arena.bytes, 0, arena.end, this.at, (error) => {
      const { acks, refusals } = arena;
      arena.acks = [];
      arena.refusals = [];
      arena.end = 0;
      if (error === null) for (const ack of acks) ack();
      else for (const refuse of refusals) refuse(error);
      if (this.gathering.end > 0) process.nextTick(() => this.send());
      else this.busy = false;
    });
    this.at += arena.end;
    this.end = Math.max(this.end, this.at);
    this.zeros?.follow(this.at, arena.end);
  }

  async replay(take: Parameters<NonNullable<Session['replay']>>[0]): Promise<void> {
    for (const payload of payloads(await readFile(this.file))) take(decode(payload));
  }

  close(): Promise<void> {
    if (this.end > 0) ftruncateSync(this.descriptor, this.end);
    closeSync(this.descriptor);
    this.zeros?.close();
    return Promise.resolve();
  }
}
