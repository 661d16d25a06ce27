import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endAll, jsonLines, rxwal, startSpecProgram } from './program';

describe('beside a process that writes, rotates and truncates all the time', () => {
  let root: string;

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'rxwal-beside-'));
  });

  afterAll(async () => {
    await endAll();
    rmSync(root, { recursive: true, force: true });
  });

  it('verify never sees damage; dump shows records in order, or says which a checkpoint has removed', async () => {
    const dir = join(root, 'log');
    const writer = startSpecProgram(
      'writer.ts',
      dir,
      JSON.stringify({ durability: { mode: 'batch', maxDelayMs: 1, maxRecords: 20 }, maxSegmentBytes: 20_000 }),
    );
    await writer.next();
    writer.send('append 100');
    await writer.next();
    const looking = { isOver: false };
    const looks = (async () => {
      const verdicts: (number | null)[] = [];
      const dumps: Awaited<ReturnType<typeof rxwal>>[] = [];
      for (let round = 0; round < 4; round += 1) {
        const [verified, dumped] = await Promise.all([rxwal(['verify', dir]), rxwal(['dump', dir])]);
        verdicts.push(verified.code);
        dumps.push(dumped);
      }
      looking.isOver = true;
      return { verdicts, dumps };
    })();
    let acked = 100;
    while (!looking.isOver) {
      writer.send('append 300');
      acked = Number((await writer.next())[0]!.split(' ')[1]);
      writer.send(`checkpoint ${acked - 200}`);
      await writer.next();
    }
    const { verdicts, dumps } = await looks;
    // A write that is on its way may look like a torn tail.
    expect(verdicts.every((code) => code === 0 || code === 1)).toBe(true);
    for (const { code, stdout, stderr } of dumps) {
      const truncated = /^rxwal: WAL_TRUNCATED: LSN \d+ was removed by a checkpoint/.test(stderr);
      expect({ code, truncated }).toEqual(truncated ? { code: 4, truncated } : { code: 0, truncated });
      const lsns = jsonLines<{ lsn: number }>(stdout).map(({ lsn }) => lsn);
      expect(lsns).toEqual(lsns.map((_, index) => lsns[0]! + index));
    }
    expect(acked).toBeGreaterThan(1000);
    writer.send('close');
    await writer.ended;
    expect((await rxwal(['verify', dir])).code).toBe(0);
  });
});
