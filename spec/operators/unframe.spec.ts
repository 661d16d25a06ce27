import { Subject, from, map, take, toArray, type Observable } from 'rxjs';
import fc from 'fast-check';
import { WalCorruptError } from '../../src/errors';
import { crcStart, encodeFrame } from '../../src/format/frame';
import { unframe, type UnframeOptions } from '../../src/operators/unframe';
import { virtualTime } from '../../src/testing/virtualTime';
import type { StoredFrame } from '../../src/types';
import { groupPayload } from '../support/bytes';
import { LOG_ID, bytesOf, expectPicture, shown, synchronousSource } from './helpers';

const crcFrom = crcStart(LOG_ID);
const seven = encodeFrame('record', 7, bytesOf('seven'), crcFrom);
const eight = encodeFrame('record', 8, bytesOf(''), crcFrom);
const nine = encodeFrame('record', 9, bytesOf('the ninth'), crcFrom);
const mark = encodeFrame('mark', 8, bytesOf(''), crcFrom);
const checkpoint = encodeFrame('checkpoint', 8, bytesOf('a checkpoint'), crcFrom);

/** All kinds of frames, one behind the other, and what they say. */
const segment = Buffer.concat([seven, eight, mark, checkpoint, nine]);
const segmentShown = [
  'record 7 "seven" at 32',
  'record 8 "" at 53',
  'mark 8 "" at 69',
  'checkpoint 8 "a checkpoint" at 85',
  'record 9 "the ninth" at 113',
];
const SEGMENT_END = 138;

const zeros = (bytes: number): Uint8Array => new Uint8Array(bytes);
const join = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** The head of a frame that claims `payloadBytes`, of kind 0 to 3. */
function head(payloadBytes: number, kind = 0, lsn = 9): Uint8Array {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32LE(payloadBytes + kind * 2 ** 30, 0);
  bytes.writeBigUInt64LE(BigInt(lsn), 4);
  return new Uint8Array(bytes);
}

interface Outcome {
  readonly frames: readonly string[];
  readonly error: unknown;
  readonly complete: boolean;
}

function unframed(source$: Observable<Uint8Array>, options?: UnframeOptions): Outcome {
  const frames: string[] = [];
  let error: unknown;
  let complete = false;
  source$.pipe(unframe(options)).subscribe({
    next: (frame) => frames.push(shown(frame)),
    error: (failure: unknown) => {
      error = failure;
    },
    complete: () => {
      complete = true;
    },
  });
  return { frames, error, complete };
}

/** `bytes` in pieces that end at `cuts`. */
function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const ends = [...cuts, bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

function corrupt(offset: number, lsn: number, reason: string, file = 'segment'): WalCorruptError {
  return new WalCorruptError({ file, offset, lsn, reason });
}

describe('unframe', () => {
  it('cuts bytes into frames, and takes zeros for the end', () => {
    expectPicture(
      (source) =>
        source.pipe(
          unframe({ after: 6 }),
          map(({ lsn }) => String(lsn)),
        ),
      {
        source: '  --x---y--|',
        values: { x: join(seven, eight, nine.subarray(0, 12)), y: join(nine.subarray(12), zeros(40)) },
        subs: '    ^--------!',
        expected: '--(78)9--|',
      },
    );
  });

  it('says of each frame its kind, its LSN, its bytes and its place in the file', () => {
    expect(unframed(from([segment]))).toEqual({ frames: segmentShown, error: undefined, complete: true });
  });

  it('gives the same frames wherever the chunks are cut', () => {
    const bytes = join(segment, zeros(20));
    const expected = [...segmentShown, 'end'].join('\n');
    const wrong: [number, number][] = [];
    for (let first = 0; first <= bytes.length; first += 1) {
      for (let second = first; second <= bytes.length; second += 1) {
        const { frames, complete } = unframed(from(pieces(bytes, [first, second])), { size: 32 + bytes.length });
        if ([...frames, complete ? 'end' : 'no end'].join('\n') !== expected) wrong.push([first, second]);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('gives the same frames byte by byte', () => {
    const each = pieces(join(segment, zeros(20)), [...segment.keys()]);
    expect(unframed(from(each))).toEqual({ frames: segmentShown, error: undefined, complete: true });
  });

  it('gives back what was framed, whatever the payloads and the chunks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }),
        fc.array(fc.nat(2000), { maxLength: 12 }),
        fc.nat(50),
        (payloads, cuts, trailingZeros) => {
          const frames = payloads.map((payload, index) => encodeFrame('record', index + 1, payload, crcFrom));
          const bytes = join(...frames, zeros(trailingZeros));
          const chunks = pieces(
            bytes,
            cuts.map((cut) => Math.min(cut, bytes.length)),
          );
          const seen: { lsn: number; bytes: number[] }[] = [];
          let complete = false;
          from(chunks)
            .pipe(unframe({ size: 32 + bytes.length }))
            .subscribe({
              next: ({ lsn, buffer, start, end }) => seen.push({ lsn, bytes: [...buffer.subarray(start, end)] }),
              complete: () => {
                complete = true;
              },
            });
          expect(seen).toEqual(frames.map((frame, index) => ({ lsn: index + 1, bytes: [...frame] })));
          expect(complete).toBe(true);
        },
      ),
    );
  });

  it('emits a frame with the chunk that brings its last byte, not later', () => {
    expectPicture(
      (source) =>
        source.pipe(
          unframe(),
          map(({ lsn }) => String(lsn)),
        ),
      {
        source: '  -x-y-z-',
        values: { x: seven.subarray(0, 20), y: seven.subarray(20), z: eight },
        expected: '---7-8-',
      },
    );
  });

  it('counts offsets from behind the header, or from where it is told', () => {
    expect(unframed(from([eight])).frames).toEqual(['record 8 "" at 32']);
    expect(unframed(from([eight]), { offset: 1000 }).frames).toEqual(['record 8 "" at 1000']);
  });

  it('begins anew for each subscriber', () => {
    const operator = unframe({ after: 6 });
    for (let time = 0; time < 2; time += 1) {
      let seen: string[] = [];
      from([segment])
        .pipe(operator, map(shown), toArray())
        .subscribe((frames) => {
          seen = frames;
        });
      expect(seen).toEqual(segmentShown);
    }
  });

  describe('the end', () => {
    it.each([0, 1, 3, 11, 12, 13, 15, 16, 17, 31, 4096])('may be %d zeros', (count) => {
      expect(unframed(from([segment, zeros(count)]), { size: SEGMENT_END + count })).toEqual({
        frames: segmentShown,
        error: undefined,
        complete: true,
      });
    });

    it('may be zeros alone', () => {
      expect(unframed(from([zeros(5), zeros(500)]))).toEqual({ frames: [], error: undefined, complete: true });
    });

    it('may come with chunks of no bytes', () => {
      const none = zeros(0);
      expect(unframed(from([none, segment, none, zeros(20), none]))).toEqual({
        frames: segmentShown,
        error: undefined,
        complete: true,
      });
    });

    it('is where the zeros begin: something behind them is refused there', () => {
      for (let cut = 0; cut <= 60; cut += 1) {
        const behind = join(zeros(40), Uint8Array.of(1), zeros(19));
        expect(unframed(from([segment, ...pieces(behind, [cut])]), { after: 6 })).toEqual({
          frames: segmentShown,
          error: corrupt(SEGMENT_END, 10, 'zeros, and then something else'),
          complete: false,
        });
      }
    });

    it('takes no frame behind zeros', () => {
      const { frames, error } = unframed(from([seven, zeros(16), eight]));
      expect(frames).toEqual(segmentShown.slice(0, 1));
      expect(error).toEqual(corrupt(53, 8, 'zeros, and then something else'));
    });

    it('takes every cut inside a frame for a last frame cut short', () => {
      for (let cut = 1; cut < nine.length; cut += 1) {
        expect(unframed(from([seven, eight, nine.subarray(0, cut)]), { after: 6 })).toEqual({
          frames: segmentShown.slice(0, 2),
          error: corrupt(69, 9, 'the last frame is cut short'),
          complete: false,
        });
      }
    });

    it('is not a frame cut short and filled up with zeros', () => {
      const { frames, error } = unframed(from([seven, nine.subarray(0, 14), zeros(2)]));
      expect(frames).toEqual(segmentShown.slice(0, 1));
      expect(error).toEqual(corrupt(53, 8, 'the last frame is cut short'));
    });
  });

  describe('a length', () => {
    it('past the end of the file is refused as soon as it is read', () => {
      expectPicture((source) => source.pipe(unframe({ size: 32 + 21 + 16 + 99, after: 6 }), map(shown)), {
        source: '  -x-y-z-|',
        values: { x: seven, y: head(100), z: zeros(87) },
        subs: '    ^--!',
        expected: '-7-#',
        results: { 7: segmentShown[0] },
        failure: corrupt(53, 8, 'a frame claims 116 bytes where the file has 115 left'),
      });
    });

    it('up to the end of the file is taken', () => {
      expect(unframed(from([seven]), { size: 32 + seven.length })).toMatchObject({ complete: true });
    });

    it('above maxRecordBytes is refused as soon as it is read', () => {
      expectPicture((source) => source.pipe(unframe({ maxRecordBytes: 5, after: 6 }), map(shown)), {
        source: '  -x-y-z-|',
        values: { x: seven, y: head(6), z: zeros(10) },
        subs: '    ^--!',
        expected: '-7-#',
        results: { 7: segmentShown[0] },
        failure: corrupt(53, 8, 'a frame claims 6 bytes and maxRecordBytes is 5'),
      });
    });

    it('of the largest kind costs no memory', () => {
      const before = process.memoryUsage().arrayBuffers;
      const { error } = unframed(from([head(0x3fff_ffff)]), { maxRecordBytes: 1024 });
      expect(error).toEqual(corrupt(32, 1, 'a frame claims 1073741823 bytes and maxRecordBytes is 1024'));
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
    });

    it("of a checkpoint is not a record's: maxRecordBytes does not refuse what the log itself has written", () => {
      expect(unframed(from([eight, mark, checkpoint]), { maxRecordBytes: 4 })).toEqual({
        frames: ['record 8 "" at 32', 'mark 8 "" at 48', 'checkpoint 8 "a checkpoint" at 64'],
        error: undefined,
        complete: true,
      });
    });

    it.each([
      { kind: 1, name: 'mark' },
      { kind: 2, name: 'checkpoint' },
    ])('of a $name that none has is refused as soon as it is read', ({ kind, name }) => {
      expectPicture((source) => source.pipe(unframe({ after: 6 }), map(shown)), {
        source: '  -x-y-z-|',
        values: { x: seven, y: head(1025, kind, 7), z: zeros(1100) },
        subs: '    ^--!',
        expected: '-7-#',
        results: { 7: segmentShown[0] },
        failure: corrupt(53, 8, `a ${name} claims 1025 bytes, and none has more than 1024`),
      });
    });

    it('of a checkpoint may be as long as one can be', () => {
      const longest = encodeFrame('checkpoint', 8, zeros(1024), crcFrom);
      expect(unframed(from([longest])).frames).toHaveLength(1);
    });
  });

  it('cuts a group as any other frame, and names the LSN behind its last record', () => {
    const group = encodeFrame('group', 8, groupPayload('x', 'yz'), crcFrom);
    const { frames, error } = unframed(from([seven, group, head(4, 3, 10)]), { after: 6 });
    expect(frames).toEqual([segmentShown[0], 'group 8 "\x02\0\0\0\x01\0\0\0x\x02\0\0\0yz" at 53']);
    expect(error).toEqual(corrupt(84, 10, 'the last frame is cut short'));
    expect(unframed(from([group]), { maxRecordBytes: 14 }).error).toEqual(
      corrupt(32, 1, 'a frame claims 15 bytes and maxRecordBytes is 14'),
    );
  });

  it('refuses a group where the header allows none, as soon as its head is read', () => {
    const options: UnframeOptions = { file: 'wal_00000003.log', after: 6, groups: false };
    expectPicture((source) => source.pipe(unframe(options), map(shown)), {
      source: '  -x-y-z-|',
      values: { x: seven, y: head(4, 3), z: zeros(8) },
      subs: '    ^--!',
      expected: '-7-#',
      results: { 7: segmentShown[0] },
      failure: corrupt(53, 8, 'a group, and the header says that there is none', 'wal_00000003.log'),
    });
  });

  it('names the LSN that is expected there: a mark or a checkpoint takes none', () => {
    const { error } = unframed(from([seven, mark, checkpoint, head(0, 3)]), { groups: false });
    expect(error).toEqual(corrupt(97, 8, 'a group, and the header says that there is none'));
  });

  it('names the LSN behind those before these bytes where no record has come', () => {
    const { error } = unframed(from([head(0, 3)]), { after: 41, offset: 500, groups: false });
    expect(error).toEqual(corrupt(500, 42, 'a group, and the header says that there is none'));
  });

  it('leaves checksums and LSNs to verify', () => {
    const damaged = seven.slice();
    damaged[14] = 0xff;
    damaged[4] = 99;
    expect(unframed(from([damaged])).frames).toEqual([expect.stringContaining('record 99 ')]);
  });

  it('stops in the middle of a chunk when it is left', () => {
    const seen: string[] = [];
    const source$ = new Subject<Uint8Array>();
    const subscription = source$.pipe(unframe()).subscribe((frame) => {
      seen.push(shown(frame));
      subscription.unsubscribe();
    });
    source$.next(join(seven, eight));
    expect(seen).toEqual(segmentShown.slice(0, 1));
  });

  it('reads no byte behind the last frame that is wanted', () => {
    let furthest = 0;
    const watched = new Proxy(join(seven, eight, nine), {
      get: (target, key) => {
        const at = typeof key === 'string' ? Number(key) : NaN;
        if (Number.isInteger(at)) furthest = Math.max(furthest, at);
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const seen: number[] = [];
    const source$ = new Subject<Uint8Array>();
    source$.pipe(unframe(), take(1)).subscribe(({ lsn }) => seen.push(lsn));
    source$.next(watched);
    expect(seen).toEqual([7]);
    expect(furthest).toBeLessThan(seven.length);
  });

  it('joins the pieces of a frame once, however many there are', () => {
    const joins = jest.spyOn(Buffer, 'concat');
    const frame = encodeFrame('record', 1, new Uint8Array(5000), crcFrom);
    const chunks = pieces(frame, [...frame.keys()]);
    const before = joins.mock.calls.length;
    const { frames, complete } = unframed(from(chunks));
    const joined = joins.mock.calls.length - before;
    joins.mockRestore();
    expect(frames).toHaveLength(1);
    expect(complete).toBe(true);
    expect(joined).toBeLessThan(10);
  });

  it('does not look at garbage behind the last frame that is wanted', () => {
    virtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('-x-|', { x: join(seven, head(4, 3), bytesOf('garbage')) });
      const subs = '      ^!';
      const expected = '  -(7|)';

      const frames$ = source.pipe(unframe(), map(shown), take(1));

      expectObservable(frames$).toBe(expected, { 7: segmentShown[0] });
      expectSubscriptions(source.subscriptions).toBe(subs);
    });
  });

  it('asks a source that hands out everything at once for no more than is wanted', () => {
    const { source$, asked } = synchronousSource([seven, eight, nine]);
    const seen: StoredFrame[] = [];
    source$.pipe(unframe(), take(1)).subscribe((frame) => seen.push(frame));
    expect(seen.map(({ lsn }) => lsn)).toEqual([7]);
    expect(asked).toHaveLength(1);
  });

  it('asks a source that hands out everything at once for nothing behind what it refuses', () => {
    const { source$, asked } = synchronousSource([head(0, 3), eight, nine]);
    expect(unframed(source$, { groups: false }).error).toBeInstanceOf(WalCorruptError);
    expect(asked).toHaveLength(1);
  });

  it('takes a chunk that is pushed in while a frame is on its way out', () => {
    const source$ = new Subject<Uint8Array>();
    const seen: string[] = [];
    source$.pipe(unframe()).subscribe((frame) => {
      seen.push(shown(frame));
      if (seen.length === 1) source$.next(nine);
    });
    source$.next(join(seven, eight));
    source$.complete();
    expect(seen).toEqual(['record 7 "seven" at 32', 'record 8 "" at 53', 'record 9 "the ninth" at 69']);
  });

  it('cuts what has come before it ends, though the end comes while a frame is on its way out', () => {
    const source$ = new Subject<Uint8Array>();
    const seen: string[] = [];
    source$.pipe(unframe()).subscribe({
      next: (frame) => {
        seen.push(shown(frame));
        source$.complete();
      },
      error: (error: unknown) => seen.push(String(error)),
      complete: () => seen.push('end'),
    });
    source$.next(join(seven, eight));
    expect(seen).toEqual(['record 7 "seven" at 32', 'record 8 "" at 53', 'end']);
  });

  it('is empty where its source is', () => {
    expectPicture(unframe(), { source: '|', subs: '(^!)', expected: '|' });
  });

  it('never ends where its source never does', () => {
    expectPicture(unframe(), { source: '-', subs: '^', expected: '-' });
  });

  it("passes its source's error on, whatever has not become a frame", () => {
    expectPicture((source) => source.pipe(unframe(), map(shown)), {
      source: '  -x-y-#',
      values: { x: seven, y: eight.subarray(0, 13) },
      subs: '    ^----!',
      expected: '-7---#',
      results: { 7: segmentShown[0] },
    });
  });

  it('leaves its source when it is left', () => {
    expectPicture((source) => source.pipe(unframe(), map(shown)), {
      source: '  -x--y--',
      values: { x: seven, y: eight },
      subs: '    ^--!',
      expected: '-7--',
      results: { 7: segmentShown[0] },
      unsub: '   ---!',
    });
  });
});
