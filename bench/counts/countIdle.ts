/** What a log costs that nobody uses. */
import { join } from 'node:path';
import { notCounted, type Counts } from './count';
import { none } from './fileCalls';
import { IDLE_SECTION } from './idleSection';
import type { Idleness } from './idleJob';
import { runJob } from './runJob';
import { tracedJob } from './tracedJob';

export async function countIdle(work: string): Promise<Counts<'idle'>> {
  // Side by side: all they do is wait.
  const [sections, withLogs, without] = await Promise.all([
    tracedJob('idleJob', work),
    runJob<Idleness>('idleJob', [join(work, 'idle')]),
    runJob<Idleness>('idleJob', [join(work, 'nothing'), 'none']),
  ]);
  const { wakeUps } = withLogs;
  return {
    'timers of a log in each mode': withLogs.timers - without.timers,
    'calls in two seconds':
      typeof sections === 'string' ? notCounted(sections) : (sections.get(IDLE_SECTION) ?? none()).calls,
    'wake-ups in two seconds, beyond those without a log':
      wakeUps === undefined || without.wakeUps === undefined
        ? notCounted('there is no /proc')
        : Math.max(0, wakeUps - without.wakeUps),
  };
}
