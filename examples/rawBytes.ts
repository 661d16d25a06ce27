import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openWal, rawCodec } from 'rxwal';

export async function main(dir: string): Promise<void> {
  // #region rawBytes
  // For what is encoded already: Protobuf, Avro, the bytes of a request. They are stored as they are.
  const wal = await openWal<Uint8Array>(dir, { codec: rawCodec() });
  wal.next(Buffer.from('POST /orders HTTP/1.1'));
  wal.next(Uint8Array.of(0x00, 0xff, 0x2a));
  await wal.sync();

  await wal.read().forEach(({ lsn, value }) => console.log(`${lsn}: ${Buffer.from(value).toString('hex')}`));
  // #endregion rawBytes
  await wal.close();
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
