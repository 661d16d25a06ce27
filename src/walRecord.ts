/** Names a node, an edge or a transaction. */
export type Id = number | bigint;

/**
 * The default record: a change to a property graph, as Grafeo logs them. Names are this type's discriminant, `type`.
 * `value` is anything the codec takes.
 */
export type WalRecord =
  | { readonly type: 'CreateNode'; readonly id: Id; readonly labels: readonly string[] }
  | { readonly type: 'DeleteNode'; readonly id: Id }
  | {
      readonly type: 'CreateEdge';
      readonly id: Id;
      readonly source: Id;
      readonly target: Id;
      readonly edgeType: string;
    }
  | { readonly type: 'DeleteEdge'; readonly id: Id }
  | { readonly type: 'SetNodeProperty'; readonly id: Id; readonly key: string; readonly value: unknown }
  | { readonly type: 'SetEdgeProperty'; readonly id: Id; readonly key: string; readonly value: unknown }
  | { readonly type: 'AddNodeLabel'; readonly id: Id; readonly label: string }
  | { readonly type: 'RemoveNodeLabel'; readonly id: Id; readonly label: string }
  | { readonly type: 'TransactionCommit'; readonly transactionId: Id }
  | { readonly type: 'TransactionAbort'; readonly transactionId: Id }
  | { readonly type: 'Checkpoint'; readonly transactionId: Id };

/**
 * `isCommit` for the default record: an fsync for each transaction and not for each record.
 *
 * @example
 * await openWal(dir, { isCommit: isTransactionCommit })
 */
export function isTransactionCommit(record: WalRecord): boolean {
  return record.type === 'TransactionCommit';
}
