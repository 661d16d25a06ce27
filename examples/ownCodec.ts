import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// #region ownCodec
import { WalRecordError, cborCodec, openWal, type Codec } from 'rxwal';

/** What the application works with. */
interface Payment {
  readonly order: number;
  readonly cents: number;
  readonly currency: string;
}

/** What records may look like: as the first version wrote them, and as they are written now. */
type StoredPayment = { readonly v: 1; readonly order: number; readonly euros: number } | ({ readonly v: 2 } & Payment);

const cbor = cborCodec<StoredPayment>();

/** Writes the newest shape, and reads every shape that was ever written. */
const paymentCodec: Codec<Payment> = {
  encode: (payment) => {
    if (!Number.isSafeInteger(payment.cents))
      throw new RangeError(`cents must be a whole number, not ${payment.cents}`);
    return cbor.encode({ v: 2, ...payment });
  },
  decode: (bytes) => {
    const stored = cbor.decode(bytes);
    switch (stored.v) {
      case 1:
        return { order: stored.order, cents: Math.round(stored.euros * 100), currency: 'EUR' };
      case 2:
        return { order: stored.order, cents: stored.cents, currency: stored.currency };
      default:
        throw new TypeError(`a payment of version ${String((stored as { v: unknown }).v)}: upgrade the application`);
    }
  },
};
// #endregion ownCodec

/** What the first version of the application has left. */
async function writeAsOnce(dir: string): Promise<void> {
  const wal = await openWal<StoredPayment>(dir);
  await wal.append({ v: 1, order: 1, euros: 9.95 });
  await wal.close();
}

export async function main(dir: string): Promise<void> {
  await writeAsOnce(dir);

  // #region ownCodec-use
  const wal = await openWal<Payment>(dir, { codec: paymentCodec });
  await wal.append({ order: 2, cents: 1250, currency: 'CZK' });
  try {
    await wal.append({ order: 3, cents: 0.5, currency: 'EUR' });
  } catch (error) {
    if (!(error instanceof WalRecordError)) throw error;
    console.log(error.message); // this one payment is not in the log; the log goes on
  }
  await wal.read().forEach(({ lsn, value }) => console.log(`${lsn}: ${value.cents} cents, ${value.currency}`));
  // #endregion ownCodec-use
  await wal.close();

  const newer = await openWal<unknown>(dir);
  await newer.append({ v: 3 });
  await newer.close();
  const older = await openWal<Payment>(dir, { codec: paymentCodec });
  await older
    .read()
    .forEach(() => undefined)
    .catch((error: unknown) => console.log((error as Error).message));
  await older.close();
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
