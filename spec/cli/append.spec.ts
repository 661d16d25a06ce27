import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { readWal } from 'rxwal';
import { endAll, inShell, jsonLines, rxwal, startRxwal } from './program';

describe('rxwal append', () => {
  let root: string;

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'rxwal-append-'));
  });

  afterAll(async () => {
    await endAll();
    rmSync(root, { recursive: true, force: true });
  });

  const valuesOf = (dir: string): Promise<unknown[]> =>
    lastValueFrom(readWal<unknown>(dir).pipe(toArray())).then((entries) => entries.map(({ value }) => value));
  const acks = (first: number, last: number, durable = true): object[] =>
    Array.from({ length: last - first + 1 }, (_, index) => ({ lsn: first + index, durable }));

  it.each([
    ['sync', true],
    ['batch', true],
    ['adaptive', true],
    ['nosync', false],
  ])('--mode %s: an ack for each line, in order; the log is closed behind them', async (mode, durable) => {
    const dir = join(root, mode);
    const input = '{"n":1}\n\n  \n[2,"zwei"]\r\nnull\n"the last line has no end"';
    const result = await rxwal(['append', dir, '--mode', mode, '--max-delay-ms', '1'], { input });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(jsonLines(result.stdout)).toEqual(acks(1, 4, durable));
    expect(await valuesOf(dir)).toEqual([{ n: 1 }, [2, 'zwei'], null, 'the last line has no end']);
    expect(jsonLines((await rxwal(['verify', '--json', dir])).stdout)).toMatchObject([{ state: 'closed', records: 4 }]);
  });

  it('a line that cannot be a record: what stands before it is acknowledged, exit code 3 names it; --skip-bad goes on', async () => {
    const [broken, skipping] = [join(root, 'broken'), join(root, 'skipping')];
    const input = '1\n2\n{"half\n4\n{"$bigint":"x"}\n6\n';
    // Its standard input stays open: it ends by itself.
    const running = startRxwal('append', broken);
    running.send(input);
    const [strict, json, skip, large] = await Promise.all([
      running.ended,
      rxwal(['append', join(root, 'json'), '--json'], { input }),
      rxwal(['append', skipping, '--skip-bad', '--quiet'], { input }),
      rxwal(['append', join(root, 'large'), '--max-record-bytes', '10'], { input: '1\n"longer than that"\n' }),
    ]);
    expect(strict.code).toBe(3);
    expect(jsonLines(strict.stdout)).toEqual(acks(1, 2));
    expect(strict.stderr).toMatch(/^rxwal: USAGE: line 3: [^\n]*JSON[^\n]*\n$/);
    expect(jsonLines(json.stderr)).toMatchObject([{ error: { code: 'USAGE' } }]);
    expect(skip).toMatchObject({ code: 0, stdout: '{"lsn":4,"durable":true}\n' });
    expect(skip.stderr).toMatch(/^rxwal: skipped line 3: .*\nrxwal: skipped line 5: .*\nrxwal: 2 lines skipped\n$/);
    expect(await valuesOf(skipping)).toEqual([1, 2, 4, 6]);
    expect(large.code).toBe(3);
    expect(jsonLines(large.stdout)).toEqual(acks(1, 1));
    expect(large.stderr).toMatch(/^rxwal: USAGE: line 2: /);
  });

  it('answers each line as it comes; a signal ends it when all is durable, with exit code 0', async () => {
    const dir = join(root, 'talk');
    const running = startRxwal('append', dir);
    for (let lsn = 1; lsn <= 3; lsn += 1) {
      running.send(String(lsn));
      expect(await running.next()).toEqual([JSON.stringify({ lsn, durable: true })]);
    }
    running.write('"half of a li');
    running.signal('SIGTERM');
    expect(await running.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(await valuesOf(dir)).toEqual([1, 2, 3]);
    expect((await rxwal(['verify', dir])).stdout).toContain(': whole');
  });

  it('a record that was acknowledged is there after a kill', async () => {
    const dir = join(root, 'killed');
    const running = startRxwal('append', dir);
    for (let n = 1; n <= 200; n += 1) running.send(String(n));
    const [last] = (await running.next(50)).slice(-1);
    await running.kill();
    const acked = Math.max(...jsonLines<{ lsn: number }>(running.lines.join('\n')).map(({ lsn }) => lsn));
    expect(last).toBe(JSON.stringify({ lsn: 50, durable: true }));
    const values = await valuesOf(dir);
    expect(values.length).toBeGreaterThanOrEqual(acked);
    expect(values).toEqual(Array.from(values, (_, index) => index + 1));
  });

  it('more lines than may be on their way at a time, with raw payloads; a reader of the acks who goes away', async () => {
    const [many, gone] = [join(root, 'many'), join(root, 'gone')];
    const lines = Array.from({ length: 5000 }, (_, n) =>
      JSON.stringify(Buffer.from(`payload ${n}`).toString('base64')),
    );
    const [result, { stdout, stderr }] = await Promise.all([
      rxwal(['append', many, '--codec', 'raw', '--mode', 'batch', '--max-segment-bytes', '20000'], {
        input: lines.join('\n'),
      }),
      inShell(`yes 1 | rxwal append ${gone} | head -n 2; echo "exit \${PIPESTATUS[1]}"`),
    ]);
    expect(result.code).toBe(0);
    expect(jsonLines(result.stdout)).toEqual(acks(1, 5000));
    const dumped = await rxwal(['dump', many, '--codec', 'raw', '--values']);
    expect(dumped.stdout.trimEnd().split('\n')).toEqual(lines);
    expect(stdout).toBe('{"lsn":1,"durable":true}\n{"lsn":2,"durable":true}\nexit 0\n');
    expect(stderr).toBe('');
    expect((await rxwal(['verify', gone])).code).toBe(0);
  });

  it('refuses a bad mode before it touches the directory', async () => {
    const dir = join(root, 'untouched');
    const { code, stderr } = await rxwal(['append', dir, '--mode', 'fast'], { input: '1\n' });
    expect(code).toBe(3);
    expect(stderr).toMatch(/^rxwal: USAGE: option '--mode <mode>' argument 'fast' is invalid\. Allowed choices/);
    expect((await rxwal(['verify', dir])).code).toBe(4);
  });
});
