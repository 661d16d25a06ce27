import { lookAfterwards } from './afterwards';
import { complaintsOfMany, complaintsOfOne } from './effects';
import type { Job } from './events';
import type { Fault } from './faults';
import { Judge } from './judge';
import { endOf, type Run, type Runner } from './runner';

/** A job without its place and its rules, and what its directory holds before. */
export interface Scene {
  readonly job: Omit<Job, 'dir' | 'rules'>;
  readonly before?: {
    readonly firstLsn: number;
    readonly lastLsn: number;
    readonly checkpointLsn: number;
    /** Makes the directory. */
    readonly lay: (dir: string) => void;
  };
}

/** What a sweep came to. */
export interface Swept {
  /** Calls at which a fault was put. */
  readonly points: number;
  readonly kinds: readonly string[];
  readonly complaints: readonly string[];
}

const EFFECT_COMPLAINTS: Readonly<Record<Fault['leadsTo'], (run: Run) => readonly string[]>> = {
  'the effect of that call': complaintsOfOne,
  'a failure': (run) => complaintsOfMany(run, 'a failure'),
  nothing: (run) => complaintsOfMany(run, 'nothing'),
  'its end': () => ['it was to be killed, and was not'],
};

function jobOf(runner: Runner, { job, before }: Scene, rules: string): Job {
  const dir = runner.newPlace();
  before?.lay(dir);
  return { ...job, dir, rules };
}

/** How many calls of each kind a scene makes where nothing fails. */
export async function countCalls(runner: Runner, scene: Scene): Promise<ReadonlyMap<string, number>> {
  const run = await runner.run(jobOf(runner, scene, ''));
  const counts = new Map<string, number>();
  for (const { kind } of endOf(run).calls) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const { complaints } = await judged(run, scene);
  if (complaints.length > 0) throw new Error(`where nothing fails: ${complaints.join('; ')}`);
  return counts;
}

async function judged(run: Run, { job, before }: Scene): Promise<Judge> {
  const judge = new Judge(job.settings.durability.mode !== 'nosync');
  if (before) judge.begin(before);
  for (const event of run.events) judge.hear(event);
  try {
    await lookAfterwards(run, judge);
  } catch (error) {
    judge.complaints.push(`afterwards, where nothing fails: ${String(error)}`);
  }
  return judge;
}

/** Puts a fault at each call of its kinds that the scene makes, one run for each. */
export async function sweep(runner: Runner, scene: Scene, fault: Fault): Promise<Swept> {
  const counts = await countCalls(runner, scene);
  const kinds = fault.kinds.filter((kind) => counts.has(kind));
  const rules = kinds.flatMap((kind) =>
    Array.from({ length: fault.once ? 1 : counts.get(kind)! }, (_, index) => fault.rules(kind, index + 1)),
  );
  const jobs = rules.map((rule) => jobOf(runner, scene, rule));
  const found = await runner.runAll(jobs, async (run) => {
    const killed = run.exit?.signal === 'SIGKILL';
    const effect = killed ? [] : EFFECT_COMPLAINTS[fault.leadsTo](run);
    const { complaints } = await judged(run, scene);
    runner.removePlace(run.job);
    return [...complaints, ...effect].map((complaint) => `${run.job.rules}: ${complaint}`);
  });
  return { points: jobs.length, kinds, complaints: found.flat() };
}
