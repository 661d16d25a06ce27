/**
 * Holds a log against the events it was made of.
 *
 * Also a program of its own: npx tsx examples/main/verify.ts <events.ndjson> <dir> [last LSN acknowledged]
 */
import { readWal } from 'rxwal';
import { isSame, readEvents } from './events';
import { UserError } from './settings';

export interface Verdict {
  /** Records in the log. */
  readonly records: number;
  /** Acknowledged events that do not stand in the log, unchanged, at the LSN that was acknowledged. */
  readonly lost: number;
  /** Records that are not the event of that number: altered, repeated, or out of order. */
  readonly wrong: number;
  /** What is wrong, the first of it; absent where all is well. */
  readonly problem?: string;
}

/**
 * The log must be the first events of the input, in order, each once, and as many as were acknowledged at least. It may hold more:
 * records that were durable when the crash came before their ack could.
 *
 * Reads both in step, in constant memory. The log need not be closed or recovered.
 */
export async function verify(input: string, dir: string, ackedLsn: number): Promise<Verdict> {
  const events = readEvents(input);
  let records = 0;
  let wrong = 0;
  let wrongAcked = 0;
  let problem: string | undefined;
  try {
    await readWal<unknown>(dir).forEach(({ lsn, value }) => {
      records += 1;
      const event = events.next();
      if (lsn === records && !event.done && isSame(value, event.value.value)) return;
      wrong += 1;
      if (lsn <= ackedLsn) wrongAcked += 1;
      problem ??= `the record with LSN ${lsn} is not event ${records}`;
    });
  } catch (error) {
    problem ??= (error as Error).message;
  } finally {
    events.return(undefined);
  }
  const missing = Math.max(0, ackedLsn - records);
  if (missing > 0) problem ??= `the log ends with LSN ${records}, and LSN ${ackedLsn} was acknowledged`;
  return { records, lost: wrongAcked + missing, wrong, ...(problem === undefined ? {} : { problem }) };
}

/** One line about it. */
export function describe({ records, lost, wrong, problem }: Verdict): string {
  if (problem === undefined) return `${records} records, in order, each once; nothing is lost`;
  return `${lost} acknowledged events are lost, ${wrong} of ${records} records are wrong: ${problem}`;
}

async function run([input, dir, ackedLsn = '0']: readonly string[]): Promise<void> {
  if (input === undefined || dir === undefined || !/^\d+$/.test(ackedLsn)) {
    throw new UserError('verify takes <events.ndjson> <dir> [last LSN acknowledged]');
  }
  const verdict = await verify(input, dir, Number(ackedLsn));
  console.log(describe(verdict));
  process.exitCode = verdict.problem === undefined ? 0 : 1;
}

if (require.main === module) {
  run(process.argv.slice(2)).catch((error: unknown) => {
    console.error(String(error));
    process.exitCode = 2;
  });
}
