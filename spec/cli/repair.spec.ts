import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { join as joinBytes, le } from '../support/bytes';
import { buildLog, segmentFile, withFileBytes } from '../support/logs';
import type { Files } from '../support/reference';
import { fingerprint, jsonLines, rxwal, Scratch } from './program';

const LAST = segmentFile(3);

describe('rxwal repair', () => {
  const scratch = new Scratch();
  const { root } = scratch;
  let closed: Files;
  let damaged: string;

  beforeAll(async () => {
    closed = await buildLog('closed', true);
    // The record with LSN 5 is harmed.
    damaged = dirOf(
      withFileBytes(
        closed,
        LAST,
        closed.get(LAST)!.map((byte, at) => (at === 62 ? byte ^ 1 : byte)),
      ),
    );
  });

  afterAll(() => scratch.remove());

  const dirOf = (files: Files): string => scratch.dirOf(files);

  it('says what it would do, and does it where it is given a directory; the damaged log is only read', async () => {
    const before = fingerprint(damaged);
    const names = readdirSync(root);
    const dry = await rxwal(['repair', damaged]);
    expect(readdirSync(root)).toEqual(names);
    expect(dry.code).toBe(2);
    expect(dry.stdout).toMatch(/^lost wal_00000003.log at byte 48, 36 bytes, LSN 5: /);
    expect(dry.stdout).toMatch(/\n7 records can be saved; give a new directory to write them\n$/);

    const target = join(root, 'repaired');
    const done = await rxwal(['repair', damaged, target, '--json']);
    expect(done.code).toBe(2);
    expect(jsonLines(done.stdout)).toMatchObject([
      {
        dir: damaged,
        target,
        records: 7,
        gaps: [{ file: LAST, offset: 48, firstLsn: 5, lastLsn: 5 }],
        repair: { records: 7 },
      },
    ]);
    expect(fingerprint(damaged)).toEqual(before);
    const [verified, dumped] = await Promise.all([
      rxwal(['verify', target]),
      rxwal(['dump', target, '--codec', 'raw', '--values']),
    ]);
    expect(verified.code).toBe(0);
    expect(jsonLines<string>(dumped.stdout).map((text) => Buffer.from(text, 'base64').toString())).toEqual([
      'one',
      'two!',
      '',
      '4'.repeat(40),
      'six',
      '7',
      'eight...',
    ]);
  });

  it('a whole log, and one with a torn tail, lose nothing: exit code 0', async () => {
    const crashed = await buildLog('crashed', true);
    const torn = dirOf(withFileBytes(crashed, LAST, joinBytes(crashed.get(LAST)!, le(100, 4), le(9, 8), [1, 2, 3])));
    const [whole, tail] = await Promise.all([rxwal(['repair', dirOf(closed)]), rxwal(['repair', torn])]);
    expect(whole).toMatchObject({ code: 0, stdout: '8 records can be saved; give a new directory to write them\n' });
    expect(tail.code).toBe(0);
    expect(tail.stdout).toMatch(/^torn wal_00000003.log at byte \d+, 15 bytes: .*\n8 records can be saved; /);
  });

  it('refuses a directory that is in use or inside the log, and a log that is not there', async () => {
    const [used, inside, missing] = await Promise.all([
      rxwal(['repair', damaged, dirOf(closed)]),
      rxwal(['repair', damaged, join(damaged, 'new')]),
      rxwal(['repair', join(root, 'missing'), join(root, 'never')]),
    ]);
    expect(used.code).toBe(4);
    expect(used.stderr).toMatch(/^rxwal: WAL_IO: Repairing into .* failed: EEXIST/);
    expect(inside.code).toBe(3);
    expect(missing.code).toBe(4);
    expect(readdirSync(root)).not.toContain('never');
  });
});
