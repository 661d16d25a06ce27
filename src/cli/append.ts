import { addAbortSignal } from 'node:stream';
import { defer, filter, firstValueFrom, from, fromEvent, merge, type Observable } from 'rxjs';
import { WalRecordError } from '../errors';
import { openWal } from '../openWal';
import type { WalOptions } from '../options';
import type { Ack, Durability } from '../types';
import type { Wal } from '../wal';
import { namedCodec, type NamedCodec } from './codecOption';
import { EXIT, type ExitCode } from './exitCodes';
import { UsageError } from './failure';
import { linesOf, type Line } from './lines';
import type { Session } from './session';
import { plural } from './words';

export interface AppendOptions {
  readonly codec: string;
  readonly mode: string;
  readonly maxDelayMs: number;
  readonly maxRecords: number;
  readonly targetIntervalMs: number;
  readonly maxSegmentBytes?: number;
  readonly quiet?: boolean;
  readonly skipBad?: boolean;
}

/** Records that may be on their way to the disk before the next line is read. A batch that ends by its number must fit. */
const MAX_ON_THEIR_WAY = 1024;
/** As that, in characters of lines. */
const MAX_CHARACTERS_ON_THEIR_WAY = 4 * 1024 * 1024;

/**
 * Appends the lines of the standard input, a JSON value each, and prints a line for each record when it is kept, in order. So a script that
 * has read an ack has its record. A signal, or a reader of the acks who has gone, ends the input: what was taken becomes durable, and
 * the log is closed.
 */
export function append(session: Session, dir: string, options: AppendOptions): Observable<ExitCode> {
  return defer(() => from(appendAll(session, dir, options)));
}

async function appendAll(session: Session, dir: string, options: AppendOptions): Promise<ExitCode> {
  const { out } = session;
  const codec = await namedCodec(options.codec);
  const stop = new AbortController();
  const wal = await openWal<unknown>(dir, walOptions(session, options, codec));
  const end = (): void => {
    stop.abort();
  };
  const ended = merge(fromEvent(process, 'SIGINT'), fromEvent(process, 'SIGTERM'), out.gone$).subscribe({
    next: end,
    error: end,
  });
  const acks = new Acks(wal, {
    next: (ack) => {
      if (!options.quiet) out.line(JSON.stringify(ack));
    },
    // The log has stopped: closing it says why.
    error: end,
  });
  try {
    const skipped = await takeLines(session, {
      wal,
      codec,
      acks,
      stop: stop.signal,
      skipBad: options.skipBad === true,
    });
    if (skipped > 0) session.remark(`${plural(skipped, 'line')} skipped`);
  } finally {
    ended.unsubscribe();
    // Everything that was taken is acknowledged first, and the log is marked clean.
    await wal.close();
  }
  // The log is closed: in every mode everything is durable by now.
  if (options.quiet && acks.last) out.line(JSON.stringify({ ...acks.last, durable: true }));
  return EXIT.fine;
}

function walOptions(session: Session, options: AppendOptions, { codec }: NamedCodec): WalOptions<unknown> {
  const { maxRecordBytes } = session;
  return { codec, maxRecordBytes, durability: durabilityOf(options), maxSegmentBytes: options.maxSegmentBytes };
}

function durabilityOf({ mode, maxDelayMs, maxRecords, targetIntervalMs }: AppendOptions): Durability {
  switch (mode) {
    case 'batch':
      return { mode, maxDelayMs, maxRecords };
    case 'adaptive':
      return { mode, targetIntervalMs };
    case 'sync':
    case 'nosync':
      return { mode };
    default:
      throw new UsageError(`--mode is sync, batch, adaptive or nosync, not '${mode}'`);
  }
}

/** Counts the records that are not acknowledged yet. */
class Acks {
  last: Ack | undefined;
  /** Characters of the lines whose records are on their way, by LSN. */
  readonly #waiting = new Map<number, number>();
  #characters = 0;

  constructor(
    private readonly wal: Wal<unknown>,
    tell: { readonly next: (ack: Ack) => void; readonly error: () => void },
  ) {
    wal.acks$.subscribe({
      next: (ack) => {
        this.last = ack;
        this.#characters -= this.#waiting.get(ack.lsn) ?? 0;
        this.#waiting.delete(ack.lsn);
        tell.next(ack);
      },
      error: tell.error,
    });
  }

  sent(lsn: number, characters: number): void {
    if (lsn <= (this.last?.lsn ?? 0)) return;
    this.#waiting.set(lsn, characters);
    this.#characters += characters;
  }

  /** Waits until there is room for more: half of what may be on its way is acknowledged. */
  async room(maxRecords: number): Promise<void> {
    if (this.#waiting.size < maxRecords && this.#characters < MAX_CHARACTERS_ON_THEIR_WAY) return;
    const enough = (): boolean =>
      this.#waiting.size <= maxRecords / 2 && this.#characters <= MAX_CHARACTERS_ON_THEIR_WAY / 2;
    await firstValueFrom(this.wal.acks$.pipe(filter(enough)));
  }
}

interface Taking {
  readonly wal: Wal<unknown>;
  readonly codec: NamedCodec;
  readonly acks: Acks;
  readonly stop: AbortSignal;
  readonly skipBad: boolean;
}

/** Appends line after line. @returns how many bad ones were skipped. */
async function takeLines(session: Session, { wal, codec, acks, stop, skipBad }: Taking): Promise<number> {
  const { durability } = wal;
  const maxRecords = Math.max(MAX_ON_THEIR_WAY, durability.mode === 'batch' ? 2 * durability.maxRecords : 0);
  let skipped = 0;
  try {
    for await (const line of linesOf(addAbortSignal(stop, process.stdin.setEncoding('utf8')))) {
      if (line.text.trim() === '') continue;
      const { lsn, failure } = appendLine(wal, codec, line);
      if (failure === undefined) {
        acks.sent(lsn, line.text.length);
        await acks.room(maxRecords);
        await firstValueFrom(session.out.drained());
      } else {
        const bad = new UsageError(`line ${line.number}: ${messageOf(failure)}`, { cause: failure });
        if (!isBadLine(failure)) throw failure as Error;
        if (!skipBad) throw bad;
        session.remark(`skipped ${bad.message}`);
        skipped += 1;
      }
    }
  } catch (error) {
    if (!stop.aborted) throw error;
  }
  return skipped;
}

/** Appends one line. @returns its LSN, and why it was not taken, where it was not. */
function appendLine(
  wal: Wal<unknown>,
  codec: NamedCodec,
  { text }: Line,
): { readonly lsn: number; readonly failure: unknown } {
  let failure: unknown;
  try {
    // It happens on the call, and a refusal comes with it; what comes later is the log's to say.
    wal.append(codec.fromJson(JSON.parse(text))).subscribe({
      error: (error: unknown) => {
        failure = error;
      },
    });
  } catch (error) {
    failure = error;
  }
  return { lsn: wal.lastLsn, failure };
}

/** It is the line that is at fault, and not the log. */
function isBadLine(error: unknown): boolean {
  return error instanceof SyntaxError || error instanceof UsageError || error instanceof WalRecordError;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
