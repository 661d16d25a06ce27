import { isDeepStrictEqual } from 'node:util';
import { Writable } from 'node:stream';
import * as fc from 'fast-check';
import { concatMap, ignoreElements, tap } from 'rxjs';
import { marblePlan, memoryStore } from 'rxwal/testing';
import { Distribution } from '../../src/cli/distribution';
import { describeFailure, exitCodeOf } from '../../src/cli/failure';
import { fromJson, toJson } from '../../src/cli/jsonValue';
import { linesOf, type Line } from '../../src/cli/lines';
import { logFrames } from '../../src/cli/logFrames';
import { Output } from '../../src/cli/output';
import { readingStore } from '../../src/cli/readingStore';
import { condition } from '../../src/cli/where';
import { WalCorruptError, WalLockedError } from '../../src/errors';
import { collect, segmentBytes, segmentFile } from '../support/logs';

describe('jsonValue', () => {
  const leaf = fc.oneof(
    fc.string(),
    fc.double(),
    fc.bigInt(),
    fc.boolean(),
    fc.constantFrom(null, undefined, NaN, -0, Infinity),
    // Two dates that are none are not deeply equal.
    fc.date({ noInvalidDate: true }),
    fc.uint8Array(),
    fc.float64Array({ noNaN: true }),
    fc.int16Array(),
    fc.bigInt64Array(),
  );
  const key = fc.oneof(fc.string(), fc.constantFrom('$bigint', '$date', '$object', '$', '__proto__', 'constructor'));
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie('value'), { maxLength: 4 }),
      fc.array(fc.tuple(key, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
      fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
      fc.array(tie('value'), { maxLength: 3 }).map((items) => new Set(items)),
    ),
  }));

  it('gives back a date that is none', () => {
    const back = fromJson(JSON.parse(JSON.stringify(toJson(new Date(NaN)))));
    expect(back).toBeInstanceOf(Date);
    expect(Number(back)).toBeNaN();
  });

  it('gives back every value, through a line of text', () => {
    fc.assert(
      fc.property(value, (original) => {
        const line = JSON.stringify(toJson(original));
        expect(line).not.toContain('\n');
        expect(isDeepStrictEqual(fromJson(JSON.parse(line)), original)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    '{"$bigint":"1.5"}',
    '{"$bytes":"not base64!"}',
    '{"$array":["Array","AAAA"]}',
    '{"$array":["Float64Array","AAAA"]}',
    '{"$number":"1"}',
    '{"$map":[1]}',
    '{"$set":1}',
    '{"$unknown":1}',
    '{"$date":"2026","and":"more"}',
  ])('refuses %s', (text) => {
    expect(() => fromJson(JSON.parse(text))).toThrow(expect.objectContaining({ name: 'UsageError' }));
  });
});

describe('lines', () => {
  it('cuts text into lines, wherever its chunks end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.stringMatching(/^[ab"]{0,5}$/), { minLength: 1 }),
        fc.boolean(),
        fc.infiniteStream(fc.integer({ min: 1, max: 7 })),
        async (texts, crlf, sizes) => {
          const whole = texts.join(crlf ? '\r\n' : '\n');
          const chunks = async function* (): AsyncGenerator<string> {
            for (let at = 0; at < whole.length;) {
              const size = sizes.next().value as number;
              yield await Promise.resolve(whole.slice(at, at + size));
              at += size;
            }
          };
          const found: Line[] = [];
          for await (const line of linesOf(chunks())) found.push(line);
          const expected = texts.at(-1) === '' ? texts.slice(0, -1) : texts;
          expect(found).toEqual(expected.map((text, index) => ({ number: index + 1, text })));
        },
      ),
    );
  });
});

describe('where', () => {
  const value = { a: { b: [10, { c: 'x=y' }] }, big: 7n, at: new Date(0), none: null, map: new Map([['k', true]]) };

  it.each([
    ['a.b.0=10', true],
    ['a.b.1.c=x=y', true],
    ['a.b.0=1', false],
    ['big=7', true],
    ['at=1970-01-01T00:00:00.000Z', true],
    ['none=null', true],
    ['map.k=true', true],
    ['a.b.1={"c":"x=y"}', true],
    ['a.x=undefined', false],
    ['toString=x', false],
  ])('%s is %p', (text, holds) => {
    expect(condition(text)(value)).toBe(holds);
  });
});

describe('Distribution', () => {
  it('gives exact percentiles', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(50), { minLength: 1 }), (values) => {
        const found = new Distribution();
        for (const value of values) found.add(value);
        const sorted = [...values].sort((a, b) => a - b);
        const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1]!;
        const sum = values.reduce((total, value) => total + value, 0);
        expect(found.spread()).toEqual({ count: values.length, sum, p50: at(0.5), p99: at(0.99), max: at(1) });
      }),
    );
    expect(new Distribution().spread()).toEqual({ count: 0, sum: 0, p50: 0, p99: 0, max: 0 });
  });
});

describe('failure', () => {
  it('says who holds a log', () => {
    const holder = { pid: 4711, host: 'a', since: '2026-01-01T00:00:00.000Z' };
    expect(JSON.parse(describeFailure(new WalLockedError('/log', holder), true))).toMatchObject({
      error: { code: 'WAL_LOCKED', holder },
    });
  });

  it('says damage with its place, as a line and as JSON', () => {
    const damage = new WalCorruptError({ file: 'wal_00000000.log', offset: 32, lsn: 1, reason: 'it is gone' });
    expect(exitCodeOf(damage)).toBe(2);
    const [what, now, ...more] = describeFailure(damage, false).split('\n');
    expect(what).toBe(
      'rxwal: WAL_CORRUPT: wal_00000000.log is damaged at byte 32 (LSN 1): it is gone. Nothing was changed.',
    );
    expect(now).toMatch(/^rxwal: .*rxwal repair <dir>/);
    expect(more).toEqual([]);
    expect(JSON.parse(describeFailure(damage, true))).toMatchObject({
      error: { code: 'WAL_CORRUPT', file: 'wal_00000000.log', offset: 32, lsn: 1, reason: 'it is gone' },
    });
  });
});

describe('a reader of the output who is behind', () => {
  it('is waited for: the log is read no further than a chunk ahead', () => {
    const taken: (() => void)[] = [];
    const stream = new Writable({
      highWaterMark: 1000,
      write: (_chunk, _encoding, done) => {
        taken.push(done);
      },
    });
    const out = new Output(stream);
    const payload = 'x'.repeat(1000);
    const frames = Array.from({ length: 5000 }, (_, index) => ['record', index + 1, payload] as const);
    const store = memoryStore({ files: new Map([[segmentFile(0), segmentBytes(1, frames)]]) });
    const chunks = (): number =>
      store.operations.filter(({ kind, bytes }) => kind === 'read' && (bytes ?? 0) > 100_000).length;
    let lines = 0;
    let done = false;
    logFrames(
      readingStore(store, () => out.drained()),
      {
        maxRecordBytes: 10_000,
        onTorn: () => undefined,
        progress: { expect: () => undefined, add: () => undefined },
      },
    )
      .pipe(
        tap(({ frame }) => {
          lines += 1;
          out.line(String(frame.lsn).padStart(900));
        }),
        ignoreElements(),
      )
      .subscribe({
        complete: () => {
          done = true;
        },
        error: (error: unknown) => {
          throw error as Error;
        },
      });
    // The first chunk is a megabyte, about a thousand lines; nobody has taken one.
    expect(chunks()).toBe(1);
    expect(lines).toBeLessThan(1100);
    const before = lines;
    while (stream.writableLength > 0) taken.shift()!();
    // As long as lines are taken, chunks are read; `drain` comes when all are.
    return new Promise<void>((resolve) => {
      const takeOn = (): void => {
        while (taken.length > 0) taken.shift()!();
        if (done) resolve();
        else setImmediate(takeOn);
      };
      takeOn();
    }).then(() => {
      expect(before).toBeGreaterThan(900);
      expect(chunks()).toBe(5);
      expect(lines).toBe(5000);
    });
  });

  it('who has gone is said so: EPIPE is quiet, any other failure is none of that', async () => {
    for (const code of ['EPIPE', 'ENOSPC']) {
      const failure = Object.assign(new Error(code), { code });
      const out = new Output(
        new Writable({
          write: (_chunk, _encoding, done) => {
            done(failure);
          },
        }),
      );
      out.line('anybody there?');
      const gone = await new Promise((resolve) => {
        out.gone$.subscribe({
          next: () => {
            resolve('gone');
          },
          error: resolve,
        });
      });
      expect(gone).toBe(code === 'EPIPE' ? 'gone' : failure);
    }
  });
});

describe('readingStore', () => {
  it('reads, and refuses whatever would change a byte or take the lock', () => {
    const files = new Map([[segmentFile(0), segmentBytes(1, [])]]);
    const store = memoryStore({ files, plan: marblePlan({}) });
    const reading = readingStore(store);
    expect(collect(reading.list()).values).toEqual([[segmentFile(0)]]);
    const file = collect(reading.open(segmentFile(0), 'read')).values[0]!;
    expect(collect(file.size().pipe(concatMap((size) => file.read(0, size)))).values[0]).toHaveLength(32);
    const forbidden = [
      () => reading.lock(),
      () => reading.open('x', 'create'),
      () => reading.open(segmentFile(0), 'write'),
      () => reading.rename('a', 'b'),
      () => reading.remove('a'),
      () => reading.syncDir(),
      () => file.write([Uint8Array.of(1)], 0),
      () => file.truncate(0),
    ];
    for (const change of forbidden) expect(change).toThrow('This command must not change the log');
    expect(store.operations.map(({ kind }) => kind)).toEqual(['list', 'open', 'size', 'read']);
  });
});
