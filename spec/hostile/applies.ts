import { checkpointCbor, fromLe, hex } from '../support/bytes';
import type { Files } from '../support/reference';

const HEADER_BYTES = 32;
const LARGEST_LSN = Number.MAX_SAFE_INTEGER - 1000;
const HEAD_BYTES = 12;

/**
 * Whether the reference reader speaks about a directory: it knows segment numbers of eight digits, and takes the payload of a
 * `checkpoint.meta` whose checksums are right for a checkpoint's without looking into it. Nor does it know where LSNs end.
 */
export function referenceApplies(files: Files): boolean {
  if ([...files.keys()].some((name) => /^wal_[1-9]\d{8,14}\.log$/.test(name))) return false;
  if ([...files.values()].some((bytes) => bytes.length >= HEADER_BYTES && fromLe(bytes, 8, 8) > LARGEST_LSN))
    return false;
  const meta = files.get('checkpoint.meta');
  return !meta || isUsual(meta);
}

/** Whether these are the bytes of a checkpoint as the log writes it, but for checksums and what a header refuses. */
function isUsual(meta: Uint8Array): boolean {
  const claimed = fromLe(meta, HEADER_BYTES, 4);
  const payload = hex(meta.subarray(HEADER_BYTES + HEAD_BYTES, -4));
  const lsn = fromLe(meta, HEADER_BYTES + 4, 8);
  if (claimed - 2 * 2 ** 30 !== payload.length / 2 || lsn !== fromLe(meta, 8, 8) - 1) return false;
  const epochs = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  return (
    epochs.some((epoch) => payload === hex(checkpointCbor({ lsn, epoch }))) ||
    payload === hex(checkpointCbor({ lsn, epoch: 5, transactionId: 77 }))
  );
}
