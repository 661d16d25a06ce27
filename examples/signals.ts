import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openWal, readWal } from 'rxwal';

interface Reading {
  readonly celsius: number;
}

export async function main(dir: string): Promise<void> {
  // #region await-using
  {
    // The end of the block closes the log, also where the block throws: what was appended drains first.
    await using wal = await openWal<Reading>(dir, { signal: AbortSignal.timeout(30_000) });
    for (const celsius of [19, 20, 21, 22]) wal.next({ celsius });
  }
  // #endregion await-using

  // #region signals
  // An AbortSignal gives up what takes long: an opening, a reading, a repair. Each ends with the signal's reason.
  const controller = new AbortController();
  try {
    await readWal<Reading>(dir, { signal: controller.signal }).forEach(({ lsn, value }) => {
      console.log(`${lsn}: ${value.celsius} degrees`);
      if (value.celsius > 20) controller.abort(new Error('warm enough'));
    });
  } catch (error) {
    if (error !== controller.signal.reason) throw error;
    console.log(`given up: ${controller.signal.reason}`);
  }
  // #endregion signals
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
