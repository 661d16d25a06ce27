// The door.
export { openWal, recoverWal, type OpenWalOptions } from './openWal';
export type { CheckpointMark, Wal } from './wal';
export type { WalOptions } from './options';
export type { WalWritableOptions } from './writable';
export type { Entries } from './entries';
export type { Projected, Projection, ProjectOptions, SnapshotOutcome } from './projection/projection';
export { readWal, type ReadWalOptions } from './read';
export { repairWal, type Renumbered, type Repair, type RepairProgress, type RepairWalOptions } from './salvage/repair';
export type { Gap } from './salvage/gap';

// Records and codecs.
export { isTransactionCommit, type Id, type WalRecord } from './walRecord';
export { cborCodec } from './codec/cborCodec';
export { rawCodec } from './codec/rawCodec';

// The line, stage by stage.
export { serialize, type SerializeOptions } from './operators/serialize';
export { group, type Group } from './group';
export { frame, type FrameOptions } from './operators/frame';
export { checksum } from './operators/checksum';
export { batch, type BatchOptions } from './operators/batch';
export { rotate, type RotateOptions } from './operators/rotate';
export { commit, type CommitOptions } from './operators/commit';
export { checkpoint, type CheckpointOptions, type CheckpointOutcome } from './operators/checkpoint';

// Its reading mirrors.
export { unframe, type UnframeOptions } from './operators/unframe';
export { verify, type VerifyOptions } from './operators/verify';
export { deserialize } from './operators/deserialize';

// Operators around a log.
export { appendTo } from './operators/appendTo';
export { committed, type CommittedOptions, type TransactionId } from './operators/committed';
export { metrics, type MetricsOptions } from './operators/metrics';

// What metrics() gives.
export { histogramQuantile } from './metrics/histogramQuantile';
export type { Histogram } from './metrics/histogram';
export type { MeteredLog, WalMetrics } from './metrics/walMetrics';

// What every log publishes on node:diagnostics_channel.
export type { WalDiagnostics } from './diagnostics';

// What composing the line by hand takes.
export { saveCheckpoint } from './saveCheckpoint';
export { recover, type RecoverOptions, type Recovered } from './recover';
export { HEADER_BYTES } from './format/header';
export { nodeStore, type NodeStoreOptions } from './store/nodeStore';
export type { SegmentAccess, SegmentFile, SegmentStore, Unlock } from './store/segmentStore';

// Words.
export type {
  Ack,
  Barrier,
  Batch,
  BatchReason,
  Checkpoint,
  Codec,
  Commit,
  Durability,
  DurabilityMode,
  Entry,
  Frame,
  FrameRun,
  FrameKind,
  Holds,
  KeptBy,
  Payload,
  ReadOptions,
  Reader,
  ReaderState,
  Recovery,
  Rejection,
  Retention,
  RetentionOptions,
  SegmentInfo,
  SegmentSink,
  SegmentStart,
  SegmentWindow,
  StoredFrame,
  TailOptions,
  WalState,
  WalStats,
} from './types';

// Errors.
export {
  WalBackpressureError,
  WalClosedError,
  WalCorruptError,
  WalError,
  WalIoError,
  WalLockedError,
  WalOpenTransactionsError,
  WalPoisonedError,
  WalProjectionError,
  WalRecordError,
  WalTruncatedError,
  WalVersionError,
  type CorruptionPlace,
  type LockHolder,
  type OldestTransaction,
  type WalErrorCode,
} from './errors';
