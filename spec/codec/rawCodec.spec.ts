import * as fc from 'fast-check';
import { WalRecordError, rawCodec, recoverWal } from 'rxwal';
import { memoryStore } from 'rxwal/testing';
import { hex } from '../support/bytes';
import { RAW, collect } from '../support/logs';

describe('rawCodec', () => {
  const codec = rawCodec();

  it('takes bytes as they are, none too', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(hex(codec.encode(bytes))).toBe(hex(bytes));
        expect(hex(codec.decode(bytes))).toBe(hex(bytes));
      }),
    );
  });

  it('takes a Buffer, and a view of a part of one', () => {
    expect(hex(codec.encode(Buffer.of(1, 2, 3).subarray(1)))).toBe('0203');
  });

  it('decodes into a copy: the bytes that were read may be overwritten at once', () => {
    const payload = Buffer.of(1, 2, 3);
    const value = codec.decode(payload);
    payload.fill(0);
    expect(value).toEqual(Uint8Array.of(1, 2, 3));
    expect(value.buffer.byteLength).toBe(3);
  });

  it.each<[value: unknown, what: string]>([
    ['text', 'string'],
    [7, 'number'],
    [null, 'null'],
    [undefined, 'undefined'],
    [[1, 2], 'object'],
    [new ArrayBuffer(3), 'object'],
    [new DataView(new ArrayBuffer(3)), 'object'],
    [new Uint16Array(2), 'object'],
    [() => 1, 'function'],
  ])('refuses %p: it is no Uint8Array', (value, what) => {
    expect(() => codec.encode(value as Uint8Array)).toThrow(WalRecordError);
    expect(() => codec.encode(value as Uint8Array)).toThrow(`rawCodec takes a Uint8Array, not ${what}`);
  });

  it('in a log: that append alone fails, and what was appended may be overwritten at once', async () => {
    const { values } = collect(recoverWal<Uint8Array>(memoryStore(), RAW));
    const [wal] = values;
    const mine = Uint8Array.of(1, 2, 3);
    const ack = wal!.append(mine);
    mine.fill(9);
    await expect(ack).resolves.toEqual({ lsn: 1, durable: true });
    await expect(wal!.append('x' as unknown as Uint8Array)).rejects.toBeInstanceOf(WalRecordError);
    await expect(wal!.append(new Uint8Array(0))).resolves.toEqual({ lsn: 2, durable: true });
    expect(collect(wal!.read()).values).toEqual([
      { lsn: 1, value: Uint8Array.of(1, 2, 3) },
      { lsn: 2, value: new Uint8Array(0) },
    ]);
  });
});
