import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KILLS } from './faults';
import { makeImage } from './images';
import { sweep, type Scene, type Swept } from './sweep';
import { ALL_OF_THEM, Tally } from './tally';
import { groupFor } from './groupFor';
import { Runner } from './runner';

const runner = new Runner();

afterAll(() => runner.end());

/**
 * The process is killed at each call that changes something: before it, and with a part of a write done. What it had acknowledged is
 * there, in order, and the log goes on. (What the operating system had is kept: no power is cut here.)
 */
groupFor(runner)('a process that is killed at a call', () => {
  const tally = new Tally();
  const dir = mkdtempSync(join(tmpdir(), 'rxwal-images-'));

  afterAll(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  const expectKept = async (scene: Scene): Promise<void> => {
    const swept: Swept[] = [];
    for (const fault of KILLS) {
      const result = await sweep(runner, scene, fault);
      tally.add(fault.name, result);
      swept.push(result);
    }
    expect(swept.flatMap(({ complaints }) => complaints)).toEqual([]);
    expect(swept.every(({ points }) => points > 0)).toBe(true);
  };

  const LIVE = [
    ['mode sync', { mode: 'sync' }, 0],
    ['mode sync, zeros laid ahead', { mode: 'sync' }, 2048],
    ['mode nosync', { mode: 'nosync' }, 0],
  ] as const;

  it.each(ALL_OF_THEM ? LIVE : LIVE.slice(0, 1))('a live log, %s', async (_, durability, preallocateBytes) => {
    const settings = { durability, preallocateBytes, maxSegmentBytes: 768 };
    await expectKept({ job: { workload: 'live', settings, firstId: 1 } });
  });

  it('an opening that has everything to mend', async () => {
    await expectKept(await makeImage('a crash during a truncation, a torn tail, half-made files', dir));
  });

  it('was killed that often', () => {
    tally.say('killed');
    expect(tally.points).toBeGreaterThan(100);
  });
});
