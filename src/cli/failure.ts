import { CommanderError } from 'commander';
import { WalCorruptError, WalError, WalLockedError, WalVersionError, type WalErrorCode } from '../errors';
import { EXIT, type ExitCode } from './exitCodes';

/** The way on from damage. */
export const WHAT_NOW =
  'what stands behind damage was not looked at; `rxwal repair <dir>` lists what can be saved, `rxwal repair <dir> <new-dir>` saves it';

/** The user asked for something that cannot be: a bad argument, or a bad line of input. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const EXIT_OF_CODE: Partial<Record<WalErrorCode, ExitCode>> = { WAL_CORRUPT: EXIT.damaged, WAL_LOCKED: EXIT.locked };

function isUsage(error: unknown): boolean {
  // A RangeError is what the library says to an LSN or an option that cannot be.
  return error instanceof UsageError || error instanceof CommanderError || error instanceof RangeError;
}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof WalError) return EXIT_OF_CODE[error.code] ?? EXIT.unreadable;
  return isUsage(error) ? EXIT.usage : EXIT.unreadable;
}

/** A stable word for an error: the library's code, `USAGE`, or the system's code. */
function codeOf(error: unknown): string {
  if (error instanceof WalError) return error.code;
  if (isUsage(error)) return 'USAGE';
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === 'string' ? code : 'UNEXPECTED';
}

/** An error as one clear line, or as one line of JSON. Its stack comes with `RXWAL_DEBUG` only. */
export function describeFailure(error: unknown, json: boolean): string {
  const message = (error instanceof Error ? error.message : String(error))
    .replace(/^error: /, '')
    .replaceAll('\n', ' ');
  const stack = process.env['RXWAL_DEBUG'] && error instanceof Error ? `\n${error.stack ?? ''}` : '';
  const wayOn = error instanceof WalCorruptError ? `\nrxwal: ${WHAT_NOW}` : '';
  if (!json) return `rxwal: ${codeOf(error)}: ${message}${wayOn}${stack}`;
  const place =
    error instanceof WalCorruptError
      ? { file: error.file, offset: error.offset, lsn: error.lsn, reason: error.reason }
      : error instanceof WalVersionError
        ? { file: error.file }
        : error instanceof WalLockedError
          ? { holder: error.holder }
          : {};
  return `${JSON.stringify({ error: { code: codeOf(error), message, ...place } })}${stack}`;
}
