import { Subject } from 'rxjs';
import { committed } from '../../src/operators/committed';
import type { Entry } from '../../src/types';
import type { WalRecord } from '../../src/walRecord';
import { expectPicture } from './helpers';

const letters: Record<string, WalRecord> = {
  a: { type: 'CreateNode', id: 1, labels: [] },
  b: { type: 'SetNodeProperty', id: 1, key: 'name', value: 'Ada' },
  C: { type: 'TransactionCommit', transactionId: 1 },
  X: { type: 'TransactionAbort', transactionId: 1 },
  K: { type: 'Checkpoint', transactionId: 1 },
};
const entries = Object.fromEntries(
  Object.entries(letters).map(([letter, value], index): [string, Entry<WalRecord>] => [
    letter,
    { lsn: index + 1, value },
  ]),
);

function expectCommitted(picture: { source: string; subs?: string; unsub?: string; expected: string }): void {
  expectPicture(committed(), { ...picture, values: entries, results: entries });
}

describe('committed', () => {
  it('keeps what belongs to committed transactions', () => {
    expectCommitted({
      source: '  -a-b-C---a-X--b-K--a-|',
      subs: '    ^--------------------!',
      expected: '-----(abC)------K----|',
    });
  });

  it('lets a transaction out when it commits, not before', () => {
    expectCommitted({
      source: '  -a-b-----',
      expected: '---------',
    });
  });

  it('lets out a commit that commits nothing', () => {
    expectCommitted({
      source: '  -C-C-|',
      expected: '-C-C-|',
    });
  });

  it('drops at an abort what came since the last commit, and the abort itself', () => {
    expectCommitted({
      source: '  -a-C---b-X-C-|',
      expected: '---(aC)----C-|',
    });
  });

  it('drops at a checkpoint what is open, and keeps the checkpoint', () => {
    expectCommitted({
      source: '  -a-K-b-C---|',
      expected: '---K---(bC)|',
    });
  });

  it('drops at the end what was never committed', () => {
    expectCommitted({
      source: '  -a-b-|',
      expected: '-----|',
    });
  });

  it('drops at an error what was never committed', () => {
    expectCommitted({
      source: '  -a-b-#',
      subs: '    ^----!',
      expected: '-----#',
    });
  });

  it('holds each kind of change for one', () => {
    const changes: WalRecord[] = [
      { type: 'CreateNode', id: 1n, labels: ['Person'] },
      { type: 'DeleteNode', id: 1 },
      { type: 'CreateEdge', id: 1, source: 1, target: 2, edgeType: 'KNOWS' },
      { type: 'DeleteEdge', id: 1 },
      { type: 'SetNodeProperty', id: 1, key: 'k', value: null },
      { type: 'SetEdgeProperty', id: 1, key: 'k', value: null },
      { type: 'AddNodeLabel', id: 1, label: 'l' },
      { type: 'RemoveNodeLabel', id: 1, label: 'l' },
      { type: 'TransactionCommit', transactionId: 1 },
    ];
    const source$ = new Subject<Entry<WalRecord>>();
    const seen: Entry<WalRecord>[] = [];
    source$.pipe(committed()).subscribe((entry) => seen.push(entry));
    const all = changes.map((value, index) => ({ lsn: index + 1, value }));
    for (const entry of all.slice(0, -1)) source$.next(entry);
    expect(seen).toEqual([]);
    source$.next(all.at(-1)!);
    expect(seen).toEqual(all);
  });

  it('begins anew for each subscriber', () => {
    const operator = committed();
    const source$ = new Subject<Entry<WalRecord>>();
    const seen: string[] = [];
    source$.pipe(operator).subscribe(({ value }) => seen.push(`first ${value.type}`));
    source$.next(entries['a']!);
    source$.pipe(operator).subscribe(({ value }) => seen.push(`second ${value.type}`));
    source$.next(entries['C']!);
    expect(seen).toEqual(['first CreateNode', 'first TransactionCommit', 'second TransactionCommit']);
  });

  it('keeps the order of a transaction that is pushed in while another one is on its way out', () => {
    const source$ = new Subject<Entry<WalRecord>>();
    const seen: string[] = [];
    source$.pipe(committed()).subscribe(({ value: { type } }) => {
      seen.push(type);
      if (type !== 'CreateNode') return;
      source$.next(entries['b']!);
      source$.next(entries['C']!);
    });
    source$.next(entries['a']!);
    source$.next(entries['C']!);
    expect(seen).toEqual(['CreateNode', 'TransactionCommit', 'SetNodeProperty', 'TransactionCommit']);
  });

  it('ends with an error at an entry that is no record', () => {
    const none = new TypeError("Cannot read properties of undefined (reading 'type')");
    expectPicture(committed(), {
      source: '  -a-n-C-|',
      values: { ...entries, n: { lsn: 9, value: undefined as unknown as WalRecord } },
      subs: '    ^--!',
      expected: '---#',
      failure: none,
    });
  });

  it('is empty where its source is', () => {
    expectCommitted({ source: '|', subs: '(^!)', expected: '|' });
  });

  it('never ends where its source never does', () => {
    expectCommitted({ source: '-', subs: '^', expected: '-' });
  });

  it('leaves its source when it is left', () => {
    expectCommitted({
      source: '  -a-C----b-C-',
      subs: '    ^------!',
      expected: '---(aC)',
      unsub: '   -------!',
    });
  });
});
