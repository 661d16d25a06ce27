import { ackOrder } from '../../bench/harness/ackOrder';

const BEGIN = String.raw`1 write(9</dev/null>, "rxwal begin 1\n", 14) = 14`;
const ACK = String.raw`1 write(9</dev/null>, "rxwal ack 1\n", 12) = 12`;
const WRITE = '2 write(5</d/f>, "~00001~", 7) = 7';
const MAP = '2 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 5</d/f>, 0) = 0x7f0000';

function verdict(...lines: readonly string[]): { byBytes: boolean; byOrder: boolean } | undefined {
  const order = ackOrder();
  for (const line of lines) order.line(line);
  const [ack] = order.result().acks;
  return ack && { byBytes: ack.byBytes !== undefined, byOrder: ack.byOrder !== undefined };
}

const DURABLE = { byBytes: true, byOrder: true };
const NOT_DURABLE = { byBytes: false, byOrder: false };

describe('ackOrder', () => {
  it.each<[string, readonly string[]]>([
    ['a sync that began after the write', [BEGIN, WRITE, '3 fdatasync(5</d/f>) = 0', ACK]],
    [
      'calls that other threads interrupt',
      [
        BEGIN,
        '2 write(5</d/f>, "~00001~", 7 <unfinished ...>',
        '2 <... write resumed>) = 7',
        '3 fsync(5</d/f> <unfinished ...>',
        '4 write(6</d/g>, ") = 3", 5) = 5',
        '3 <... fsync resumed>) = 0',
        ACK,
      ],
    ],
    [
      'O_DSYNC, under another name by now',
      [
        '2 openat(AT_FDCWD</d>, "f.tmp", O_WRONLY|O_CREAT|O_DSYNC, 0666) = 5</d/f.tmp>',
        BEGIN,
        '2 pwritev(5</d/f>, [{iov_base="~00001~", iov_len=7}], 1, 0) = 7',
        ACK,
      ],
    ],
    ['RWF_DSYNC', [BEGIN, '2 pwritev2(5</d/f>, [{iov_base="~00001~", iov_len=7}], 1, 0, RWF_DSYNC) = 7', ACK]],
  ])('calls durable: %s', (_what, lines) => {
    expect(verdict(...lines)).toEqual(DURABLE);
  });

  it.each<[string, readonly string[]]>([
    ['no sync', [BEGIN, WRITE, ACK]],
    [
      'a sync that began before the write had returned',
      [
        BEGIN,
        '2 write(5</d/f>, "~00001~", 7 <unfinished ...>',
        '3 fdatasync(5</d/f> <unfinished ...>',
        '2 <... write resumed>) = 7',
        '3 <... fdatasync resumed>) = 0',
        ACK,
      ],
    ],
    [
      'a sync that returns after the ack',
      [BEGIN, WRITE, '3 fsync(5</d/f> <unfinished ...>', ACK, '3 <... fsync resumed>) = 0'],
    ],
    ['a sync of another file', [BEGIN, WRITE, '3 fsync(6</d/g>) = 0', ACK]],
    [
      'a sync that failed, and another one',
      [BEGIN, WRITE, '3 fsync(5</d/f>) = -1 EIO (Input/output error)', '3 fsync(5</d/f>) = 0', ACK],
    ],
    [
      'a descriptor that had O_DSYNC in its last life',
      [
        '2 openat(AT_FDCWD</d>, "f", O_WRONLY|O_DSYNC) = 5</d/f>',
        '2 openat(AT_FDCWD</d>, "f", O_WRONLY) = 5</d/f>',
        BEGIN,
        WRITE,
        ACK,
      ],
    ],
    ['MS_ASYNC', [MAP, BEGIN, '2 msync(0x7f0000, 4096, MS_ASYNC) = 0', ACK]],
  ])('calls not durable: %s', (_what, lines) => {
    expect(verdict(...lines)).toEqual(NOT_DURABLE);
  });

  it('takes what was stored to a mapping by the order of calls', () => {
    expect(verdict(MAP, BEGIN, '2 msync(0x7f0000, 4096, MS_SYNC) = 0', ACK)).toEqual({ byBytes: false, byOrder: true });
  });
});
