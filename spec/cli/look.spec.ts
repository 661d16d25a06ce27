import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { openWal } from 'rxwal';
import { headerBytes, join as joinBytes, le } from '../support/bytes';
import { LOG_ID, OTHER_LOG_ID, buildLog, segmentBytes, segmentFile, withFileBytes } from '../support/logs';
import type { Files } from '../support/reference';
import { fingerprint, inShell, jsonLines, onTerminal, rxwal, startSpecProgram, Scratch } from './program';

/** What begins a colour on a terminal. */
const ESCAPE = '\u001b[';
const LAST = segmentFile(3);

interface Verdict {
  readonly verdict: string;
  readonly state: string;
  readonly records: number;
  readonly marks: number;
  readonly checkpoints: number;
  readonly segments: number;
  readonly firstLsn: number;
  readonly lastLsn: number;
  readonly markedLsn: number;
  readonly spots: readonly { kind: string; file: string; offset: number; lsn: number; bytes: number; reason: string }[];
  readonly firstDamage?: { file: string; offset: number; lsn: number };
}

describe('rxwal verify, inspect and stats', () => {
  const scratch = new Scratch();
  const { root } = scratch;
  let closed: Files;
  let crashed: Files;

  beforeAll(async () => {
    closed = await buildLog('closed', true);
    crashed = await buildLog('crashed', true);
  });

  afterAll(() => scratch.remove());

  const dirOf = (files: Files): string => scratch.dirOf(files);

  async function verdict(files: Files): Promise<{ code: number | null; found: Verdict }> {
    const { code, stdout } = await rxwal(['verify', '--json', dirOf(files)]);
    return { code, found: jsonLines<Verdict>(stdout)[0]! };
  }

  const flipped = (files: Files, name: string, at: number): Files =>
    withFileBytes(
      files,
      name,
      files.get(name)!.map((byte, index) => (index === at ? byte ^ 1 : byte)),
    );
  const torn = (): Files =>
    withFileBytes(crashed, LAST, joinBytes(crashed.get(LAST)!, le(100, 4), le(9, 8), [1, 2, 3]));

  it('verify: a whole log, for people and as JSON', async () => {
    const dir = dirOf(closed);
    const [text, json] = await Promise.all([rxwal(['verify', dir]), rxwal(['verify', dir, '--json'])]);
    expect(text).toMatchObject({ code: 0, stderr: '' });
    expect(text.stdout.split('\n')).toEqual([
      `${dir}: whole, closed`,
      '  8 records (LSN 1-8), 8 marks, 1 checkpoint, 4 segments of 494 bytes',
      '  checkpoint at LSN 1 (epoch 5, transaction 77)',
      '',
    ]);
    expect(json.code).toBe(0);
    expect(jsonLines(json.stdout)).toEqual([
      {
        dir,
        verdict: 'whole',
        state: 'closed',
        logId: Buffer.from(LOG_ID).toString('hex'),
        checkpoint: { lsn: 1, epoch: 5, transactionId: 77 },
        leftovers: [],
        spots: [],
        firstLsn: 1,
        lastLsn: 8,
        markedLsn: 8,
        records: 8,
        marks: 8,
        checkpoints: 1,
        bytes: [...closed].reduce((sum, [name, bytes]) => sum + (name.endsWith('.log') ? bytes.length : 0), 0),
        payloadBytes: 3 + 4 + 0 + 40 + 4 + 3 + 1 + 8,
        segments: 4,
      },
    ]);
  });

  it('verify: what a crash leaves is torn, and exit code 1', async () => {
    const [plain, tail, headless, zeros] = await Promise.all([
      verdict(crashed),
      verdict(torn()),
      verdict(withFileBytes(closed, segmentFile(4), Uint8Array.of(0x52, 0x58, 0x57))),
      verdict(withFileBytes(crashed, LAST, joinBytes(crashed.get(LAST)!, new Array<number>(5000).fill(0)))),
    ]);
    expect(plain).toMatchObject({ code: 0, found: { verdict: 'whole', state: 'open', lastLsn: 8, markedLsn: 7 } });
    expect(tail).toMatchObject({
      code: 1,
      found: {
        verdict: 'torn',
        records: 8,
        spots: [{ kind: 'torn', file: LAST, offset: crashed.get(LAST)!.length, lsn: 9, bytes: 15 }],
      },
    });
    expect(tail.found.firstDamage).toBeUndefined();
    expect(headless).toMatchObject({
      code: 1,
      found: { verdict: 'torn', records: 8, spots: [{ kind: 'torn', file: segmentFile(4), offset: 0, bytes: 3 }] },
    });
    expect(zeros).toMatchObject({ code: 0, found: { verdict: 'whole', lastLsn: 8 } });
  });

  it('verify: damage is exit code 2; the first is named, and the others are found too', async () => {
    const both = flipped(flipped(closed, segmentFile(0), 70), LAST, 64);
    const gap = new Map(closed);
    gap.delete(segmentFile(2));
    const cut = withFileBytes(closed, segmentFile(2), closed.get(segmentFile(2))!.subarray(0, 32));
    const foreign = withFileBytes(closed, segmentFile(2), headerBytes({ firstLsn: 4, logId: OTHER_LOG_ID }));
    const [two, missing, short, other, header, meta] = await Promise.all([
      verdict(both),
      verdict(gap),
      verdict(cut),
      verdict(foreign),
      verdict(flipped(closed, segmentFile(1), 3)),
      verdict(flipped(closed, 'checkpoint.meta', 40)),
    ]);
    expect(two).toMatchObject({
      code: 2,
      found: {
        verdict: 'damaged',
        spots: [
          { kind: 'damaged', file: segmentFile(0), offset: 67, lsn: 2 },
          { kind: 'damaged', file: LAST, offset: 48, lsn: 5 },
        ],
        firstDamage: { file: segmentFile(0), offset: 67, lsn: 2 },
      },
    });
    expect(missing).toMatchObject({ code: 2, found: { spots: [{ file: segmentFile(2), offset: 0 }] } });
    expect(short).toMatchObject({ code: 2, found: { spots: [{ file: segmentFile(2), offset: 32, lsn: 4 }] } });
    expect(other).toMatchObject({ code: 2, found: { verdict: 'damaged', firstDamage: { file: segmentFile(2) } } });
    expect(header).toMatchObject({ code: 2, found: { firstDamage: { file: segmentFile(1), offset: 0 } } });
    expect(meta).toMatchObject({ code: 2, found: { firstDamage: { file: 'checkpoint.meta' }, records: 8 } });
  });

  it('verify: what is no log of ours to read is exit code 4, and so is a directory without a log', async () => {
    const empty = join(root, 'empty');
    const missing = join(root, 'missing');
    mkdirSync(empty);
    const newer = dirOf(new Map([[segmentFile(0), headerBytes({ firstLsn: 1, logId: LOG_ID, version: 2 })]]));
    const [none, noDir, noDirJson, version, versionJson, large] = await Promise.all([
      rxwal(['verify', empty]),
      rxwal(['verify', missing]),
      rxwal(['verify', '--json', missing]),
      rxwal(['verify', newer]),
      rxwal(['verify', newer, '--json']),
      rxwal(['verify', dirOf(closed), '--max-record-bytes', '39']),
    ]);
    expect(none).toMatchObject({ code: 4, stdout: '' });
    expect(none.stderr).toBe(`rxwal: WAL_IO: Looking for a log in ${empty} failed: there is none\n`);
    expect(noDir).toMatchObject({ code: 4, stdout: '' });
    expect(noDir.stderr).toMatch(/^rxwal: WAL_IO: Listing .*missing failed: ENOENT[^\n]*\n$/);
    expect(noDirJson).toMatchObject({ code: 4, stdout: '' });
    expect(jsonLines(noDirJson.stderr)).toMatchObject([{ error: { code: 'WAL_IO' } }]);
    expect(version).toMatchObject({ code: 4, stdout: '' });
    expect(version.stderr).toMatch(/^rxwal: WAL_VERSION: wal_00000000.log: format version 2/);
    expect(jsonLines(versionJson.stderr)).toMatchObject([{ error: { code: 'WAL_VERSION', file: segmentFile(0) } }]);
    expect(large.code).toBe(4);
    expect(large.stderr).toMatch(/^rxwal: WAL_RECORD: wal_00000002.log holds a record of 40 bytes/);
  });

  it('usage: exit code 3, and one line that says what is wrong; a stack for who asks for it', async () => {
    const cases: readonly (readonly [args: readonly string[], says: RegExp])[] = [
      [['verfy', 'x'], /^rxwal: USAGE: unknown command 'verfy' \(Did you mean verify\?\)\n$/],
      [['verify'], /^rxwal: USAGE: missing required argument 'dir'\n$/],
      [['verify', 'a', 'b'], /^rxwal: USAGE: too many arguments/],
      [
        ['verify', 'a', '--max-record-bytes', '0'],
        /^rxwal: USAGE: option '--max-record-bytes <n>' argument '0' is invalid/,
      ],
      [['verify', 'a', '--fix'], /^rxwal: USAGE: unknown option '--fix'/],
      [[], /Usage: rxwal/],
    ];
    const results = await Promise.all(cases.map(([args]) => rxwal(args)));
    for (const [index, { code, stdout, stderr }] of results.entries()) {
      expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
      expect(stderr).toMatch(cases[index]![1]);
    }
    const missing = join(root, 'missing');
    const { stderr } = await rxwal(['verify', missing], { env: { RXWAL_DEBUG: '1' } });
    expect(stderr).toMatch(/\n\s+at /);
  });

  it('--help and --version: of the command and of each verb, exit code 0', async () => {
    const verbs = ['inspect', 'verify', 'stats', 'repair', 'dump', 'tail', 'append'];
    const [all, version, ...each] = await Promise.all([
      rxwal(['--help']),
      rxwal(['--version']),
      ...verbs.map((verb) => rxwal([verb, '--help'])),
    ]);
    expect(all).toMatchObject({ code: 0, stderr: '' });
    for (const verb of verbs) expect(all.stdout).toMatch(new RegExp(`^  ${verb} \\[options\\] <dir>`, 'm'));
    expect(all.stdout).toMatch(/^Exit codes:\n {2}0 {2}fine\n {2}1 {2}the log has a torn tail/m);
    expect(all.stdout).toMatch(/^ {2}5 {2}locked: another process has the log open$/m);
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+/);
    for (const [index, help] of each.entries()) {
      expect(help).toMatchObject({ code: 0, stderr: '' });
      expect(help.stdout).toMatch(new RegExp(`^Usage: rxwal ${verbs[index]!} \\[options\\] <dir>( \\[new-dir\\])?\n`));
      expect(help.stdout).toMatch(/--json/);
    }
  });

  it('inspect: columns where there is no terminal, facts as JSON', async () => {
    const dir = dirOf(torn());
    const [text, json] = await Promise.all([rxwal(['inspect', dir]), rxwal(['inspect', '--json', dir])]);
    expect(text.code).toBe(0);
    const lines = text.stdout.split('\n');
    const size = (sequence: number): string => String(torn().get(segmentFile(sequence))!.length);
    expect(lines.slice(0, 7).map((line) => line.split(/ {2,}/))).toEqual([
      [dir, `log ${Buffer.from(LOG_ID).toString('hex')}, not closed, 8 records (LSN 1-8)`],
      ['checkpoint at LSN 1 (epoch 5, transaction 77)'],
      ['SEGMENT', 'FIRST', 'LAST', 'RECORDS', 'MARKS', 'BYTES', 'ZEROS', 'STATE'],
      [segmentFile(0), '1', '2', '2', '2', size(0), '0', 'ok'],
      [segmentFile(1), '3', '3', '1', '2', size(1), '0', 'ok'],
      [segmentFile(2), '4', '4', '1', '0', size(2), '0', 'ok'],
      [segmentFile(3), '5', '8', '4', '3', size(3), '0', 'torn'],
    ]);
    expect(lines[7]).toMatch(/^torn wal_00000003.log at byte \d+ \(LSN 9\), 15 bytes: /);
    expect(text.stdout).not.toContain(ESCAPE);
    const [facts] = jsonLines<{ segments: { file: string; lastLsn: number; spot?: { kind: string } }[] }>(json.stdout);
    expect(facts!.segments.map(({ file, lastLsn, spot }) => [file, lastLsn, spot?.kind])).toEqual([
      [segmentFile(0), 2, undefined],
      [segmentFile(1), 3, undefined],
      [segmentFile(2), 4, undefined],
      [segmentFile(3), 8, 'torn'],
    ]);
  });

  it('inspect: on a terminal a picture, as wide as that, in colours unless they are not wanted', async () => {
    const sound = dirOf(withFileBytes(crashed, LAST, joinBytes(crashed.get(LAST)!, new Array<number>(900).fill(0))));
    const harmed = dirOf(flipped(torn(), segmentFile(1), 60));
    const [wide, narrow, noColor, noColorFlag, pictured] = await Promise.all([
      onTerminal(`rxwal inspect ${sound}`, { columns: 120 }),
      onTerminal(`rxwal inspect ${sound}`, { columns: 80 }),
      onTerminal(`rxwal inspect ${sound}`, { env: { NO_COLOR: '1' } }),
      onTerminal(`rxwal inspect --no-color ${sound}`),
      onTerminal(`rxwal inspect ${harmed}`),
    ]);
    // eslint-disable-next-line no-control-regex -- the escape sequences of a terminal are what this looks for
    const colour = /\u001b\[[0-9;]*m/g;
    const bare = (text: string): string[] => text.replaceAll(colour, '').split('\r\n');
    const last = (lines: readonly string[]): string => lines.find((line) => line.startsWith('wal_00000003'))!;
    expect(wide.stdout).toContain(ESCAPE);
    expect(last(bare(wide.stdout)).length).toBeLessThanOrEqual(120);
    expect(last(bare(wide.stdout)).length).toBeGreaterThan(100);
    expect(last(bare(narrow.stdout)).length).toBeLessThanOrEqual(80);
    expect(last(bare(wide.stdout))).toMatch(/^wal_00000003 {2}LSN 5-8 {2}█+·+ {2}4 records, /);
    expect(bare(wide.stdout)).toContain('░ below the checkpoint   █ records   · zeros ahead');
    for (const { stdout } of [noColor, noColorFlag]) {
      // On a busy machine there is a progress bar before it, which moves the cursor.
      expect(stdout.match(colour)).toBeNull();
      expect(stdout).toContain('█');
    }
    expect(pictured.stdout).toContain(`${ESCAPE}33m~`);
    expect(pictured.stdout).toContain(`${ESCAPE}31mX`);
    expect(bare(pictured.stdout).some((line) => line.startsWith('damaged wal_00000001.log at byte '))).toBe(true);
  });

  it('colours elsewhere only with FORCE_COLOR', async () => {
    const dir = dirOf(closed);
    const [forced, plain] = await Promise.all([
      rxwal(['verify', dir], { env: { FORCE_COLOR: '1' } }),
      rxwal(['verify', dir], { env: { FORCE_COLOR: '0' } }),
    ]);
    expect(forced.stdout).toContain(ESCAPE);
    expect(plain.stdout).not.toContain(ESCAPE);
  });

  it('a progress bar on the standard error, on a terminal, where the log is large; none elsewhere', async () => {
    const dir = dirOf(crashed);
    truncateSync(join(dir, LAST), 80 * 1024 * 1024);
    const into = join(root, 'verdict.txt');
    const [bar, dumped, none] = await Promise.all([
      onTerminal(`rxwal verify ${dir} > ${into}`),
      onTerminal(`rxwal dump --codec raw ${dir} > ${into}.dump`),
      rxwal(['verify', dir]),
    ]);
    expect(bar.stdout).toMatch(/verifying \[[= ]+\] \d+ %/);
    expect(dumped.stdout).toMatch(/dumping \[[= ]+\] \d+ %/);
    expect(none).toMatchObject({ code: 0, stderr: '' });
    const { stdout } = await inShell(`cat ${into}; wc -l < ${into}.dump`);
    expect(stdout).toMatch(/: whole, not closed\n {2}8 records/);
    expect(stdout).not.toContain(ESCAPE);
    expect(stdout.trim().split('\n').at(-1)!.trim()).toBe('8');
  });

  it('stats: sizes, batches, overhead, what a checkpoint would free', async () => {
    const dir = dirOf(closed);
    const [text, json] = await Promise.all([rxwal(['stats', dir]), rxwal(['stats', dir, '--json'])]);
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/^payload +63 bytes; bytes a record: p50 3, p99 40, max 40$/m);
    const size = (sequence: number): number => closed.get(segmentFile(sequence))!.length;
    const bytes = [0, 1, 2, 3].reduce((sum, sequence) => sum + size(sequence), 0);
    expect(jsonLines(json.stdout)).toEqual([
      {
        dir,
        verdict: 'whole',
        records: 8,
        firstLsn: 1,
        lastLsn: 8,
        segments: 4,
        bytes,
        payload: { count: 8, sum: 63, p50: 3, p99: 40, max: 40 },
        batches: { count: 7, sum: 8, p50: 1, p99: 2, max: 2 },
        overheadBytes: bytes - 63,
        overheadRatio: (bytes - 63) / 63,
        zeroBytes: 0,
        checkpoint: { lsn: 1, epoch: 5, transactionId: 77 },
        kept: { floorLsn: 1, keptBy: { kind: 'checkpoint' }, cutLsn: 0, readers: [] },
        freeable: { segments: 3, bytes: size(0) + size(1) + size(2) },
      },
    ]);
    expect(text.stdout).toMatch(/^a checkpoint now +would free 3 segments of \d+ bytes$/m);
  });

  it('no verb that only looks changes a byte, takes a lock or makes a file, whatever it finds', async () => {
    const dirs = [closed, torn(), flipped(closed, LAST, 64)].map(dirOf);
    for (const [index, dir] of dirs.entries()) writeFileSync(join(dir, 'wal_00000009.log.tmp'), `half made ${index}`);
    const before = dirs.map(fingerprint);
    const verbs = [['verify'], ['inspect'], ['stats'], ['dump', '--codec', 'raw'], ['tail', '--codec', 'raw']];
    const codes = await Promise.all(
      dirs.map((dir) => Promise.all(verbs.map(async (verb) => (await rxwal([...verb, dir])).code))),
    );
    expect(dirs.map(fingerprint)).toEqual(before);
    expect(codes).toEqual([
      [0, 0, 0, 0, 0],
      [1, 0, 0, 0, 0],
      [2, 0, 0, 2, 2],
    ]);
  });

  it('a log that another process has open: everything that looks works, what writes is exit code 5', async () => {
    const dir = join(root, 'live');
    const writer = startSpecProgram('writer.ts', dir, JSON.stringify({ durability: { mode: 'sync' } }));
    await writer.next();
    writer.send('append 20');
    await writer.next();
    const [verified, inspected, counted, dumped, tailed, appended] = await Promise.all([
      rxwal(['verify', dir]),
      rxwal(['inspect', dir]),
      rxwal(['stats', dir]),
      rxwal(['dump', dir]),
      rxwal(['tail', '-n', '1', dir]),
      rxwal(['append', '--json', dir], { input: '1\n' }),
    ]);
    expect([verified, inspected, counted, dumped, tailed].map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
    expect(dumped.stdout.trim().split('\n')).toHaveLength(20);
    expect(appended).toMatchObject({ code: 5, stdout: '' });
    expect(jsonLines(appended.stderr)).toMatchObject([{ error: { code: 'WAL_LOCKED' } }]);
    writer.send('close');
    expect((await writer.ended).code).toBe(0);
  });

  it('a log of the API: the records that it wrote are there', async () => {
    const dir = join(root, 'api');
    const wal = await openWal<unknown>(dir);
    await lastValueFrom(wal.append({ type: 'Order', id: 1 }));
    await wal.close();
    const { code, stdout } = await rxwal(['dump', dir]);
    expect(code).toBe(0);
    expect(jsonLines(stdout)).toEqual([{ lsn: 1, value: { type: 'Order', id: 1 } }]);
    expect(segmentBytes(1, [])).toHaveLength(32);
  });
});
