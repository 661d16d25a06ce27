import { catchError, throwError, type MonoTypeOperatorFunction } from 'rxjs';
import { WalError, WalIoError } from './errors';

/** Gives a bare error of the system its place: what was being done, to which file. */
export function asIoError<T>(operation: string, file: string): MonoTypeOperatorFunction<T> {
  return catchError((error: unknown) =>
    throwError(() => (error instanceof WalError ? error : new WalIoError(operation, file, error))),
  );
}
