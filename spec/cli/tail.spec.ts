import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildLog } from '../support/logs';
import { endAll, jsonLines, rxwal, startRxwal, startSpecProgram, writeFiles, type Running } from './program';

describe('rxwal tail', () => {
  let root: string;

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'rxwal-tail-'));
  });

  afterAll(async () => {
    await endAll();
    rmSync(root, { recursive: true, force: true });
  });

  const lsnsOf = (lines: readonly string[]): number[] =>
    jsonLines<{ lsn: number }>(lines.join('\n')).map(({ lsn }) => lsn);
  const from = (first: number, last: number): number[] =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index);

  /** Starts a writer, and waits until its log is open. */
  async function writerOn(dir: string, work: object): Promise<Running> {
    const writer = startSpecProgram('writer.ts', dir, JSON.stringify(work));
    await writer.next();
    return writer;
  }

  async function tell(writer: Running, command: string): Promise<string> {
    writer.send(command);
    return (await writer.next())[0]!;
  }

  /** Waits until the record with this LSN is shown. */
  async function shows(tail: Running, lsn: number): Promise<void> {
    while ((lsnsOf(tail.lines.slice(-1))[0] ?? 0) < lsn) await tail.next();
  }

  it('prints the last records that are proven to be durable, and ends', async () => {
    const dirs = await Promise.all(
      (['closed', 'crashed'] as const).map(async (ending) => {
        const dir = join(root, ending);
        mkdirSync(dir);
        return writeFiles(dir, await buildLog(ending));
      }),
    );
    const [closed, crashed] = dirs;
    const empty = join(root, 'empty');
    mkdirSync(empty);
    const raw = ['--codec', 'raw'];
    const [all, two, none, after, hidden, nothing, missing, truncated] = await Promise.all([
      rxwal(['tail', ...raw, closed!]),
      rxwal(['tail', ...raw, '-n', '2', closed!, '--values']),
      rxwal(['tail', ...raw, '-n', '0', closed!]),
      rxwal(['tail', ...raw, '--after', '6', closed!]),
      rxwal(['tail', ...raw, '-n', '3', crashed!]),
      rxwal(['tail', empty]),
      rxwal(['tail', '-f', join(root, 'missing')]),
      rxwal(['tail', '-f', ...raw, '--json', '--after', '0', closed!]),
    ]);
    expect(all).toMatchObject({ code: 0, stderr: '' });
    expect(lsnsOf(all.stdout.split('\n'))).toEqual(from(3, 8));
    expect(two.stdout).toBe(
      `"${Buffer.from('7').toString('base64')}"\n"${Buffer.from('eight...').toString('base64')}"\n`,
    );
    expect(none).toMatchObject({ code: 0, stdout: '' });
    expect(lsnsOf(after.stdout.split('\n'))).toEqual([7, 8]);
    expect(lsnsOf(hidden.stdout.split('\n'))).toEqual([5, 6, 7]);
    expect(nothing).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(missing.code).toBe(4);
    expect(truncated.code).toBe(4);
    expect(jsonLines(truncated.stderr)).toMatchObject([{ error: { code: 'WAL_TRUNCATED' } }]);
    expect(truncated.stderr).toContain('the first record still there is LSN 3');
  });

  it('-f follows a writer across rotations, checkpoints, a kill and a close: each record once, in order', async () => {
    const dir = join(root, 'followed');
    const work = { durability: { mode: 'sync' }, maxSegmentBytes: 2000 };
    let writer = await writerOn(dir, work);
    await tell(writer, 'append 1');
    await tell(writer, 'append 4');
    const tail = startRxwal('tail', '-f', '-n', '3', '--interval', '20', dir);
    await shows(tail, 1);
    // A batch that the follower finds when it first opens a segment is hidden until the next one begins with its mark.
    await tell(writer, 'append 200');
    await tell(writer, 'append 1');
    await shows(tail, 205);
    await tell(writer, 'rotate');
    await tell(writer, 'checkpoint 150');
    await tell(writer, 'append 3');
    await tell(writer, 'append 1');
    await shows(tail, 209);

    writer.send('append 5000');
    await shows(tail, 300);
    await writer.kill();
    writer = await writerOn(dir, work);
    const acked = Number((await tell(writer, 'append 2')).split(' ')[1]);
    await tell(writer, 'close');
    await shows(tail, acked);

    tail.signal('SIGINT');
    expect(await tail.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(lsnsOf(tail.lines)).toEqual(from(1, acked));
  });

  it('-f shows a record that no mark names yet: it makes sure by itself', async () => {
    const dir = join(root, 'alone');
    const writer = await writerOn(dir, { durability: { mode: 'sync' } });
    await tell(writer, 'append 1');
    const tail = startRxwal('tail', '-f', '-n', '1', '--interval', '20', dir);
    // Lines that come at three different times are of three looks; from the second on, it has a descriptor of the segment.
    for (let times = 0; times < 3; times += 1) {
      const before = tail.lines.length;
      while (tail.lines.length === before) await tell(writer, 'append 1');
    }
    const acked = Number((await tell(writer, 'append 1')).split(' ')[1]);
    await shows(tail, acked);
    tail.signal('SIGINT');
    expect((await tail.ended).code).toBe(0);
    expect((await rxwal(['tail', '-n', '1', dir])).stdout).toContain(`{"lsn":${acked - 1},`);
    await tell(writer, 'close');
  });
});
