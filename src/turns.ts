import { AsyncSubject, type Observable } from 'rxjs';

/** Calls that wait for their turn in the line, each under the object that went down it. A promise's two ends, at the public edge. */
export class Turns<K extends object, R> {
  readonly #waiting = new Map<
    K,
    { readonly resolve: (result: R) => void; readonly reject: (error: unknown) => void }
  >();

  get size(): number {
    return this.#waiting.size;
  }

  /** @returns what becomes of `key`. */
  wait(key: K): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(key, { resolve, reject });
    });
  }

  /** @returns what becomes of `key`, for who must not wait for a promise. Hot. */
  ask(key: K): Observable<R> {
    const answer$ = new AsyncSubject<R>();
    this.#waiting.set(key, {
      resolve: (result) => {
        answer$.next(result);
        answer$.complete();
      },
      reject: (error) => {
        answer$.error(error);
      },
    });
    return answer$;
  }

  resolve(key: K, result: R): void {
    this.#waiting.get(key)?.resolve(result);
    this.#waiting.delete(key);
  }

  reject(key: K, error: unknown): void {
    this.#waiting.get(key)?.reject(error);
    this.#waiting.delete(key);
  }

  rejectAll(error: unknown): void {
    for (const key of [...this.#waiting.keys()]) this.reject(key, error);
  }
}
