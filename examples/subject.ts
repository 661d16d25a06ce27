import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Subject, fromEvent, lastValueFrom, takeUntil } from 'rxjs';
import { openWal } from 'rxwal';

interface Click {
  readonly button: string;
}

export async function main(dir: string): Promise<void> {
  const clicks$ = new Subject<Click>();

  // #region subject
  const wal = await openWal<Click>(dir);
  wal.acks$.subscribe({
    next: ({ lsn }) => console.log(`click ${lsn} is durable`),
    error: (error: unknown) => console.error('the log has stopped', error),
    complete: () => console.log('the log is closed'),
  });

  // A log is an Observer. The end of the events closes it: it takes nothing more, and what it has taken becomes durable.
  const shutdown$ = fromEvent(process, 'SIGTERM');
  clicks$.pipe(takeUntil(shutdown$)).subscribe(wal);
  // #endregion subject

  clicks$.next({ button: 'buy' });
  clicks$.next({ button: 'pay' });
  process.emit('SIGTERM'); // as the operating system would
  console.log(`state after the signal: ${await lastValueFrom(wal.state$)}`);
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
