import { getEventListeners } from 'node:events';
import { EMPTY, NEVER, Observable, Subject, defer, of, type Subscription } from 'rxjs';
import { virtualTime } from 'rxwal/testing';
import { untilAborted } from '../src/untilAborted';
import { collect } from './support/logs';

const REASON = new Error('enough');

/** A signal that is aborted when this emits. */
function abortedAt(at$: Observable<unknown>): AbortSignal {
  const controller = new AbortController();
  at$.subscribe(() => {
    controller.abort(REASON);
  });
  return controller.signal;
}

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('untilAborted', () => {
  it('ends the source with the reason of the signal, and leaves it', () => {
    virtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const source$ = cold('              --1--2--3--|');
      const signal = abortedAt(hot('      ------x'));
      const expected = '                  --1--2#';
      expectObservable(source$.pipe(untilAborted(signal))).toBe(expected, undefined, REASON);
      expectSubscriptions(source$.subscriptions).toBe('^-----!');
    });
  });

  it('hands on what ends before: empty, one, many, an error', () => {
    virtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const signal = abortedAt(hot('---------x'));
      for (const picture of ['|', '--1|', '-1-2-(3|)', '-1-#']) {
        expectObservable(cold(picture).pipe(untilAborted(signal))).toBe(picture);
      }
      const source$ = cold('                -1-2-(3|)');
      expectObservable(source$.pipe(untilAborted(signal))).toBe('-1-2-(3|)');
      expectSubscriptions(source$.subscriptions).toBe('^----!');
    });
  });

  it('ends what never ends, and never what is not aborted', () => {
    virtualTime(({ hot, expectObservable }) => {
      expectObservable(NEVER.pipe(untilAborted(abortedAt(hot('---x'))))).toBe('---#', undefined, REASON);
      expectObservable(NEVER.pipe(untilAborted(new AbortController().signal))).toBe('-');
    });
  });

  it('leaves the source when it is left, and hears the signal no more', () => {
    virtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const source$ = cold('              --1--2--3--|');
      const signal = abortedAt(hot('      ---------x'));
      const unsub = '                     ------!';
      const expected = '                  --1--2';
      expectObservable(source$.pipe(untilAborted(signal)), unsub).toBe(expected);
      expectSubscriptions(source$.subscriptions).toBe('^-----!');
    });
  });

  it('never subscribes where the signal is aborted already', () => {
    let subscribed = 0;
    const source$ = defer(() => of((subscribed += 1)));
    expect(collect(source$.pipe(untilAborted(AbortSignal.abort(REASON))))).toMatchObject({ values: [], error: REASON });
    expect(subscribed).toBe(0);
  });

  it('gives any reason as it is: none given is an AbortError', () => {
    expect(collect(NEVER.pipe(untilAborted(AbortSignal.abort()))).error).toMatchObject({ name: 'AbortError' });
    expect(collect(NEVER.pipe(untilAborted(AbortSignal.abort('a word')))).error).toBe('a word');
  });

  it('hands the source on as it is where there is no signal', () => {
    expect(NEVER.pipe(untilAborted(undefined))).toBe(NEVER);
  });

  it('puts one listener on the signal, and takes it away at the end, at an error, at leaving, at the abort', () => {
    const controller = new AbortController();
    const { signal } = controller;
    const begin = (): { source$: Subject<number>; subscription: Subscription } => {
      const source$ = new Subject<number>();
      const subscription = source$.pipe(untilAborted(signal)).subscribe({ error: () => undefined });
      expect(listeners(signal)).toBe(1);
      return { source$, subscription };
    };
    begin().source$.complete();
    expect(listeners(signal)).toBe(0);
    begin().source$.error(new Error('bad'));
    expect(listeners(signal)).toBe(0);
    begin().subscription.unsubscribe();
    expect(listeners(signal)).toBe(0);
    begin();
    controller.abort();
    expect(listeners(signal)).toBe(0);
  });

  it('leaves nothing on a signal that outlives thousands of streams, those that take no time among them', () => {
    const { signal } = new AbortController();
    for (let stream = 0; stream < 5000; stream += 1) {
      of(1, 2, 3).pipe(untilAborted(signal)).subscribe();
      EMPTY.pipe(untilAborted(signal)).subscribe();
    }
    expect(listeners(signal)).toBe(0);
  });

  it('stops a source that takes no time, when it is aborted from within', () => {
    const controller = new AbortController();
    let given = 0;
    const source$ = new Observable<number>((subscriber) => {
      while (!subscriber.closed && given < 100) subscriber.next((given += 1));
    });
    const seen: number[] = [];
    const errors: unknown[] = [];
    source$.pipe(untilAborted(controller.signal)).subscribe({
      next: (value) => {
        seen.push(value);
        if (value === 3) controller.abort(REASON);
      },
      error: (error: unknown) => errors.push(error),
    });
    expect({ seen, errors, given }).toEqual({ seen: [1, 2, 3], errors: [REASON], given: 3 });
  });

  it('begins anew for each subscriber', () => {
    const controller = new AbortController();
    const operator = untilAborted<number>(controller.signal);
    const errors: unknown[] = [];
    const observer = { error: (error: unknown) => errors.push(error) };
    NEVER.pipe(operator).subscribe(observer);
    NEVER.pipe(operator).subscribe(observer);
    expect(errors).toEqual([]);
    controller.abort(REASON);
    of(1).pipe(operator).subscribe(observer);
    expect(errors).toEqual([REASON, REASON, REASON]);
  });
});
