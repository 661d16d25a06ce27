/**
 * The child process: opens the log, which recovers it, and goes on with the first event that is not in it. The number of an
 * event is the LSN of its record, so the log itself says where that is.
 *
 * Every ack is a line on stdout: the LSN, and the microseconds from the append to the ack. It may be killed at any moment.
 */
import { setTimeout } from 'node:timers/promises';
import { firstValueFrom, skip } from 'rxjs';
import { openWal } from 'rxwal';
import { readEvents } from './events';

/** Appends on their way to the disk at one time. */
const IN_FLIGHT = 16;

async function write([input = '', dir = '', maxSegmentBytes, waveEvents, waveMs]: readonly string[]): Promise<void> {
  const wal = await openWal<unknown>(dir, { maxSegmentBytes: Number(maxSegmentBytes) });
  const started = performance.now();
  let appended = 0;

  for (const { value } of readEvents(input, wal.lastLsn)) {
    // Orders come in waves: a pause, then as fast as the disk takes them.
    if (appended % Number(waveEvents) === 0) {
      const due = started + (appended / Number(waveEvents)) * Number(waveMs);
      if (due > performance.now()) await setTimeout(due - performance.now());
    }
    appended += 1;

    const appendedAt = performance.now();
    wal.append(value).subscribe({
      next: ({ lsn }) => process.stdout.write(`${lsn} ${Math.round((performance.now() - appendedAt) * 1000)}\n`),
      // A log that stopped says so below too, where it ends the program.
      error: (error: unknown) => console.error(String(error)),
    });

    // The next event is not read before there is room for it: this is what keeps the memory constant.
    if (wal.lastLsn - wal.durableLsn >= IN_FLIGHT) await firstValueFrom(wal.durable$.pipe(skip(1)));
  }
  await wal.close();
}

void write(process.argv.slice(2));
