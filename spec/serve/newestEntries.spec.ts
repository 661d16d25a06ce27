import { cborCodec } from 'rxwal';
import { crcStart, encodeFrame } from '../../src/format/frame';
import { NewestEntries } from '../../src/serve/newestEntries';
import { Notices } from '../../src/serve/notices';
import type { StoredFrame } from '../../src/types';
import { LOG_ID } from '../support/logs';

const codec = cborCodec<unknown>();

function frameOf(lsn: number, payload: Uint8Array): StoredFrame {
  const buffer = encodeFrame('record', lsn, payload, crcStart(LOG_ID));
  return { kind: 'record', lsn, buffer, start: 0, end: buffer.length, offset: 0 };
}

describe('NewestEntries', () => {
  it('shows the newest ones first, so many and no more', () => {
    const newest = new NewestEntries(3);
    expect(newest.shown).toEqual([]);
    for (const lsn of [1, 2]) newest.addEntry({ lsn, value: { lsn } });
    expect(newest.shown.map(({ lsn }) => lsn)).toEqual([2, 1]);
    for (const lsn of [3, 4]) newest.addFrame(frameOf(lsn, codec.encode({ lsn })), codec);
    expect(newest.shown).toEqual([
      { lsn: 4, text: '{"lsn":4}' },
      { lsn: 3, text: '{"lsn":3}' },
      { lsn: 2, text: '{"lsn":2}' },
    ]);
    newest.clear();
    expect(newest.shown).toEqual([]);
  });

  it('keeps none where none is asked for', () => {
    const newest = new NewestEntries(0);
    newest.addEntry({ lsn: 1, value: 'secret' });
    newest.addFrame(frameOf(2, codec.encode('secret')), codec);
    expect(newest.shown).toEqual([]);
  });

  it('copies a payload, which is valid for the call only, and decodes those alone that are shown', () => {
    const decoded: number[] = [];
    const counting = {
      ...codec,
      decode: (payload: Uint8Array) => {
        const value = codec.decode(payload);
        decoded.push(value as number);
        return value;
      },
    };
    const newest = new NewestEntries(2);
    for (let lsn = 1; lsn <= 100; lsn += 1) {
      const frame = frameOf(lsn, codec.encode(lsn));
      newest.addFrame(frame, counting);
      frame.buffer.fill(0xff);
    }
    expect(newest.shown.map(({ text }) => text)).toEqual(['100', '99']);
    expect(decoded).toEqual([99, 100]);
  });

  it('cuts a large value, and says so', () => {
    const newest = new NewestEntries(3);
    newest.addEntry({ lsn: 1, value: 'x'.repeat(100_000) });
    newest.addFrame(frameOf(2, codec.encode('y'.repeat(60_000))), codec);
    // Seven bytes of CBOR before them.
    newest.addFrame(frameOf(3, codec.encode(new Uint8Array(16 * 1024 * 1024))), codec);
    const [raw, frame, entry] = newest.shown;
    expect(entry!.text).toHaveLength(2000);
    expect(entry!.note).toBe('cut: the value is larger than what is shown here');
    expect(frame).toMatchObject({ note: entry!.note });
    expect(raw!.text).toHaveLength(128);
    expect(raw!.note).toBe('not decoded: a payload of 16,777,223 bytes, of which the first 96 are shown as base64');
  });

  it('shows what does not decode as bytes, and what has no JSON as nothing, with the reason', () => {
    const newest = new NewestEntries(2);
    newest.addFrame(frameOf(1, Uint8Array.of(0xff)), codec);
    const circular: Record<string, unknown> = {};
    circular['self'] = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('not these');
        },
      },
    );
    newest.addEntry({ lsn: 2, value: circular });
    const [two, one] = newest.shown;
    expect(one).toMatchObject({ lsn: 1, text: '/w==' });
    expect(one!.note).toMatch(/^does not decode with this codec, shown as base64: ./);
    expect(two).toEqual({ lsn: 2, text: '', note: 'cannot be shown as JSON: not these' });
  });
});

describe('Notices', () => {
  it('counts the same thing up, keeps eight, and no long texts', () => {
    const notices = new Notices();
    for (const atMs of [1, 2, 3]) notices.add(atMs, 'again');
    expect(notices.list).toEqual([{ atMs: 3, text: 'again', times: 3 }]);
    for (let n = 0; n < 20; n += 1) notices.add(n, `${n} ${'x'.repeat(1000)}`);
    expect(notices.list.map(({ atMs }) => atMs)).toEqual([12, 13, 14, 15, 16, 17, 18, 19]);
    expect(Math.max(...notices.list.map(({ text }) => text.length))).toBe(500);
  });
});
