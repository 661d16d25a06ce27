import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { count, lastValueFrom } from 'rxjs';
import { openWal, readWal } from 'rxwal';
import { readEvents } from '../../examples/main/events';
import { BUNDLED_EVENTS } from '../../examples/main/settings';
import { verify } from '../../examples/main/verify';

const root = join(__dirname, '../..');

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of `examples/` as a user does. */
async function run(
  program: string,
  args: readonly string[],
  { stdin = '', onStdout }: { readonly stdin?: string; readonly onStdout?: (text: string) => void } = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'examples', program), ...args], { cwd: root });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
    onStdout?.(stdout);
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  // A program that refuses its arguments does not read its stdin.
  child.stdin.on('error', () => undefined).end(stdin);
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout, stderr };
}

/** The numbers of the table. */
function tableOf({ stdout }: Outcome): Record<string, number> {
  const rows = [...stdout.matchAll(/^([a-z0-9 ]+?) +([\d.]+)(?: {3}.*)?$/gm)];
  return Object.fromEntries(rows.map(([, name = '', value]) => [name, Number(value)]));
}

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rxwal-main-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe('npm start', () => {
  it('loses nothing over kills and rotations, and keeps the log where it is told to', async () => {
    const wal = join(dir, 'wal');
    const outcome = await run('main.ts', ['--seed', '7', '--kills', '2', '--seconds', '2', '--dir', wal]);
    expect(outcome.stderr).not.toContain('FAILED');
    expect(outcome.stdout).toMatch(
      /^kill 1: \d+ acknowledged, \d+ recovered in [\d.]+ ms, \d+ torn bytes cut, 0 lost$/m,
    );
    expect(outcome.stdout).toMatch(
      /^kill 2: \d+ acknowledged, \d+ recovered in [\d.]+ ms, \d+ torn bytes cut, 0 lost$/m,
    );
    const table = tableOf(outcome);
    expect(table).toMatchObject({ records: 3000, kills: 2, lost: 0, wrong: 0 });
    expect(table['acks']).toBeGreaterThan(2500);
    expect(table['acks']).toBeLessThanOrEqual(3000);
    expect(table['recovered']).toBeGreaterThan(0);
    expect(table['segments']).toBeGreaterThanOrEqual(8);
    expect(table['bytes']).toBeGreaterThan(400_000);
    expect(table['ack p50']).toBeGreaterThan(0);
    expect(table['ack p99']).toBeGreaterThanOrEqual(table['ack p50'] ?? NaN);
    expect(outcome.code).toBe(0);

    expect(await lastValueFrom(readWal(wal).pipe(count()))).toBe(3000);
    const again = await run('main/verify.ts', [BUNDLED_EVENTS, wal, '3000']);
    expect(again.stdout).toBe('3000 records, in order, each once; nothing is lost\n');
    expect(again.code).toBe(0);

    // And the check can fail: take the end of the log away. Its very last segment may be new, without a record yet.
    const segments = readdirSync(wal).filter((name) => name.endsWith('.log'));
    for (const name of segments.sort().slice(-2)) rmSync(join(wal, name));
    const robbed = await run('main/verify.ts', [BUNDLED_EVENTS, wal, '3000']);
    expect(robbed.stdout).toMatch(
      /^\d+ acknowledged events are lost, 0 of \d+ records are wrong: the log ends with LSN \d+, and LSN 3000 was acknowledged\n$/,
    );
    expect(robbed.code).toBe(1);
  });

  it('reads events from stdin, and prints each ack where that is asked for', async () => {
    const stdin = Array.from({ length: 60 }, (_, n) => `{"n":${n},"text":"žluťoučký ${n}"}\n`).join('\n');
    const outcome = await run('main.ts', ['-', '--kills', '1', '--seconds', '1', '--seed', '4', '--acks'], { stdin });
    expect(outcome.stdout).toMatch(/^60 events from -, log in .*, 1 kills, --seed 4$/m);
    const table = tableOf(outcome);
    expect(table).toMatchObject({ records: 60, lost: 0, wrong: 0, kills: 1 });
    const acks = [...outcome.stdout.matchAll(/^ack (\d+) after \d+ µs$/gm)].map(([, lsn]) => Number(lsn));
    expect(acks).toHaveLength(table['acks'] ?? NaN);
    expect(acks).toEqual([...acks].sort((a, b) => a - b));
    expect(acks.at(-1)).toBe(60);
    expect(outcome.code).toBe(0);
  });

  it('ends with 1 when a file of the log goes away under it', async () => {
    const wal = join(dir, 'wal');
    const outcome = await run('main.ts', ['--seed', '7', '--kills', '2', '--seconds', '2', '--dir', wal], {
      onStdout: (stdout) => {
        if (stdout.includes('kill 1:')) rmSync(join(wal, 'wal_00000000.log'), { force: true });
      },
    });
    expect(outcome.stderr).toContain('wal_00000000.log is damaged at byte 0: it is missing');
    expect(outcome.code).toBe(1);
  });

  it('says what is wrong with an argument', async () => {
    const full = await run('main.ts', ['--dir', root]);
    expect(full).toMatchObject({ code: 2, stdout: '' });
    expect(full.stderr).toBe(`--dir ${root} is not empty\nTry --help.\n`);
    for (const [args, message] of [
      [['--kills', 'many'], "--kills takes a whole number, not 'many'"],
      [['--speed', '9'], "Unknown option '--speed'"],
      [['a', 'b'], 'one input at a time, not 2: a b'],
      [[join(dir, 'nothing')], 'ENOENT'],
      [[dir], 'EISDIR'],
    ] as const) {
      const outcome = await run('main.ts', args);
      expect(outcome).toMatchObject({ code: 2, stdout: '' });
      expect(outcome.stderr).toContain(message);
    }
    const help = await run('main.ts', ['--help']);
    expect(help.stdout).toContain('npm start -- [events.ndjson | -] [options]');
    expect(help.code).toBe(0);
  });

  it.each([
    ['a line that is no JSON', '{"a":1}\n\n{"a":\n', 'line 3 is no JSON: '],
    ['a line that CBOR would change', '{"a":1}\n{"a":"\\ud800"}\n', 'line 2: CBOR does not keep this event'],
    ['empty lines only', '\n\n', 'holds no events'],
  ])('writes nothing for an input with %s, and says so', async (_what, text, message) => {
    const file = join(dir, 'events.ndjson');
    const wal = join(dir, 'wal');
    writeFileSync(file, text);
    const outcome = await run('main.ts', [file, '--dir', wal]);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toContain(message);
    expect(existsSync(wal)).toBe(false);
  });
});

describe('verify', () => {
  const lines = readFileSync(BUNDLED_EVENTS, 'utf8').split('\n').slice(0, 20);
  const events = lines.map((line) => JSON.parse(line) as unknown);
  let input: string;
  let wal: string;

  beforeEach(() => {
    input = join(dir, 'events.ndjson');
    wal = join(dir, 'wal');
    writeFileSync(input, lines.join('\n'));
  });

  async function log(values: readonly unknown[]): Promise<void> {
    await using open = await openWal<unknown>(wal);
    for (const value of values) open.next(value);
  }

  it('is content with all that was acknowledged, and more', async () => {
    await log(events.slice(0, 12));
    expect(await verify(input, wal, 10)).toEqual({ records: 12, lost: 0, wrong: 0 });
  });

  it('finds acknowledged events that are not there', async () => {
    await log(events.slice(0, 12));
    expect(await verify(input, wal, 15)).toEqual({
      records: 12,
      lost: 3,
      wrong: 0,
      problem: 'the log ends with LSN 12, and LSN 15 was acknowledged',
    });
  });

  it('finds an altered event', async () => {
    await log(events.with(4, { ...(events[4] as object), type: 'Altered' }));
    expect(await verify(input, wal, 20)).toEqual({
      records: 20,
      lost: 1,
      wrong: 1,
      problem: 'the record with LSN 5 is not event 5',
    });
  });

  it('finds a repeated event, and events out of order', async () => {
    const swapped = [events[0], events[2], events[1], ...events.slice(3, 10), events[9]];
    await log(swapped);
    expect(await verify(input, wal, 10)).toEqual({
      records: 11,
      lost: 2,
      wrong: 3,
      problem: 'the record with LSN 2 is not event 2',
    });
  });

  it('finds an event more than the input has', async () => {
    await log([...events, events[0]]);
    expect(await verify(input, wal, 20)).toMatchObject({ records: 21, lost: 0, wrong: 1 });
  });

  it('counts everything from a damaged place on as lost', async () => {
    await log(events);
    const file = join(wal, 'wal_00000000.log');
    const bytes = readFileSync(file);
    bytes.writeUInt8(bytes.readUInt8(1000) ^ 1, 1000);
    writeFileSync(file, bytes);
    const { records, lost, problem } = await verify(input, wal, 20);
    expect(records).toBeLessThan(8);
    expect(lost).toBe(20 - records);
    expect(problem).toMatch(/^wal_00000000\.log is damaged at byte \d+ \(LSN \d+\)/);
  });
});

describe('readEvents', () => {
  it('numbers events, not empty lines, and knows the line of each', () => {
    const file = join(dir, 'events.ndjson');
    writeFileSync(file, '1\r\n\n"two"\n   \n{"three":3}');
    expect([...readEvents(file)]).toEqual([
      { line: 1, value: 1 },
      { line: 3, value: 'two' },
      { line: 5, value: { three: 3 } },
    ]);
    expect([...readEvents(file, 2)]).toEqual([{ line: 5, value: { three: 3 } }]);
  });

  it('reads lines and letters that stand across chunks', () => {
    const file = join(dir, 'events.ndjson');
    const events = Array.from({ length: 300 }, (_, n) => `${n} ${'žluťoučký 馬 🎂 '.repeat(n)}`);
    writeFileSync(file, events.map((event) => JSON.stringify(event)).join('\n'));
    expect([...readEvents(file)].map(({ value }) => value)).toEqual(events);
  });
});
