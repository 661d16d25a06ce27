import { Subject, from, map } from 'rxjs';
import fc from 'fast-check';
import { rawCodec } from '../../src/codec/rawCodec';
import { claimedPayloadBytes, frameKind, frameLsn, framePayload } from '../../src/format/frame';
import { frame } from '../../src/operators/frame';
import { serialize } from '../../src/operators/serialize';
import type { Frame, Payload } from '../../src/types';
import { bytesOf, expectPicture, payloadBytes, payloadOf, textOf } from './helpers';

const payload = (text: string, commit = true): Payload => payloadOf(bytesOf(text), commit);
const payloads = { A: payload('A'), B: payload('B'), C: payload('C') };
const lsn = map((framed: Frame) => String(framed.lsn));

function framesOf(inputs: readonly Payload[], options?: Parameters<typeof frame>[0]): Frame[] {
  const frames: Frame[] = [];
  const source$ = new Subject<Payload>();
  source$.pipe(frame(options)).subscribe((framed) => frames.push(framed));
  for (const input of inputs) source$.next(input);
  return frames;
}

describe('frame', () => {
  it('gives each payload the next LSN', () => {
    expectPicture((source) => source.pipe(frame({ after: 6 }), lsn), {
      source: '  --A-----B--C--|',
      values: payloads,
      subs: '    ^-------------!',
      expected: '--7-----8--9--|',
    });
  });

  it('begins with LSN 1', () => {
    expectPicture((source) => source.pipe(frame(), lsn), {
      source: '  A|',
      values: payloads,
      expected: '1|',
    });
  });

  it('begins anew for each subscriber', () => {
    const operator = frame({ after: 6 });
    for (let time = 0; time < 2; time += 1) {
      expectPicture((source) => source.pipe(operator, lsn), {
        source: '  A-B|',
        values: payloads,
        expected: '7-8|',
      });
    }
  });

  it('lays out word, LSN and payload, and leaves room for the checksum', () => {
    const [framed] = framesOf([payload('hi')], { after: 0x1_0000_0006 });
    const { buffer, start, end } = framed!;
    expect([...buffer.subarray(start, end - 4)]).toEqual([
      ...[2, 0, 0, 0], // two bytes of payload, kind 0
      ...[7, 0, 0, 0, 1, 0, 0, 0],
      ...[0x68, 0x69],
    ]);
    expect(end - start).toBe(18);
  });

  it('lays out a payload without bytes', () => {
    const [framed] = framesOf([payload('')]);
    const { buffer, start, end } = framed!;
    expect([...buffer.subarray(start, end - 4)]).toEqual([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    expect(end - start).toBe(16);
  });

  it('keeps which records may end a batch', () => {
    expect(framesOf([payload('t', false), payload('C')]).map(({ commit }) => commit)).toEqual([false, true]);
  });

  it('copies the payload: the codec may use its memory again', () => {
    const memory = bytesOf('old');
    const [framed] = framesOf([payloadOf(memory)]);
    memory.fill(0);
    expect(textOf(framePayload(framed!.buffer, framed!.start, framed!.end))).toBe('old');
  });

  describe('makes the frame about a payload that has room around it', () => {
    const codec = rawCodec();
    function roomyOf(...texts: readonly string[]): Payload[] {
      const roomy: Payload[] = [];
      from(texts)
        .pipe(map(bytesOf), serialize({ codec }))
        .subscribe((each) => roomy.push(each));
      return roomy;
    }

    it('without a copy', () => {
      const [payload] = roomyOf('hi');
      const [framed] = framesOf([payload!], { after: 6 });
      expect(framed!.buffer).toBe(payload!.buffer);
      expect([framed!.start, framed!.end]).toEqual([payload!.start - 12, payload!.end + 4]);
      expect(frameLsn(framed!.buffer, framed!.start)).toBe(7);
      expect(textOf(framePayload(framed!.buffer, framed!.start, framed!.end))).toBe('hi');
    });

    it('side by side with the next', () => {
      const frames = framesOf(roomyOf('a', '', 'bc'));
      expect(frames.map(({ start, end }) => [start, end])).toEqual([
        [0, 17],
        [17, 33],
        [33, 51],
      ]);
      expect(new Set(frames.map(({ buffer }) => buffer)).size).toBe(1);
    });

    it('for the first that asks: two lines that share their payloads make two frames', () => {
      const payloads = roomyOf('a', 'b');
      const first = framesOf(payloads, { after: 6 });
      const second = framesOf(payloads, { after: 60 });
      for (const [frames, after] of [
        [first, 6],
        [second, 60],
      ] as const) {
        expect(frames.map(({ buffer, start }) => frameLsn(buffer, start))).toEqual([after + 1, after + 2]);
        expect(frames.map(({ buffer, start, end }) => textOf(framePayload(buffer, start, end)))).toEqual(['a', 'b']);
      }
      expect(payloads.map((each) => textOf(payloadBytes(each)))).toEqual(['a', 'b']);
    });
  });

  it('lays frames side by side in one buffer', () => {
    const frames = framesOf([payload('a'), payload('bc'), payload('')]);
    expect(new Set(frames.map(({ buffer }) => buffer)).size).toBe(1);
    expect(frames.map(({ start, end }) => [start, end])).toEqual([
      [0, 17],
      [17, 35],
      [35, 51],
    ]);
  });

  it('fills a buffer to its last byte before it takes the next', () => {
    const frames = framesOf([payload('a'), payload('b'), payload('c')], { bufferBytes: 34 });
    expect(frames.map(({ start, end }) => [start, end])).toEqual([
      [0, 17],
      [17, 34],
      [0, 17],
    ]);
    expect(frames[1]!.buffer).toBe(frames[0]!.buffer);
    expect(frames[2]!.buffer).not.toBe(frames[0]!.buffer);
  });

  it('gives a frame larger than a buffer one of its own size', () => {
    const [large, small] = framesOf([payload('larger than a buffer'), payload('b')], { bufferBytes: 20 });
    expect(large!.buffer).toHaveLength(36);
    expect(small!.buffer).toHaveLength(20);
  });

  it('keeps every payload, with dense LSNs, whatever the sizes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 30 }),
        fc.nat(100),
        fc.nat(1000),
        (parts, bufferBytes, after) => {
          const frames = framesOf(
            parts.map((bytes) => payloadOf(bytes)),
            { bufferBytes, after },
          );
          expect(frames.map(({ kind }) => kind)).toEqual(parts.map(() => 'record'));
          expect(frames.map((framed) => framed.lsn)).toEqual(parts.map((_, index) => after + index + 1));
          expect(frames.map(({ buffer, start }) => frameLsn(buffer, start))).toEqual(frames.map((each) => each.lsn));
          expect(frames.map(({ buffer, start }) => frameKind(buffer, start))).toEqual(parts.map(() => 'record'));
          expect(frames.map(({ buffer, start }) => claimedPayloadBytes(buffer, start))).toEqual(
            parts.map(({ length }) => length),
          );
          expect(frames.map(({ buffer, start, end }) => [...framePayload(buffer, start, end)])).toEqual(
            parts.map((bytes) => [...bytes]),
          );
        },
      ),
    );
  });

  it('gives the next LSN to a payload that is pushed in while a frame is on its way out', () => {
    const source$ = new Subject<Payload>();
    const seen: string[] = [];
    source$.pipe(frame()).subscribe((framed) => {
      if (framed.lsn === 1) source$.next(payload('B'));
      seen.push(`${framed.lsn} ${textOf(framePayload(framed.buffer, framed.start, framed.end))}`);
    });
    source$.next(payload('A'));
    source$.next(payload('C'));
    expect(seen).toEqual(['2 B', '1 A', '3 C']);
  });

  it('is empty where its source is', () => {
    expectPicture(frame(), { source: '|', subs: '(^!)', expected: '|' });
  });

  it('never ends where its source never does', () => {
    expectPicture(frame(), { source: '-', subs: '^', expected: '-' });
  });

  it("passes its source's error on", () => {
    expectPicture((source) => source.pipe(frame(), lsn), {
      source: '  -A-#',
      values: payloads,
      subs: '    ^--!',
      expected: '-1-#',
    });
  });

  it('leaves its source when it is left', () => {
    expectPicture((source) => source.pipe(frame(), lsn), {
      source: '  -A--B--C',
      values: payloads,
      subs: '    ^----!',
      expected: '-1--2-',
      unsub: '   -----!',
    });
  });
});
