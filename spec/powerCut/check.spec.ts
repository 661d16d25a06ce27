import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { FRAME_OVERHEAD_BYTES } from '../../src/format/frame';
import { HEADER_BYTES } from '../../src/format/header';
import { openWal } from '../../src/openWal';
import { rawCodec } from '../../src/codec/rawCodec';
import { check, type Finding } from './check';
import { Draw } from '../support/draw';
import { NOTHING_FOLDED, folded } from '../support/fold';
import { recordBytes } from './records';
import { Truth } from './truth';

describe('the check of a log behind a power cut', () => {
  let dir: string;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'rxwal-power-cut-check-'));
    // Opening 1 wrote LSN 1 to 3, opening 2 wrote 4 and 5.
    for (const [opening, lsns] of [
      [1, [1, 2, 3]],
      [2, [4, 5]],
    ] as const) {
      const wal = await openWal(dir, { codec: rawCodec(), preallocateBytes: 0 });
      for (const lsn of lsns) await lastValueFrom(wal.append(recordBytes(lsn, opening)));
      await wal.close();
    }
  });

  afterEach(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  const TRUE = [...[1, 2, 3].map((lsn) => `append ${lsn} 1`), 'append 4 2', 'append 5 2', 'durable 5 100'];

  const checked = (lines: readonly string[], at = 100): Promise<Finding> => {
    const truth = new Truth();
    for (const line of lines) truth.hear(line);
    return check(dir, truth, truth.at(at), new Draw(1));
  };

  it('finds nothing wrong with a log that keeps its promises, and goes on with it', async () => {
    const finding = await checked(TRUE);
    expect(finding.violations).toEqual([]);
    expect(finding.recovery).toMatchObject({ firstLsn: 1, lastLsn: 5, clean: true, bytesCut: 0 });
    const wal = await openWal(dir, { codec: rawCodec() });
    expect(wal.lastLsn).toBeGreaterThan(5);
    await wal.close();
  });

  it.each([
    ['an acknowledged record is missing', ['append 6 2', 'durable 6 100'], 'it ends at LSN 5, and 6 was acknowledged'],
    [
      'a checkpoint is missing',
      ['checkpointing 2 100', 'checkpointed 2 100'],
      'its checkpoint is 0, and 2 was acknowledged',
    ],
  ])('finds that %s', async (_, more, violation) => {
    expect((await checked([...TRUE, ...more])).violations).toEqual([violation]);
  });

  it.each([
    ['a group is there in part only', ['append 6 2', 'group 4 6 2'], 'it ends at LSN 5, inside a group'],
    ['a reader is forgotten', ['holding 2 100', 'held 2 100'], 'its reader is at -1, and was promised 2'],
  ])('finds that %s', async (_, more, violation) => {
    expect((await checked([...TRUE, ...more])).violations).toContain(violation);
  });

  it('finds a reader where nobody has asked it to be', async () => {
    const wal = await openWal(dir, { codec: rawCodec(), preallocateBytes: 0 });
    await wal.hold('mail', 3);
    await wal.close();
    const asked = await checked([...TRUE, 'holding 2 100']);
    expect(asked.violations).toEqual(['its reader is at 3, asked for was 2']);
  });

  it('finds a projection that is not the fold of the log', async () => {
    const wal = await openWal(dir, { codec: rawCodec(), preallocateBytes: 0 });
    const projection = wal.project({
      name: 'fold',
      initial: NOTHING_FOLDED,
      reduce: (fold, { lsn }) => folded(fold, 1, lsn),
      checkpoint: false,
    });
    await projection.at(4);
    await wal.close();
    const { violations } = await checked(TRUE);
    expect(violations[0]).toMatch(/^a projection's state at LSN 5 is not what the records up to there make$/);
  });

  it('finds a record that nobody appended', async () => {
    const finding = await checked(TRUE.filter((line) => line !== 'append 4 2'));
    expect(finding.violations).toEqual(['LSN 4 of opening 2 was never appended']);
  });

  it('finds a record that is not the acknowledged one', async () => {
    const finding = await checked(['append 1 1', 'append 1 3', ...TRUE.slice(1)]);
    expect(finding.violations).toEqual(['LSN 1 is of opening 1, and that of 3 was acknowledged']);
  });

  it('finds that acknowledged records were cut off with a torn tail', async () => {
    const file = join(dir, 'wal_00000000.log');
    truncateSync(file, readFileSync(file).length - recordBytes(5, 2).length);
    const finding = await checked(TRUE);
    expect(finding.recovery).toMatchObject({ lastLsn: 4, clean: false });
    expect(finding.violations).toEqual(['it ends at LSN 4, and 5 was acknowledged']);
    expect(finding.recovery!.bytesCut).toBeGreaterThan(0);
  });

  it('is content with a torn tail that nobody was promised', async () => {
    const file = join(dir, 'wal_00000000.log');
    truncateSync(file, readFileSync(file).length - recordBytes(5, 2).length);
    expect((await checked([...TRUE.slice(0, 5), 'durable 4 100'])).violations).toEqual([]);
  });

  it('finds that records are gone which no checkpoint has let go', async () => {
    const wal = await openWal(dir, { codec: rawCodec() });
    await wal.rotate();
    await lastValueFrom(wal.append(recordBytes(6, 3)));
    await wal.checkpoint({ lsn: 5 });
    await wal.close();
    const lines = [...TRUE, 'append 6 3', 'durable 6 100'];
    expect((await checked(lines)).violations).toEqual([
      'it begins at LSN 6, and the newest checkpoint asked for is 0',
      'its checkpoint is 5, asked for was 0',
      'a projection does not begin: LSN 1 was removed by a checkpoint; the first record still there is LSN 6.',
    ]);
  });

  it('reports a log that refuses to open', async () => {
    const file = join(dir, 'wal_00000000.log');
    const bytes = readFileSync(file);
    // Before the second record: the first one, and a mark.
    const second = HEADER_BYTES + 2 * FRAME_OVERHEAD_BYTES + recordBytes(1, 1).length;
    bytes[second + 20]! ^= 1;
    writeFileSync(file, bytes);
    const finding = await checked(TRUE);
    expect(finding.recovery).toBeUndefined();
    expect(finding.violations).toEqual([
      expect.stringContaining(`fails: wal_00000000.log is damaged at byte ${second} (LSN 2)`),
    ]);
    expect(readFileSync(file)).toEqual(bytes);
  });
});
