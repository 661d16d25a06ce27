/** What may not be exceeded, and where each figure comes from. Counts only: a busy machine has the same. */

export interface Budget {
  readonly most: number;
  readonly why: string;
}

/**
 * Exceeding one is a change to be understood: mended, or written down here with its reason. Counts of calls leave out those that lay
 * zeros ahead, which have their own.
 */
export const BUDGETS = {
  writes: {
    'fsyncs a record, 1 producer': { most: 1, why: 'a lone record is made durable by itself' },
    'fsyncs a record, 64 producers': { most: 1 / 64, why: 'all whom one commit released ride in the next' },
    'fsyncs a record, bulk': {
      most: 1 / 256,
      why: 'on a fast disk 256 records may leave while the rest comes; up to 4,096 ride together',
    },
    'fsyncs for each 4 MiB, bulk of 4 KiB records': { most: 1, why: 'a commit has 4 MiB at the most' },
    'calls a record, 1 producer': { most: 1, why: 'one O_DSYNC write, and nothing beside it' },
    'calls a record, 64 producers': { most: 1 / 64, why: 'the same, for a batch' },
    'calls a record, bulk': { most: 1 / 256, why: 'the same, for a batch' },
    'bytes beside the payload, 1 producer': { most: 32, why: 'a frame takes 16 bytes, the mark of its batch 16' },
    'bytes beside the payload, 64 producers': { most: 16 + 16 / 64, why: 'one mark for 64 frames' },
    'bytes beside the payload, bulk': { most: 16.1, why: 'one mark for a batch of 1,020 records or more' },
    'bytes an order event, 1 producer': { most: 209, why: '177 of CBOR, 16 the frame, 16 the mark' },
    'bytes an order event, 64 producers': { most: 194, why: '177 of CBOR, 16 the frame, 1/64 of a mark' },
    'bytes an order event, bulk': { most: 194, why: 'as above' },
    'zeros for each byte, beyond those ahead': {
      most: 1,
      why: 'a byte overwrites one zero; a step and a half may be ahead',
    },
    'writes for each step of zeros': { most: 1, why: 'a step of 256 KiB is one write, and the fsync behind it' },
    'fsyncs a rotation': { most: 3, why: 'the old segment, the new one, the directory' },
    'calls a rotation': {
      most: 13,
      why: 'trim and close the old (2 descriptors), open the new (2 opens, 2 stats), header, the directory (open, close), 3 fsyncs',
    },
    'bytes a rotation': { most: 32, why: 'a header' },
    'fsyncs a checkpoint': { most: 3, why: 'its frame, checkpoint.meta, the directory' },
    'calls a checkpoint': {
      most: 13,
      why: 'its frame; checkpoint.meta (2 opens, 2 stats, write, fsync, 2 closes, rename); the directory (3)',
    },
    'bytes a checkpoint': { most: 110, why: 'a mark, a frame, checkpoint.meta' },
    'calls to remove five segments': { most: 8, why: 'one each; the directory (open, fsync, close) once' },
    'fsyncs at the close': { most: 1, why: 'the segment, trimmed' },
    'calls at the close': { most: 7, why: 'mark, trim, fsync, 2 closes; unlock and close the lock' },
    'bytes at the close': { most: 16, why: 'the mark that makes it clean' },
  },
  honesty: {
    'acks too early, 1 producer': { most: 0, why: 'an ack comes after the fsync' },
    'acks too early, 64 producers': { most: 0, why: 'an ack comes after the fsync' },
  },
  opens: {
    'reads of a segment that is not the last': { most: 1, why: 'its header' },
    'bytes read of a segment that is not the last': { most: 32, why: 'its header' },
    'bytes read of the last segment, beyond its size': { most: 0, why: 'no byte is read twice' },
    'reads of the last segment': { most: 2, why: 'its header, and the rest' },
    'calls for each segment more': { most: 4, why: 'open, stat, read, close' },
    'fsyncs to open after a clean close': { most: 0, why: 'a clean log is gone on with as it is' },
    'bytes written to segments after a clean close': { most: 0, why: 'a clean log is gone on with as it is' },
    'after a kill: times the records are read, beyond the whole file once': {
      most: 2,
      why: 'to copy them, and to check the copy',
    },
    'after a kill: times the records are written': { most: 1, why: 'into the new file' },
    'after a kill: fsyncs': { most: 2, why: 'the new file, the directory' },
  },
  idle: {
    'timers of a log in each mode': {
      most: 0,
      why: 'no timer exists while nothing waits, nor when a tail, a projection and a listener have gone',
    },
    'calls in two seconds': { most: 0, why: 'nothing is asked of the file system' },
    'wake-ups in two seconds, beyond those without a log': {
      most: 20,
      why: 'none; with room for what the runtime does. A timer of 5 ms would have 400',
    },
  },
  // Measured with Node 20, and 14 to 20 % of room: another engine may lay objects out in another way.
  allocations: {
    'heap bytes a record: next': { most: 650, why: 'measured: 562' },
    'heap bytes a record: append, subscribed': { most: 1090, why: 'measured: 950' },
    'heap bytes a record: append, awaited by 64': { most: 2030, why: 'measured: 1,760; 1/64 of a commit is in it' },
    'heap bytes a record: append, awaited by 1': { most: 14_500, why: 'measured: 12,500; a whole commit is in it' },
    'heap bytes a record: replay, decoded': { most: 900, why: 'measured: 772; the decoded event is in it' },
  },
  acks: {
    'elements touched an ack, 50 pending': { most: 2, why: 'its place in the ring is read, and emptied' },
    'elements touched an ack, 50,000 pending': { most: 2, why: 'the same' },
    'calls an ack, 50 pending': { most: 4, why: 'made; the waiter told, and completed; acks$ told' },
    'calls an ack, 50,000 pending': { most: 4, why: 'the same' },
    'turns for 1,000 acks, 50,000 pending': { most: 1, why: '1,024 acks are handed out in a turn of the event loop' },
  },
} satisfies Readonly<Record<string, Readonly<Record<string, Budget>>>>;
