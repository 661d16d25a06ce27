import { Subject, map } from 'rxjs';
import fc from 'fast-check';
import { layFrame } from '../../src/format/frame';
import { checksum } from '../../src/operators/checksum';
import type { Frame } from '../../src/types';
import { FOREIGN_LOG_ID, LOG_ID, bytesOf, expectPicture } from './helpers';

/** A frame without its checksum, and something else before and behind it in the buffer. */
function unsealed(lsn: number, payload: Uint8Array): Frame {
  const buffer = new Uint8Array(payload.length + 26).fill(0xee);
  return { kind: 'record', lsn, buffer, start: 5, end: layFrame(buffer, 5, 'record', lsn, payload), commit: true };
}

/** CRC-32 (IEEE) of all parts one behind the other, bit by bit as the definition has it. */
function crc32Of(...parts: readonly Uint8Array[]): number {
  let crc = 0xffff_ffff;
  for (const byte of Buffer.concat(parts)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}

/** The checksum that stands in a frame. */
function sealOf({ buffer, end }: Frame): number {
  return Buffer.from(buffer).readUInt32LE(end - 4);
}

function seal(frame: Frame, logId = LOG_ID): Frame {
  const source$ = new Subject<Frame>();
  let sealed: Frame | undefined;
  source$.pipe(checksum(logId)).subscribe((each) => {
    sealed = each;
  });
  source$.next(frame);
  return sealed!;
}

/** The value of `crc32Of`, as every check suite has it, before anything is compared with it. */
const CHECK = crc32Of(bytesOf('123456789'));

describe('checksum', () => {
  it('seals each frame in its place', () => {
    const frames = { 7: unsealed(7, bytesOf('a')), 8: unsealed(8, bytesOf('b')), 9: unsealed(9, bytesOf('c')) };
    expectPicture(checksum(LOG_ID), {
      source: '  --7-----8--9--|',
      values: frames,
      subs: '    ^-------------!',
      expected: '--7-----8--9--|',
      results: frames,
    });
    const covered = Object.values(frames).map(({ buffer, start, end }) => buffer.subarray(start, end - 4));
    expect(Object.values(frames).map(sealOf)).toEqual(covered.map((bytes) => crc32Of(LOG_ID, bytes)));
  });

  it('is the CRC-32 of zip and PNG', () => {
    expect(CHECK).toBe(0xcbf4_3926);
  });

  it('covers the log id, the word, the LSN and the payload', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        fc.nat(),
        fc.uint8Array({ maxLength: 600 }),
        (logId, lsn, payload) => {
          const frame = unsealed(lsn, payload);
          const covered = frame.buffer.slice(frame.start, frame.end - 4);
          expect(sealOf(seal(frame, logId))).toBe(crc32Of(logId, covered));
        },
      ),
    );
  });

  it('touches no byte but the four of the checksum', () => {
    const frame = unsealed(7, bytesOf('payload'));
    const before = frame.buffer.slice();
    const { buffer, start, end } = seal(frame);
    expect(buffer).toBe(frame.buffer);
    expect([...buffer.subarray(0, end - 4)]).toEqual([...before.subarray(0, end - 4)]);
    expect([...buffer.subarray(end)]).toEqual([...before.subarray(end)]);
    expect(start).toBe(5);
  });

  it('seals the same frame of another log differently', () => {
    expect(sealOf(seal(unsealed(7, bytesOf('a'))))).not.toBe(sealOf(seal(unsealed(7, bytesOf('a')), FOREIGN_LOG_ID)));
  });

  it('seals the same payload at another LSN differently', () => {
    expect(sealOf(seal(unsealed(7, bytesOf('a'))))).not.toBe(sealOf(seal(unsealed(8, bytesOf('a')))));
  });

  it('seals a frame without payload with something other than zero', () => {
    expect(sealOf(seal(unsealed(1, bytesOf(''))))).not.toBe(0);
  });

  it('seals a frame that is pushed in while another one is on its way out', () => {
    const source$ = new Subject<Frame>();
    const [first, second] = [unsealed(1, bytesOf('a')), unsealed(2, bytesOf('b'))];
    const seen: Frame[] = [];
    source$.pipe(checksum(LOG_ID)).subscribe((frame) => {
      seen.push(frame);
      if (frame === first) source$.next(second);
    });
    source$.next(first);
    expect(seen.map(({ lsn }) => lsn)).toEqual([1, 2]);
    expect(seen.map(sealOf)).toEqual(
      seen.map(({ buffer, start, end }) => crc32Of(LOG_ID, buffer.subarray(start, end - 4))),
    );
  });

  it('seals one frame', () => {
    expectPicture((source) => source.pipe(checksum(LOG_ID), map(sealOf)), {
      source: '  -a|',
      values: { a: unsealed(1, bytesOf('')) },
      expected: '-c|',
      results: { c: crc32Of(LOG_ID, Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)) },
    });
  });

  it('is empty where its source is', () => {
    expectPicture(checksum(LOG_ID), { source: '|', subs: '(^!)', expected: '|' });
  });

  it('never ends where its source never does', () => {
    expectPicture(checksum(LOG_ID), { source: '-', subs: '^', expected: '-' });
  });

  it("passes its source's error on", () => {
    expectPicture(checksum(LOG_ID), { source: '--#', subs: '^-!', expected: '--#' });
  });

  it('leaves its source when it is left', () => {
    const frames = { a: unsealed(1, bytesOf('a')), b: unsealed(2, bytesOf('b')) };
    expectPicture(checksum(LOG_ID), {
      source: '  -a--b--',
      values: frames,
      subs: '    ^--!',
      expected: '-a--',
      results: frames,
      unsub: '   ---!',
    });
  });
});
