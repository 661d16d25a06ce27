import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openWal } from 'rxwal';
import { encodeReadersFile } from '../../src/format/readers';
import { LOG_ID, buildLog, withFileBytes } from '../support/logs';
import { Scratch, jsonLines, rxwal } from './program';

const ESCAPE = '\u001b[';
const MOVED_AT = Date.UTC(2026, 0, 1);

describe('who a log is kept for', () => {
  const scratch = new Scratch();

  afterAll(() => scratch.remove());

  /** Eight records, a checkpoint at LSN 1, and these readers. */
  const dirWith = async (readers: readonly [name: string, lsn: number][], cutLsn = 0): Promise<string> => {
    const holds = { readers: readers.map(([name, lsn]) => ({ name, lsn, movedAt: MOVED_AT })), cutLsn };
    const files = await buildLog('closed', true);
    return scratch.dirOf(withFileBytes(files, 'readers.meta', encodeReadersFile(holds, LOG_ID)));
  };

  it('stats and inspect name the readers, how far behind they are, and who keeps the log', async () => {
    const dir = await dirWith([
      ['search', 0],
      ['mail', 8],
    ]);
    const [stats, inspected, json] = await Promise.all([
      rxwal(['stats', dir]),
      rxwal(['inspect', dir]),
      rxwal(['inspect', '--json', dir]),
    ]);
    for (const { code, stdout } of [stats, inspected]) {
      expect(code).toBe(0);
      expect(stdout).toMatch(/^kept +from LSN 1 on, for reader "search"$/m);
      expect(stdout).toMatch(/^reader "mail" +at LSN 8, has everything, moved 2026-01-01T00:00:00.000Z$/m);
      expect(stdout).toMatch(/^reader "search" +at LSN 0, 8 records behind, moved 2026-01-01T00:00:00.000Z$/m);
    }
    // A checkpoint of all would let go of nothing that a reader needs.
    expect(stats.stdout).toMatch(/^a checkpoint now +would free 0 segments of 0 bytes$/m);
    expect(jsonLines(json.stdout)).toMatchObject([
      {
        kept: {
          floorLsn: 0,
          keptBy: { kind: 'reader', name: 'search' },
          cutLsn: 0,
          readers: [
            { name: 'mail', lsn: 8, lag: 0, lost: 0, movedAt: MOVED_AT },
            { name: 'search', lsn: 0, lag: 8, lost: 0, movedAt: MOVED_AT },
          ],
        },
      },
    ]);
  });

  it('of a log that another process writes', async () => {
    const dir = join(scratch.root, 'live');
    await using wal = await openWal<number>(dir);
    for (let value = 1; value <= 4; value += 1) await wal.append(value);
    await wal.hold('mail', 3);
    await wal.rotate();
    await wal.checkpoint();
    await wal.append(5);
    const { code, stdout } = await rxwal(['stats', '--json', dir]);
    expect(code).toBe(0);
    expect(jsonLines(stdout)).toMatchObject([
      { firstLsn: 1, lastLsn: 5, kept: { floorLsn: 3, keptBy: { kind: 'reader', name: 'mail' } } },
    ]);
    expect(jsonLines<{ kept: { readers: unknown[] } }>(stdout)[0]!.kept.readers).toMatchObject([
      { name: 'mail', lsn: 3, lag: 2, lost: 0 },
    ]);
  });

  it('a name can do nothing to a terminal', async () => {
    const dir = await dirWith([[`${ESCAPE}2Jmail\n`, 2]]);
    const { stdout } = await rxwal(['stats', dir]);
    expect(stdout).not.toContain(ESCAPE);
    expect(stdout).toContain(String.raw`reader "\u001b[2Jmail\n"`);
  });

  it('a readers.meta that is harmed is damage, and the rest is shown', async () => {
    const dir = await dirWith([['mail', 2]]);
    writeFileSync(join(dir, 'readers.meta'), 'harmed');
    const [verified, stats] = await Promise.all([rxwal(['verify', '--json', dir]), rxwal(['stats', dir])]);
    expect(verified.code).toBe(2);
    expect(jsonLines(verified.stdout)).toMatchObject([
      { verdict: 'damaged', records: 8, spots: [{ kind: 'damaged', file: 'readers.meta' }] },
    ]);
    expect(stats.code).toBe(0);
    expect(stats.stdout).toMatch(/^records +8 /m);
  });

  it('a log that ends before a reader has lost records, as its opening says', async () => {
    const dir = await dirWith([['mail', 9]]);
    const { code, stdout } = await rxwal(['verify', '--json', dir]);
    expect(code).toBe(2);
    const reason = 'the log ends here, and readers.meta proves that LSN 9 was durable';
    expect(jsonLines(stdout)).toMatchObject([
      { spots: [{ kind: 'damaged', file: 'wal_00000003.log', lsn: 9, reason }] },
    ]);
    await expect(openWal(dir)).rejects.toMatchObject({ code: 'WAL_CORRUPT', file: 'wal_00000003.log', reason });
  });

  it('repair names those that it does not carry over', async () => {
    const dir = await dirWith([['mail', 2]]);
    const { code, stdout } = await rxwal(['repair', dir, join(scratch.root, 'repaired')]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^readers not carried over, .*: "mail"$/m);
  });
});
