import { NEVER, map, take, type Observable } from 'rxjs';
import { virtualTime } from 'rxwal/testing';
import { Feed, eventText } from '../../src/serve/feed';
import type { Report } from '../../src/serve/report';

/** A report with nothing in it but its time. */
const report = (atMs: number): Report => ({ atMs, point: { atMs } }) as Report;
const reports = (marbles: Observable<string>): Observable<Report> => marbles.pipe(map((at) => report(Number(at))));
const OPTIONS = { intervalMs: 2, points: 2 };

/** What a client hears, in short: `h12` for a hello with the points 1 and 2, `3` for report 3. */
const short = (texts$: Observable<string>): Observable<string> =>
  texts$.pipe(
    map((text) => {
      const [, event, data] = /^event: (\w+)\ndata: (.*)\n\n$/.exec(text)!;
      const content = JSON.parse(data!) as { history: { atMs: number }[]; atMs: number };
      return event === 'hello' ? `h${content.history.map(({ atMs }) => atMs).join('')}` : String(content.atMs);
    }),
  );

describe('Feed', () => {
  it('subscribes to the reports while there is a client, and once for all of them', () => {
    virtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-1-2-3-4-5');
      const feed = new Feed(() => reports(source), OPTIONS);
      expectObservable(short(feed.client()), '--^-------!').toBe('--a1-2-3-4', {
        a: 'h',
        1: '1',
        2: '2',
        3: '3',
        4: '4',
      });
      expectObservable(short(feed.client()), '------^--------!').toBe('------b3-4-5', {
        b: 'h12',
        3: '3',
        4: '4',
        5: '5',
      });
      expectSubscriptions(source.subscriptions).toBe(['--^------------!']);
    });
  });

  it('tells whether anybody looks', () => {
    virtualTime(({ expectObservable }) => {
      const feed = new Feed(() => NEVER, OPTIONS);
      expectObservable(feed.watched$).toBe('n-y-y-y-n', { n: false, y: true });
      expectObservable(feed.client().pipe(take(9)), '--^---!').toBe('--h', { h: hello([]) });
      expectObservable(feed.client(), '----^---!').toBe('----h', { h: hello([]) });
    });
  });

  it('keeps a bounded history while nobody looks, where it is told to', () => {
    virtualTime(({ cold, expectObservable }) => {
      const feed = new Feed(() => reports(cold('1-2-3-4-|')), OPTIONS);
      expectObservable(feed.keep()).toBe('--------|');
      expectObservable(short(feed.client()), '-----^-').toBe('-----h4', { h: 'h23', 4: '4' });
      // The end of the reports is not the end of the page: the last one stands, and they do not begin again.
      expectObservable(short(feed.client()), '----------^').toBe('----------h', { h: 'h34' });
    });
  });

  it('fails with the reports', () => {
    virtualTime(({ cold, expectObservable }) => {
      const feed = new Feed(() => reports(cold('--1--#')), OPTIONS);
      expectObservable(short(feed.client())).toBe('h-1--#', { h: 'h', 1: '1' });
    });
  });

  it('says hello with the last report', () => {
    virtualTime(({ cold, expectObservable }) => {
      const feed = new Feed(() => reports(cold('1')), OPTIONS);
      expectObservable(feed.keep()).toBe('');
      expectObservable(feed.client(), '--^').toBe('--h', { h: hello([report(1).point], report(1)) });
    });
  });
});

function hello(history: readonly unknown[], last?: Report): string {
  return eventText('hello', { ...OPTIONS, history, report: last });
}

it('eventText is one line of data, whatever it holds', () => {
  expect(eventText('report', { text: 'a\nb\r\n\u2028' })).toBe('event: report\ndata: {"text":"a\\nb\\r\\n\u2028"}\n\n');
});
