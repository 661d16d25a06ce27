import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Fault } from './work';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Where the logs were. */
  readonly workDir: string;
}

/** Runs the command as a user does. */
async function soak(...args: readonly string[]): Promise<Outcome> {
  const root = join(__dirname, '..', '..');
  const child = spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'run.ts'), ...args], { cwd: root });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number];
  const workDir = /logs in (\S+), --seed/.exec(stdout)?.[1] ?? '';
  return { code, stdout, stderr, workDir };
}

/** The number at the beginning of a row of the summary. */
function figure({ stdout }: Outcome, name: string): number {
  return Number(new RegExp(`^${name} +(\\d+)`, 'm').exec(stdout)?.[1]);
}

/** The first median and the last of something that must not grow. */
function trend({ stdout }: Outcome, name: string): readonly [number, number] {
  const [, before, after] = new RegExp(`^${name} +(\\d+)(?: KiB)? → (\\d+)`, 'm').exec(stdout) ?? [];
  return [Number(before), Number(after)];
}

/** A soak that has found something keeps the logs for whoever looks into it; a spec does not need them. */
function remove({ workDir }: Outcome): void {
  rmSync(workDir, { recursive: true });
}

describe('the soak', () => {
  it('survives kills, and prints what it has counted', async () => {
    const outcome = await soak('--kills', '10', '--seed', '1');
    expect(outcome.stderr).toBe('');
    expect(outcome.code).toBe(0);
    expect(outcome.stdout).toMatch(
      /^\d+ s: 10 kills survived, \d+ records acked, \d+ verified, 0 lost, 0 wrong; \d+ opens, \d+ rotations, \d+ checkpoints$/m,
    );
    expect(figure(outcome, 'kills')).toBe(10);
    expect(figure(outcome, 'lost')).toBe(0);
    expect(figure(outcome, 'wrong')).toBe(0);
    for (const name of ['acked', 'verified', 'opens', 'closes', 'checkpoints', 'shown', 'groups', 'holds', 'states']) {
      expect([name, figure(outcome, name)]).toEqual([name, expect.any(Number)]);
      expect(figure(outcome, name)).toBeGreaterThan(0);
    }
    const cycles = /^long life: (\d+) logs opened and closed, (\d+) of them stopped by a failing disk$/m;
    const [, opened, stopped] = cycles.exec(outcome.stdout) ?? [];
    expect(Number(opened)).toBeGreaterThanOrEqual(96);
    expect(Number(stopped)).toBe(Number(opened) / 4);
    for (const name of ['descriptors', 'listeners', 'timers']) {
      const [before, after] = trend(outcome, name);
      expect([name, after]).toEqual([name, before]);
    }
    expect(trend(outcome, 'timers')).toEqual([0, 0]);
    expect(trend(outcome, 'heapUsed')[0]).toBeGreaterThan(0);
    expect(existsSync(outcome.workDir)).toBe(false);
  });

  // Which kill it is that shows them is a matter of moments: each of so many can.
  it.each<[Fault, RegExp]>([
    [
      'early-ack',
      /^FAILED: log \d, life \d+ \(killed: [a-z ]+\): LSN \d+(?: to \d+ are| is) lost: the log ends with LSN \d+, and LSN \d+ was said to be (?:durable|written)$/m,
    ],
    [
      'durable-ahead',
      /^FAILED: log \d, life \d+ \(killed: [a-z ]+\): LSN \d+ is lost: the log ends with LSN \d+, and LSN \d+ was said to be durable$/m,
    ],
    ['cut-tail', /^FAILED: log \d, life \d+ \(killed: [a-z ]+\): LSN \d+(?: to \d+ are| is) lost: /m],
  ])('notices %s: it says which record is lost, and keeps the log', async (fault, message) => {
    const outcome = await soak('--kills', '100', '--seed', '2', '--fault', fault);
    remove(outcome);
    expect(outcome.stderr).toMatch(message);
    expect(outcome.stderr).toContain(`--seed 2, logs kept in ${outcome.workDir}\n`);
    expect(figure(outcome, 'lost')).toBeGreaterThan(0);
    expect(outcome.code).toBe(1);
  });

  it.each<[Fault, RegExp]>([
    [
      'forgotten-hold',
      /^FAILED: log \d, life \d+ \(killed: [a-z ]+\): reader \w+ is at -?\d+; it was promised -?\d+, and asked for \w+$/m,
    ],
    [
      'fold-twice',
      /^FAILED: log \d, life \d+ \(killed: [a-z ]+\): a projection's state at LSN \d+ is not what the records up to there make$/m,
    ],
  ])('notices %s', async (fault, message) => {
    const outcome = await soak('--kills', '100', '--seed', '2', '--fault', fault);
    remove(outcome);
    expect(outcome.stderr).toMatch(message);
    expect(figure(outcome, 'wrong')).toBeGreaterThan(0);
    expect(outcome.code).toBe(1);
  });

  it('notices a process that holds on to what it has used', async () => {
    const outcome = await soak('--kills', '1', '--seed', '3', '--fault', 'leak');
    remove(outcome);
    for (const name of ['heapUsed', 'descriptors', 'timers']) {
      expect(outcome.stderr).toMatch(new RegExp(`^FAILED: the long-lived process: ${name} .* GREW`, 'm'));
      const [before, after] = trend(outcome, name);
      expect(after).toBeGreaterThan(before);
    }
    expect(figure(outcome, 'lost')).toBe(0);
    expect(outcome.code).toBe(1);
  });

  it('says what is wrong with an argument', async () => {
    for (const [args, message] of [
      [['--kills', 'many'], "--kills takes a number, not 'many'"],
      [
        ['--fault', 'sloth'],
        "--fault takes early-ack, durable-ahead, forgotten-hold, fold-twice, cut-tail, leak, not 'sloth'",
      ],
      [['--speed', '9'], "Unknown option '--speed'"],
    ] as const) {
      const outcome = await soak(...args);
      expect(outcome).toMatchObject({ code: 2, stdout: '' });
      expect(outcome.stderr).toContain(message);
    }
  });
});
