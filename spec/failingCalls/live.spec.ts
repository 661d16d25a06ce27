import type { Settings } from './events';
import { FAULTS, type Fault } from './faults';
import { sweep, type Scene } from './sweep';
import { ALL_OF_THEM, Tally } from './tally';
import { groupFor } from './groupFor';
import { Runner } from './runner';

const runner = new Runner();

afterAll(() => runner.end());

interface Log {
  readonly settings: Settings;
  /** In the usual run, the faults by their names, and the kinds of calls: what another log has had already is left out. */
  readonly faults: RegExp;
  readonly kinds: RegExp;
}

/** Segments are small: each log rotates by itself too. */
const LOGS: Readonly<Record<string, Log>> = {
  'mode sync': {
    settings: { durability: { mode: 'sync' }, preallocateBytes: 0, maxSegmentBytes: 512 },
    faults: /^(?!EDQUOT|EFBIG|ENFILE|EROFS)/,
    kinds: /./,
  },
  'mode sync, zeros laid ahead': {
    settings: { durability: { mode: 'sync' }, preallocateBytes: 2048, maxSegmentBytes: 768 },
    faults: /^(EIO|ENOSPC|EDQUOT|EFBIG|land|short|a short)/,
    kinds: /^(zeros|sync|writesync)$/,
  },
  'mode nosync': {
    settings: { durability: { mode: 'nosync' }, preallocateBytes: 0, maxSegmentBytes: 512 },
    faults: /^(EIO|ENOSPC, once|land|a short)/,
    kinds: /^(write|sync)$/,
  },
  'mode batch': {
    settings: {
      durability: { mode: 'batch', maxDelayMs: 1, maxRecords: 3 },
      preallocateBytes: 0,
      maxSegmentBytes: 512,
    },
    faults: /^(EIO|land)/,
    kinds: /^(writesync|sync)$/,
  },
};

/** The faults for a log: in the usual run a choice, by name and by kind of call. */
function faultsFor({ faults, kinds }: Log): readonly Fault[] {
  if (ALL_OF_THEM) return FAULTS;
  const wanted = FAULTS.filter(({ name }) => faults.test(name));
  return wanted.map((fault) => ({ ...fault, kinds: fault.kinds.filter((kind) => kinds.test(kind)) }));
}

/**
 * A log is made, appended to, rotated, read, checkpointed, closed and opened again; one call of all that fails. What the fault leads to
 * is written down in effects.ts; what holds whatever fails, in judge.ts.
 */
groupFor(runner)('a call that fails while the log is live', () => {
  const tally = new Tally();

  describe.each(Object.entries(LOGS))('%s', (_, log) => {
    const scene: Scene = { job: { workload: 'live', settings: log.settings, firstId: 1 } };

    it.each(faultsFor(log).map((fault): [string, Fault] => [fault.name, fault]))('%s', async (name, fault) => {
      const swept = await sweep(runner, scene, fault);
      tally.add(name, swept);
      expect(swept.complaints).toEqual([]);
      expect(swept.points).toBeGreaterThan(0);
    });
  });

  it('every write and every read comes one byte at a time, and nobody notices', async () => {
    const kinds = ['write', 'writesync', 'zeros', 'read'];
    const settings = LOGS['mode sync, zeros laid ahead']!.settings;
    const swept = await sweep(
      runner,
      { job: { workload: 'live', settings, firstId: 1 } },
      {
        name: 'one byte at a time',
        kinds: ['write'],
        rules: () => kinds.map((kind) => `${kind}:1+:short=1`).join(),
        leadsTo: 'nothing',
        once: true,
      },
    );
    expect(swept.complaints).toEqual([]);
  });

  it('had these faults', () => {
    tally.say('injected into a live log');
    expect(tally.points).toBeGreaterThan(1000);
  });
});
