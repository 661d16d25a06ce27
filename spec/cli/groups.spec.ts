import { join } from 'node:path';
import { openWal } from 'rxwal';
import { jsonLines, rxwal, Scratch } from './program';

describe('rxwal, on a log with groups', () => {
  const scratch = new Scratch();
  const dir = join(scratch.root, 'orders');

  beforeAll(async () => {
    const wal = await openWal<unknown>(dir);
    await wal.append({ id: 1 });
    await wal.appendAll([{ id: 2 }, { id: 3 }, { id: 4 }]);
    await wal.appendAll([{ id: 5 }, { id: 6 }]);
    await wal.close();
  });

  afterAll(() => scratch.remove());

  const lsnsOf = (stdout: string): number[] => jsonLines<{ lsn: number }>(stdout).map(({ lsn }) => lsn);

  it('dump shows each record of a group as an entry, from anywhere in it to anywhere', async () => {
    const [all, part, marks] = await Promise.all([
      rxwal(['dump', dir]),
      rxwal(['dump', dir, '--after', '2', '--until', '5']),
      rxwal(['dump', dir, '--marks', '--after', '3']),
    ]);
    expect(jsonLines(all.stdout)).toEqual([1, 2, 3, 4, 5, 6].map((id) => ({ lsn: id, value: { id } })));
    expect(lsnsOf(part.stdout)).toEqual([3, 4, 5]);
    expect(jsonLines(marks.stdout).map((line) => Object.keys(line as object)[0])).toEqual([
      'lsn',
      'mark',
      'lsn',
      'lsn',
      'mark',
    ]);
  });

  it('tail begins inside a group', async () => {
    const { stdout, code } = await rxwal(['tail', dir, '-n', '4']);
    expect(code).toBe(0);
    expect(lsnsOf(stdout)).toEqual([3, 4, 5, 6]);
  });

  it('inspect, verify and stats count records, and payloads without their lengths', async () => {
    const [inspect, verify, stats] = await Promise.all([
      rxwal(['inspect', dir, '--json']),
      rxwal(['verify', dir, '--json']),
      rxwal(['stats', dir, '--json']),
    ]);
    // A map of one entry: its head in three bytes, a text of two letters, and a small number.
    const payloadBytes = 6 * 7;
    expect(JSON.parse(inspect.stdout)).toMatchObject({
      state: 'closed',
      records: 6,
      payloadBytes,
      segments: [{ firstLsn: 1, lastLsn: 6, records: 6, marks: 3, payloadBytes }],
    });
    expect(JSON.parse(verify.stdout)).toMatchObject({ verdict: 'whole', records: 6, lastLsn: 6 });
    expect(JSON.parse(stats.stdout)).toMatchObject({
      records: 6,
      payload: { count: 6, sum: payloadBytes, max: 7 },
      batches: { count: 3, max: 3 },
    });
  });
});
