import { strict as assert } from 'node:assert';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { powerCuts, type PowerCutTest, type Random } from 'rxwal/testing';
// #region graphStore
import { endWith, ignoreElements, lastValueFrom, tap, type Observable } from 'rxjs';
import { openWal, recoverWal, type Id, type SegmentStore, type Wal, type WalError, type WalRecord } from 'rxwal';

/** What a transaction is made of. It is a group of the log, so no record has to say where it ends. */
type Change = Exclude<WalRecord, { readonly transactionId: Id }>;

interface Edge {
  readonly source: Id;
  readonly target: Id;
  readonly edgeType: string;
  readonly properties: Map<string, unknown>;
}

interface Node {
  readonly labels: Set<string>;
  readonly properties: Map<string, unknown>;
  /** Edges that begin or end here. */
  readonly edges: Set<Id>;
}

/** A property graph in memory, and every change of it in a log. */
class GraphStore {
  readonly nodes = new Map<Id, Node>();
  readonly edges = new Map<Id, Edge>();

  private constructor(private readonly wal: Wal<Change>) {}

  /** The graph as the transactions of a log have left it. */
  static recover(wal: Wal<Change>): Observable<GraphStore> {
    const graph = new GraphStore(wal);
    return wal.read().pipe(
      tap(({ value }) => graph.#apply(value)),
      ignoreElements(),
      endWith(graph),
    );
  }

  /**
   * Makes changes, all of them or none. They are seen at once; the promise resolves when they survive a power cut.
   *
   * Rejects, and takes back what it has changed, where a change does not fit the graph or the log refuses it.
   */
  async transact(build: (change: (change: Change) => void) => void): Promise<void> {
    const changes: Change[] = [];
    const undo: (() => void)[] = [];
    let durable: PromiseLike<unknown>;
    try {
      build((change) => {
        undo.push(this.#apply(change));
        changes.push(change);
      });
      if (changes.length === 0) return;
      durable = this.#append(changes);
    } catch (error) {
      for (const takeBack of undo.reverse()) takeBack();
      throw error;
    }
    await durable;
  }

  /** All or none. Throws where the log does not take them, which is known at once: an append happens on the call. */
  #append(changes: readonly Change[]): PromiseLike<unknown> {
    const refusals: unknown[] = [];
    const ack = this.wal.appendAll(changes);
    ack.subscribe({ error: (error: unknown) => refusals.push(error) });
    if (refusals.length > 0) throw refusals[0];
    return ack;
  }

  /** Makes a change, and gives what takes it back. Throws where it does not fit the graph, and changes nothing then. */
  #apply(change: Change): () => void {
    switch (change.type) {
      case 'CreateNode':
        return add(this.nodes, change.id, { labels: new Set(change.labels), properties: new Map(), edges: new Set() });
      case 'DeleteNode': {
        if (this.#node(change.id).edges.size > 0)
          throw new RangeError(`node ${change.id} has edges: delete them first`);
        return remove(this.nodes, change.id);
      }
      case 'CreateEdge': {
        const { id, source, target, edgeType } = change;
        const ends = [this.#node(source), this.#node(target)];
        const takeBack = add(this.edges, id, { source, target, edgeType, properties: new Map() });
        for (const { edges } of ends) edges.add(id);
        return () => {
          for (const { edges } of ends) edges.delete(id);
          takeBack();
        };
      }
      case 'DeleteEdge': {
        const { source, target } = this.#edge(change.id);
        const ends = [this.#node(source), this.#node(target)];
        for (const { edges } of ends) edges.delete(change.id);
        const takeBack = remove(this.edges, change.id);
        return () => {
          for (const { edges } of ends) edges.add(change.id);
          takeBack();
        };
      }
      case 'SetNodeProperty':
        return set(this.#node(change.id).properties, change.key, change.value);
      case 'SetEdgeProperty':
        return set(this.#edge(change.id).properties, change.key, change.value);
      case 'AddNodeLabel':
      case 'RemoveNodeLabel': {
        const { labels } = this.#node(change.id);
        const before = [...labels];
        if (change.type === 'AddNodeLabel') labels.add(change.label);
        else labels.delete(change.label);
        return () => {
          labels.clear();
          for (const label of before) labels.add(label);
        };
      }
    }
  }

  #node(id: Id): Node {
    return found(this.nodes, id, 'node');
  }

  #edge(id: Id): Edge {
    return found(this.edges, id, 'edge');
  }
}

function found<T>(map: ReadonlyMap<Id, T>, id: Id, what: string): T {
  const value = map.get(id);
  if (value === undefined) throw new RangeError(`${what} ${id} is not there`);
  return value;
}

function add<T>(map: Map<Id, T>, id: Id, value: T): () => void {
  if (map.has(id)) throw new RangeError(`${id} is there already`);
  return set(map, id, value);
}

function set<K, T>(map: Map<K, T>, key: K, value: T): () => void {
  const before = map.get(key);
  const was = map.has(key);
  map.set(key, value);
  return () => (was ? map.set(key, before as T) : map.delete(key));
}

function remove<K, T>(map: Map<K, T>, key: K): () => void {
  const before = map.get(key) as T;
  map.delete(key);
  return () => map.set(key, before);
}
// #endregion graphStore

// #region graphStore-model
/** The graph as plain data, in an order that does not depend on its history. */
function picture({ nodes, edges }: GraphStore): unknown {
  const sorted = <K, V>(map: ReadonlyMap<K, V>) => [...map].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  return {
    nodes: sorted(nodes).map(([id, node]) => [
      id,
      [...node.labels].sort(),
      sorted(node.properties),
      [...node.edges].sort(),
    ]),
    edges: sorted(edges).map(([id, { properties, ...edge }]) => [id, edge, sorted(properties)]),
  };
}

/** What the graph was when a transaction was begun and when it was confirmed. */
interface Told {
  readonly state: 'begun' | 'confirmed';
  readonly graph: unknown;
}

const openGraph = async (store: SegmentStore) => {
  const wal = await lastValueFrom(recoverWal<Change>(store));
  return { wal, graph: await lastValueFrom(GraphStore.recover(wal)) };
};

function skipUnfitting(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}

/** A few changes. One transaction in five does not fit the graph in the end, and is none then. */
async function transactAtRandom(graph: GraphStore, random: Random, tell: (told: Told) => void): Promise<void> {
  const id = () => 1 + Math.floor(random() * 6);
  const changes: readonly (() => Change)[] = [
    () => ({ type: 'CreateNode', id: id(), labels: ['Person'] }),
    () => ({ type: 'CreateEdge', id: id(), source: id(), target: id(), edgeType: 'KNOWS' }),
    () => ({ type: 'SetNodeProperty', id: id(), key: 'name', value: `name ${id()}`.repeat(20) }),
    () => ({ type: 'SetEdgeProperty', id: id(), key: 'since', value: 2000 + id() }),
    () => ({ type: 'AddNodeLabel', id: id(), label: `L${id()}` }),
    () => ({ type: 'RemoveNodeLabel', id: id(), label: 'Person' }),
    () => ({ type: 'DeleteEdge', id: id() }),
    () => ({ type: 'DeleteNode', id: id() }),
  ];
  const before = picture(graph);
  try {
    const confirmed = graph.transact((change) => {
      for (const make of [...changes, ...changes]) {
        if (random() < 0.5) skipUnfitting(() => change(make()));
      }
      if (random() < 0.2) change({ type: 'DeleteNode', id: 999 });
    });
    tell({ state: 'begun', graph: picture(graph) });
    await confirmed;
    tell({ state: 'confirmed', graph: picture(graph) });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    assert.deepEqual(picture(graph), before);
  }
}

/** After a power cut the graph is what the last confirmed transaction made it, or one that was on its way: whole, or not at all. */
const keepsTransactions: PowerCutTest<Told> = {
  async use(disk, tell, random) {
    const { wal, graph } = await openGraph(disk);
    tell({ state: 'confirmed', graph: picture(graph) });
    for (let n = 0; n < 12; n += 1) await transactAtRandom(graph, random, tell);
    await wal.close();
  },
  async check(disk, told, tell, random) {
    const { wal, graph } = await openGraph(disk);
    const last = told.findLastIndex(({ state }) => state === 'confirmed');
    const expected = told.slice(Math.max(last, 0)).map((each) => JSON.stringify(each.graph));
    if (last >= 0) assert.ok(expected.includes(JSON.stringify(picture(graph))), 'a graph that never was');
    tell({ state: 'confirmed', graph: picture(graph) });
    for (let n = 0; n < 4; n += 1) await transactAtRandom(graph, random, tell); // and it goes on
    await wal.close();
    const again = await openGraph(disk);
    assert.deepEqual(picture(again.graph), picture(graph));
    await again.wal.close();
  },
};
// #endregion graphStore-model

export async function main(dir: string): Promise<void> {
  // #region graphStore-use
  const wal = await openWal<Change>(dir);
  const graph = await lastValueFrom(GraphStore.recover(wal));

  await graph.transact((change) => {
    change({ type: 'CreateNode', id: 1, labels: ['Person'] });
    change({ type: 'CreateNode', id: 2, labels: ['Person'] });
    change({ type: 'CreateEdge', id: 1, source: 1, target: 2, edgeType: 'KNOWS' });
  });
  // #endregion graphStore-use
  const refused = await graph
    .transact((change) => {
      change({ type: 'SetNodeProperty', id: 1, key: 'name', value: 'Ada' });
      change({ type: 'CreateEdge', id: 2, source: 1, target: 9, edgeType: 'KNOWS' });
    })
    .catch((error: unknown) => error);
  console.log(`${(refused as Error).message}; properties of node 1: ${graph.nodes.get(1)?.properties.size}`);
  const unloggable = await graph
    .transact((change) => {
      change({ type: 'DeleteEdge', id: 1 });
      change({ type: 'SetNodeProperty', id: 1, key: 'name', value: () => 'a function is no data' });
    })
    .catch((error: unknown) => error);
  console.log(`${(unloggable as WalError).code}; edges: ${graph.edges.size}`);
  await graph.transact((change) => change({ type: 'SetNodeProperty', id: 2, key: 'name', value: 'Grace' }));
  await wal.close();

  const again = await openWal<Change>(dir);
  const rebuilt = await lastValueFrom(GraphStore.recover(again));
  assert.deepEqual(picture(rebuilt), picture(graph));
  console.log(`rebuilt: ${rebuilt.nodes.size} nodes, ${rebuilt.edges.size} edge, the same as before`);
  await again.close();

  const report = await powerCuts(keepsTransactions, { states: 100, disk: { sectorBytes: 64 } });
  console.log(`the same graph in ${report.distinct} states after a power cut, and in ${report.nested} cut again`);
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
