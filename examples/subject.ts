import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Subject, fromEvent, lastValueFrom } from 'rxjs';
import { openWal } from 'rxwal';

interface Click {
  readonly button: string;
}

export async function main(dir: string): Promise<void> {
  const clicks$ = new Subject<Click>();

  // #region subject
  // SIGTERM closes the log: it takes nothing more, and what it has taken becomes durable.
  const wal = await openWal<Click>(dir, { shutdown$: fromEvent(process, 'SIGTERM') });

  clicks$.subscribe(wal); // a log is an Observer; the end of clicks$ would close it too
  wal.acks$.subscribe({
    next: ({ lsn }) => console.log(`click ${lsn} is durable`),
    complete: () => console.log('the log is closed'),
  });
  // #endregion subject

  clicks$.next({ button: 'buy' });
  clicks$.next({ button: 'pay' });
  process.emit('SIGTERM'); // as the operating system would
  console.log(`state after the signal: ${await lastValueFrom(wal.state$)}`);
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
