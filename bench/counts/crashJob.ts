/** Writes a log, and is killed by its own hand: `node crashJob.js DIRECTORY RECORDS`. */
import { openWal } from 'rxwal';
import { ORDERS, produce } from './work';

async function main(dir: string, records: number): Promise<void> {
  const wal = await openWal<unknown>(dir, { codec: ORDERS.codec });
  await produce(wal, { producers: 64, records, make: ORDERS.make });
  process.kill(process.pid, 'SIGKILL');
}

void main(process.argv[2] as string, Number(process.argv[3]));
