import { Observable, firstValueFrom } from 'rxjs';

/** An Observable of one value that can be awaited as well. Each `then` subscribes. */
// eslint-disable-next-line rxjs-x/no-subclass -- nothing that wraps an Observable can be awaited and still be one
export class Awaitable<T> extends Observable<T> implements PromiseLike<T> {
  constructor(source$: Observable<T>) {
    super((subscriber) => source$.subscribe(subscriber));
  }

  then<R = T, E = never>(
    onValue?: ((value: T) => R | PromiseLike<R>) | null,
    onError?: ((error: unknown) => E | PromiseLike<E>) | null,
  ): Promise<R | E> {
    return firstValueFrom(this).then(onValue, onError);
  }
}
