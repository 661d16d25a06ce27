/** Reading a log's records as bytes: what shipping and verifying need. The contender's `replay` gives the number of records instead of decoding them. */
import { writeLog } from './preparedLog';
import { measureReplay } from './replay';
import { Unable, type Regime } from './regime';

export const replayRaw: Regime = {
  name: 'replay-raw',
  title: 'Replay of raw bytes, page cache warm',
  references: ['read + one crc'],
  only: ['read + one crc', 'rxwal raw'],
  prepare: writeLog,
  measure: (contender, job) =>
    measureReplay(contender, job, async (session, records) => {
      if (session.replay === undefined) throw new Unable('has no replay');
      const seen = await session.replay(() => {
        throw new Error('a raw replay decodes nothing');
      });
      if (seen !== records) throw new Error(`${String(seen)} of ${records} records came back`);
    }),
};
