import fc from 'fast-check';
import { GrowingBytes } from '../../src/testing/growingBytes';
import { SyncedBytes } from '../../src/testing/syncedBytes';

/** The same, copied whole each time. */
class Plain {
  data: Uint8Array;
  durable: Uint8Array;

  constructor(content: Uint8Array) {
    this.data = content.slice();
    this.durable = content.slice();
  }

  resize(size: number): void {
    const data = new Uint8Array(size);
    data.set(this.data.subarray(0, size));
    this.data = data;
  }

  write(at: number, bytes: Uint8Array): void {
    if (bytes.length > 0) this.resize(Math.max(this.data.length, at + bytes.length));
    this.data.set(bytes, bytes.length > 0 ? at : 0);
  }

  sync(): void {
    this.durable = this.data.slice();
  }
}

const bytes = fc.uint8Array({ maxLength: 20 });
const place = fc.nat({ max: 60 });
const step = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), at: place, bytes }),
  fc.record({ kind: fc.constant('resize' as const), size: place }),
  fc.record({ kind: fc.constant('sync' as const) }),
);

describe('SyncedBytes', () => {
  it('is what copying the whole file would be, after any steps', () => {
    fc.assert(
      fc.property(bytes, fc.array(step, { maxLength: 30 }), (content, steps) => {
        const file = new SyncedBytes(content);
        const plain = new Plain(content);
        for (const each of steps) {
          if (each.kind === 'write') {
            file.write(each.at, each.bytes);
            plain.write(each.at, each.bytes);
          } else if (each.kind === 'resize') {
            file.resize(each.size);
            plain.resize(each.size);
          } else {
            file.sync();
            plain.sync();
          }
          expect([file.slice(), file.durable()]).toEqual([plain.data, plain.durable]);
          expect(file).toHaveLength(plain.data.length);
        }
      }),
    );
  });

  it('gives copies, and keeps none of what it was given', () => {
    const content = Buffer.from('abc');
    const file = new SyncedBytes(content);
    file.slice().fill(0);
    file.durable().fill(0);
    content.fill(0);
    expect(Buffer.from(file.slice()).toString()).toBe('abc');
    expect(Buffer.from(file.durable()).toString()).toBe('abc');
  });

  it('copies what has changed, and not what is there', () => {
    const file = new SyncedBytes();
    const writes = jest.spyOn(GrowingBytes.prototype, 'write');
    for (let at = 0; at < 10_000; at += 10) {
      file.write(at, new Uint8Array(10).fill(1));
      file.sync();
    }
    const copied = writes.mock.calls.reduce((sum, [, piece]) => sum + piece.length, 0);
    writes.mockRestore();
    expect(copied).toBe(2 * 10_000);
  });
});
