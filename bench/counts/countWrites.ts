/** What the kernel is asked for while records are written, and by what is paid once in a while. */
import { notCounted, type Counts } from './count';
import { none, type FileCalls } from './fileCalls';
import { tracedJob } from './tracedJob';
import { KINDS, LARGE, ORDERS, SMALL, payloadBytes, type Kind } from './work';
import { BULK, LOADS, ROTATIONS, recordsOf, writeSection, type Load } from './writeSections';

/** The default of `preallocateBytes`; the next step is laid when half of one is left. */
const STEP_BYTES = 256 * 1024;
const MOST_AHEAD_BYTES = 1.5 * STEP_BYTES;
/** What one commit has at the most. */
const COMMIT_BYTES = 4 * 1024 * 1024;

export async function countWrites(work: string): Promise<Counts<'writes'>> {
  const sections = await tracedJob('writeJob', work);
  if (typeof sections === 'string') return notCounted(sections);
  const section = (name: string): FileCalls => sections.get(name) ?? none();
  const written = (kind: Kind, load: Load): FileCalls => section(writeSection(kind.name, load));

  /** The most of several kinds of records: what is asked for does not depend on their size. */
  const most = (load: Load, count: (calls: FileCalls) => number, kinds = KINDS): number =>
    Math.max(...kinds.map((kind) => count(written(kind, load)) / recordsOf(load)));
  const ofManyRecords = [ORDERS, SMALL];
  const syncs = (load: Load): number => most(load, (of) => of.syncs, load === BULK ? ofManyRecords : KINDS);
  const calls = (load: Load): number => most(load, (of) => of.calls, load === BULK ? ofManyRecords : KINDS);
  const beside = (kind: Kind, load: Load): number =>
    (written(kind, load).writtenBytes - payloadBytes(kind, recordsOf(load))) / recordsOf(load);
  const besides = (load: Load): number => Math.max(...KINDS.map((kind) => beside(kind, load)));
  const orderBytes = (load: Load): number => written(ORDERS, load).writtenBytes / recordsOf(load);

  const all = LOADS.flatMap((load) => KINDS.map((kind) => written(kind, load)));
  const large = written(LARGE, BULK);
  const rotation = section('rotation');
  const checkpoint = section('checkpoint');
  const close = section('close');
  return {
    'fsyncs a record, 1 producer': syncs(1),
    'fsyncs a record, 64 producers': syncs(64),
    'fsyncs a record, bulk': syncs(BULK),
    'fsyncs for each 4 MiB, bulk of 4 KiB records': large.syncs / Math.ceil(large.writtenBytes / COMMIT_BYTES),
    'calls a record, 1 producer': calls(1),
    'calls a record, 64 producers': calls(64),
    'calls a record, bulk': calls(BULK),
    'bytes beside the payload, 1 producer': besides(1),
    'bytes beside the payload, 64 producers': besides(64),
    'bytes beside the payload, bulk': besides(BULK),
    'bytes an order event, 1 producer': orderBytes(1),
    'bytes an order event, 64 producers': orderBytes(64),
    'bytes an order event, bulk': orderBytes(BULK),
    'zeros for each byte, beyond those ahead': Math.max(
      ...all.map(({ zeroBytes, writtenBytes }) => Math.max(0, zeroBytes - MOST_AHEAD_BYTES) / writtenBytes),
    ),
    'writes for each step of zeros': Math.max(
      ...all.map(({ zeroBytes, zeroWrites }) =>
        zeroWrites === 0 ? 0 : zeroWrites / Math.ceil(zeroBytes / STEP_BYTES),
      ),
    ),
    'fsyncs a rotation': rotation.syncs / ROTATIONS,
    'calls a rotation': rotation.calls / ROTATIONS,
    'bytes a rotation': rotation.writtenBytes / ROTATIONS,
    'fsyncs a checkpoint': checkpoint.syncs,
    'calls a checkpoint': checkpoint.calls,
    'bytes a checkpoint': checkpoint.writtenBytes,
    'calls to remove five segments': section('removal').calls - checkpoint.calls,
    'fsyncs at the close': close.syncs,
    'calls at the close': close.calls,
    'bytes at the close': close.writtenBytes,
  };
}
