import { join } from 'node:path';
import type { Contender } from '../../contender';
import { byHand } from '../byHand';
import { toJsonLines } from '../jsonLines';

const contender: Contender = {
  name: 'sonic-boom without fsync',
  kind: 'peer',
  how: 'as sonic-boom, fsync: false: ack when the operating system has it',

  async open(dir) {
    const { SonicBoom } = (await import('sonic-boom')).default;
    const stream = new SonicBoom({ dest: join(dir, 'orders.jsonl'), sync: true });
    return {
      ...byHand({
        encode: toJsonLines,
        write: (lines) =>
          new Promise<void>((resolve) => {
            stream.once('drain', resolve);
            stream.write(lines);
          }),
      }),
      close: () =>
        new Promise<void>((resolve) => {
          stream.once('close', resolve);
          stream.end();
        }),
    };
  },
};

export default contender;
