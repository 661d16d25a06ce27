import type { ObservedLog } from './walMetrics';

/** What an exporter knows of a log beside the log itself. */
export interface Tally {
  /** Bytes of the commits since the exporter began. */
  readonly writtenBytes: number;
}

/** One number of a log, under the names that each system gives it, in the base unit that both ask for: seconds, bytes, records. */
export interface Reading {
  readonly opentelemetry: string;
  readonly prometheus: string;
  /** `counter` only grows. `sum` makes sense added up over logs; `gauge` does not. */
  readonly kind: 'counter' | 'sum' | 'gauge';
  /** As UCUM writes it. */
  readonly unit: string;
  readonly help: string;
  readonly read: (wal: ObservedLog, tally: Tally) => number;
}

/** What the exporters read when they are asked. Counters of records and events begin with the opening of the log. */
export const READINGS: readonly Reading[] = [
  {
    ...{ opentelemetry: 'rxwal.records.appended', prometheus: 'appended_records_total', kind: 'counter' },
    ...{ unit: '{record}', help: 'Records that got an LSN since the log was opened.' },
    read: ({ lastLsn, recovery }) => lastLsn - recovery.lastLsn,
  },
  {
    ...{ opentelemetry: 'rxwal.records.acked', prometheus: 'acked_records_total', kind: 'counter' },
    ...{ unit: '{record}', help: 'Records whose ack is due: durable, in mode nosync written.' },
    read: ({ lastLsn, recovery, stats }) => lastLsn - stats.pendingRecords - recovery.lastLsn,
  },
  {
    ...{ opentelemetry: 'rxwal.records.rejected', prometheus: 'rejected_records_total', kind: 'counter' },
    ...{ unit: '{record}', help: 'Values that were not taken.' },
    read: ({ stats }) => stats.rejected,
  },
  {
    ...{ opentelemetry: 'rxwal.written', prometheus: 'written_bytes_total', kind: 'counter' },
    ...{
      unit: 'By',
      help: 'Bytes of commits since they are exported; headers of segments and zeros laid ahead are not among them.',
    },
    read: (_wal, { writtenBytes }) => writtenBytes,
  },
  {
    ...{ opentelemetry: 'rxwal.rotations', prometheus: 'rotations_total', kind: 'counter' },
    ...{ unit: '{rotation}', help: 'Segments begun since the log was opened.' },
    read: ({ stats }) => stats.rotations,
  },
  {
    ...{ opentelemetry: 'rxwal.checkpoints', prometheus: 'checkpoints_total', kind: 'counter' },
    ...{ unit: '{checkpoint}', help: 'Checkpoints saved since the log was opened.' },
    read: ({ stats }) => stats.checkpoints,
  },
  {
    ...{ opentelemetry: 'rxwal.queue.records', prometheus: 'queue_records', kind: 'sum' },
    ...{ unit: '{record}', help: 'Records appended whose ack is not due yet.' },
    read: ({ stats }) => stats.pendingRecords,
  },
  {
    ...{ opentelemetry: 'rxwal.queue.size', prometheus: 'queue_bytes', kind: 'sum' },
    ...{ unit: 'By', help: 'Bytes of frames that wait, or are on their way to the disk.' },
    read: ({ stats }) => stats.pendingBytes,
  },
  {
    ...{ opentelemetry: 'rxwal.segments', prometheus: 'segments', kind: 'sum' },
    ...{ unit: '{segment}', help: 'Segments the log consists of.' },
    read: ({ stats }) => stats.segments,
  },
  {
    ...{ opentelemetry: 'rxwal.durable.lag', prometheus: 'durable_lag_records', kind: 'gauge' },
    ...{ unit: '{record}', help: 'Records appended that a power cut would take.' },
    read: ({ lastLsn, durableLsn }) => lastLsn - durableLsn,
  },
  {
    ...{ opentelemetry: 'rxwal.lsn.first', prometheus: 'first_lsn', kind: 'gauge' },
    ...{ unit: '1', help: 'LSN of the oldest record the log still holds.' },
    read: ({ firstLsn }) => firstLsn,
  },
  {
    ...{ opentelemetry: 'rxwal.lsn.last', prometheus: 'last_lsn', kind: 'gauge' },
    ...{ unit: '1', help: 'LSN of the newest record appended.' },
    read: ({ lastLsn }) => lastLsn,
  },
  {
    ...{ opentelemetry: 'rxwal.lsn.durable', prometheus: 'durable_lsn', kind: 'gauge' },
    ...{ unit: '1', help: 'Every record up to this LSN survives a power cut.' },
    read: ({ durableLsn }) => durableLsn,
  },
  {
    ...{ opentelemetry: 'rxwal.recovery.duration', prometheus: 'recovery_duration_seconds', kind: 'gauge' },
    ...{ unit: 's', help: 'How long the opening of the log took.' },
    read: ({ recovery }) => recovery.milliseconds / 1000,
  },
  {
    ...{ opentelemetry: 'rxwal.recovery.cut', prometheus: 'recovery_cut_bytes', kind: 'gauge' },
    ...{ unit: 'By', help: 'Bytes of a torn tail that the opening cut off.' },
    read: ({ recovery }) => recovery.bytesCut,
  },
];

/** The histograms, recorded commit by commit. */
export const COMMIT_HISTOGRAMS = {
  duration: {
    ...{ opentelemetry: 'rxwal.commit.duration', prometheus: 'commit_duration_seconds', unit: 's' },
    help: 'From handing the bytes of a commit to the operating system until it was done; where it made them durable, the fsync is in it.',
  },
  records: {
    ...{ opentelemetry: 'rxwal.commit.records', prometheus: 'commit_records', unit: '{record}' },
    help: 'Records of a commit that had any.',
  },
  bytes: {
    ...{ opentelemetry: 'rxwal.commit.size', prometheus: 'commit_bytes', unit: 'By' },
    help: 'Bytes of a commit that had records.',
  },
} as const;

/** The state of a log: 1 for the one it is in. */
export const STATE = {
  ...{ opentelemetry: 'rxwal.state', prometheus: 'state' },
  help: 'The state the log is in: 1 for that one, 0 for the others.',
  states: ['open', 'closing', 'closed', 'poisoned'],
} as const;
