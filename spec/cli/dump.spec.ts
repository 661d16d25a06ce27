import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cborCodec, openWal } from 'rxwal';
import { join as joinBytes, le } from '../support/bytes';
import { buildLog, segmentBytes, segmentFile, withFileBytes } from '../support/logs';
import type { Files } from '../support/reference';
import { inShell, jsonLines, rxwal, Scratch } from './program';

const LAST = segmentFile(3);

interface Line {
  readonly lsn: number;
  readonly value?: unknown;
  readonly undecodable?: string;
}

describe('rxwal dump', () => {
  const scratch = new Scratch();
  const { root } = scratch;
  let orders: string;
  let closed: Files;

  beforeAll(async () => {
    closed = await buildLog('closed', true);
    orders = join(root, 'orders');
    const wal = await openWal<unknown>(orders, { maxSegmentBytes: 400 });
    for (let id = 1; id <= 20; id += 1) {
      wal.next({ type: id % 5 === 0 ? 'Refund' : 'Order', id: BigInt(id), customer: { name: `c${id % 3}` } });
      if (id % 4 === 0) await wal.flush();
    }
    await wal.close();
  });

  afterAll(() => scratch.remove());

  const dirOf = (files: Files): string => scratch.dirOf(files);

  const lsnsOf = (stdout: string): number[] => jsonLines<Line>(stdout).map(({ lsn }) => lsn);
  const from = (first: number, last: number): number[] =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index);

  it('prints every record, or those of a range, or the first few', async () => {
    const [all, after, until, both, limit, pastTheEnd] = await Promise.all([
      rxwal(['dump', orders]),
      rxwal(['dump', orders, '--after', '7']),
      rxwal(['dump', orders, '--until', '3']),
      rxwal(['dump', orders, '--after', '7', '--until', '9']),
      rxwal(['dump', orders, '--limit', '2', '--after', '10']),
      rxwal(['dump', orders, '--after', '21']),
    ]);
    expect(all).toMatchObject({ code: 0, stderr: '' });
    expect(lsnsOf(all.stdout)).toEqual(from(1, 20));
    expect(jsonLines(all.stdout)[4]).toEqual({
      lsn: 5,
      value: { type: 'Refund', id: { $bigint: '5' }, customer: { name: 'c2' } },
    });
    expect(lsnsOf(after.stdout)).toEqual(from(8, 20));
    expect(lsnsOf(until.stdout)).toEqual(from(1, 3));
    expect(lsnsOf(both.stdout)).toEqual([8, 9]);
    expect(lsnsOf(limit.stdout)).toEqual([11, 12]);
    expect(pastTheEnd).toMatchObject({ code: 3, stdout: '' });
    expect(pastTheEnd.stderr).toMatch(/^rxwal: USAGE: after 21 is past the last LSN, 20/);
  });

  it('--where: by dotted paths, all of them; --values: without the LSNs', async () => {
    const [refunds, nested, two, none, values, wrong] = await Promise.all([
      rxwal(['dump', orders, '--where', 'type=Refund']),
      rxwal(['dump', orders, '--where', 'customer.name=c1']),
      rxwal(['dump', orders, '--where', 'type=Refund', '--where', 'customer.name=c1', '--where', 'id=10']),
      rxwal(['dump', orders, '--where', 'customer.age=1']),
      rxwal(['dump', orders, '--values', '--limit', '1']),
      rxwal(['dump', orders, '--where', 'type']),
    ]);
    expect(lsnsOf(refunds.stdout)).toEqual([5, 10, 15, 20]);
    expect(lsnsOf(nested.stdout)).toEqual([1, 4, 7, 10, 13, 16, 19]);
    expect(lsnsOf(two.stdout)).toEqual([10]);
    expect(none).toMatchObject({ code: 0, stdout: '' });
    expect(jsonLines(values.stdout)).toEqual([{ type: 'Order', id: { $bigint: '1' }, customer: { name: 'c1' } }]);
    expect(wrong).toMatchObject({ code: 3, stdout: '' });
    expect(wrong.stderr).toBe("rxwal: USAGE: --where takes path=value, not 'type'\n");
  });

  it('--marks and --checkpoints: where they stand; raw payloads as base64', async () => {
    const { code, stdout } = await rxwal(['dump', dirOf(closed), '--codec', 'raw', '--marks', '--checkpoints']);
    expect(code).toBe(0);
    const lines = jsonLines<Record<string, unknown>>(stdout);
    expect(lines.map((line) => Object.keys(line)[0])).toEqual([
      ...['mark', 'lsn', 'mark', 'lsn', 'mark', 'lsn', 'mark', 'checkpoint', 'lsn', 'mark', 'lsn', 'mark'],
      ...['lsn', 'lsn', 'mark', 'lsn', 'mark'],
    ]);
    expect(lines[0]).toEqual({ mark: 0, file: segmentFile(0), offset: 32 });
    expect(lines[1]).toEqual({ lsn: 1, value: Buffer.from('one').toString('base64') });
    expect(lines[7]).toMatchObject({ checkpoint: { lsn: 1, epoch: 5, transactionId: 77 }, file: segmentFile(1) });
  });

  it('a payload that does not decode is told, ends nothing, and makes the exit code 2', async () => {
    const encode = (value: unknown): Uint8Array => Uint8Array.from(cborCodec<unknown>().encode(value));
    const frames = [
      ['record', 1, encode('one')],
      ['record', 2, Uint8Array.of(0xff, 0xff)],
      ['record', 3, encode({ n: 3 })],
    ] as const;
    const dir = dirOf(new Map([[segmentFile(0), segmentBytes(1, frames)]]));
    const [all, some] = await Promise.all([rxwal(['dump', dir]), rxwal(['dump', dir, '--where', 'n=3', '--values'])]);
    expect(all.code).toBe(2);
    expect(jsonLines(all.stdout)).toEqual([
      { lsn: 1, value: 'one' },
      { lsn: 2, undecodable: '//8=', error: expect.stringContaining('CBOR') },
      { lsn: 3, value: { n: 3 } },
    ]);
    expect(all.stderr).toBe('rxwal: 1 payload did not decode with the codec cbor\n');
    expect(some.code).toBe(2);
    expect(jsonLines(some.stdout)).toEqual([expect.objectContaining({ lsn: 2 }), { n: 3 }]);
  });

  it('a torn tail is a remark; damage ends it behind the last record before, with exit code 2', async () => {
    const torn = withFileBytes(closed, LAST, joinBytes(closed.get(LAST)!, le(100, 4), le(9, 8), [1, 2, 3]));
    const harmed = withFileBytes(
      closed,
      LAST,
      closed.get(LAST)!.map((byte, at) => (at === 64 ? byte ^ 1 : byte)),
    );
    const [tail, damage, json, truncated] = await Promise.all([
      rxwal(['dump', '--codec', 'raw', dirOf(torn)]),
      rxwal(['dump', '--codec', 'raw', dirOf(harmed)]),
      rxwal(['dump', '--codec', 'raw', '--json', dirOf(harmed)]),
      rxwal(['dump', '--codec', 'raw', '--after', '0', dirOf(await buildLog('closed'))]),
    ]);
    expect(tail.code).toBe(0);
    expect(lsnsOf(tail.stdout)).toEqual(from(1, 8));
    expect(tail.stderr).toMatch(/^rxwal: wal_00000003.log ends in a torn tail of 15 bytes at byte \d+: /);
    expect(damage.code).toBe(2);
    expect(lsnsOf(damage.stdout)).toEqual(from(1, 4));
    expect(damage.stderr).toMatch(
      /^rxwal: WAL_CORRUPT: wal_00000003.log is damaged at byte 48 \(LSN 5\)[^\n]*\nrxwal: [^\n]*rxwal repair[^\n]*\n$/,
    );
    expect(jsonLines(json.stderr)).toEqual([
      { error: expect.objectContaining({ code: 'WAL_CORRUPT', file: LAST, offset: 48, lsn: 5 }) },
    ]);
    expect(truncated.code).toBe(4);
    expect(truncated.stderr).toMatch(/^rxwal: WAL_TRUNCATED: LSN 1 was removed by a checkpoint; .* LSN 3\./);
  });

  it('values that JSON has no word for come out in words, and dump | append keeps them', async () => {
    const values = [
      2n ** 70n,
      new Date(1.7e12),
      new Date(NaN),
      Uint8Array.of(1, 2, 255),
      Float32Array.of(1.5, -2),
      new Map<unknown, unknown>([['k', new Set([1, undefined])]]),
      [NaN, Infinity, -Infinity, undefined, null],
      { $bigint: 'not one', plain: { $set: [] } },
      'text\nwith a line',
    ];
    const dir = join(root, 'odd');
    const wal = await openWal<unknown>(dir);
    for (const value of values) wal.next(value);
    await wal.close();
    const { stdout } = await rxwal(['dump', dir, '--values']);
    expect(stdout.trimEnd().split('\n')).toEqual([
      '{"$bigint":"1180591620717411303424"}',
      '{"$date":"2023-11-14T22:13:20.000Z"}',
      '{"$date":null}',
      '{"$bytes":"AQL/"}',
      '{"$array":["Float32Array","AADAPwAAAMA="]}',
      '{"$map":[["k",{"$set":[1,{"$undefined":true}]}]]}',
      '[{"$number":"NaN"},{"$number":"Infinity"},{"$number":"-Infinity"},{"$undefined":true},null]',
      '{"$object":{"$bigint":"not one","plain":{"$object":{"$set":[]}}}}',
      '"text\\nwith a line"',
    ]);
    const copy = join(root, 'odd-copy');
    const appended = await rxwal(['append', copy, '--quiet'], { input: stdout });
    expect(appended).toMatchObject({ code: 0, stdout: '{"lsn":9,"durable":true}\n' });
    expect((await rxwal(['dump', copy, '--values'])).stdout).toBe(stdout);
  });

  it('--codec takes a module, and says what is wrong with one', async () => {
    const path = join(root, 'upper.js');
    writeFileSync(
      path,
      `exports.codec = {
        encode: (value) => Buffer.from(value.toLowerCase()),
        decode: (payload) => Buffer.from(payload).toString().toUpperCase(),
      };`,
    );
    const empty = join(root, 'empty.js');
    writeFileSync(empty, 'exports.nothing = 1;');
    const dir = dirOf(closed);
    const [upper, none, missing] = await Promise.all([
      rxwal(['dump', dir, '--codec', path, '--values', '--limit', '2']),
      rxwal(['dump', dir, '--codec', empty]),
      rxwal(['dump', dir, '--codec', join(root, 'nowhere.js')]),
    ]);
    expect(upper).toMatchObject({ code: 0, stdout: '"ONE"\n"TWO!"\n' });
    expect(none).toMatchObject({ code: 3, stdout: '' });
    expect(none.stderr).toMatch(/^rxwal: USAGE: --codec: .*empty.js exports no codec/);
    expect(missing.code).toBe(3);
  });

  it('a reader who goes away ends it quietly', async () => {
    const dir = join(root, 'long');
    const wal = await openWal<unknown>(dir, { durability: { mode: 'nosync' } });
    for (let at = 0; at < 20_000; at += 1) wal.next({ at, text: 'x'.repeat(200) });
    await wal.close();
    const { stdout, stderr } = await inShell(`rxwal dump ${dir} | head -n 1; echo "exit \${PIPESTATUS[0]}"`);
    expect(stdout).toMatch(/^\{"lsn":1,[^\n]*\nexit 0\n$/);
    expect(stderr).toBe('');
    const { stdout: lines } = await inShell(`rxwal dump ${dir} | wc -l`);
    expect(lines.trim()).toBe('20000');
  });
});
