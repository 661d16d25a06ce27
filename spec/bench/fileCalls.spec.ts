import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFileCalls, type FileCalls } from '../../bench/counts/fileCalls';

const work = mkdtempSync(join(tmpdir(), 'rxwal-spec-'));
afterAll(() => rmSync(work, { recursive: true }));

const OPEN_DURABLE = '1 openat(AT_FDCWD</>, "/log/wal_1.log", O_WRONLY|O_DSYNC) = 5</log/wal_1.log>';
const begin = (section: string): string => `1 write(9</dev/null>, "rxwal ${section} 0\\n", 14) = 14`;

async function sections(...lines: readonly string[]): Promise<ReadonlyMap<string, FileCalls>> {
  const trace = join(work, 'calls');
  writeFileSync(trace, `${lines.join('\n')}\n`);
  return readFileCalls(trace, '/log');
}

describe('readFileCalls', () => {
  it('counts a write through O_DSYNC as an fsync, and one through a descriptor without it not', async () => {
    const read = await sections(
      OPEN_DURABLE,
      begin('a'),
      '2 pwritev(5</log/wal_1.log>, [{iov_base="ab", iov_len=2}], 1, 0) = 2',
      '2 pwrite64(6</log/wal_1.log>, "abc", 3, 0) = 3',
      '2 fdatasync(6</log/wal_1.log>) = 0',
    );
    expect(read.get('a')).toMatchObject({ calls: 3, syncs: 2, writes: 2, writtenBytes: 5, segmentBytes: 5 });
  });

  it('keeps zeros laid ahead apart', async () => {
    const read = await sections(
      OPEN_DURABLE,
      begin('a'),
      String.raw`2 pwritev(5</log/wal_1.log>, [{iov_base="\0\0\0\0"..., iov_len=4096}], 1, 32) = 4096`,
    );
    expect(read.get('a')).toMatchObject({ calls: 0, syncs: 0, writes: 0, zeroWrites: 1, zeroBytes: 4096 });
  });

  it('puts a call where it began, and leaves other files out', async () => {
    const read = await sections(
      begin('a'),
      '2 pread64(5</log/wal_1.log>,  <unfinished ...>',
      begin('b'),
      '2 <... pread64 resumed>"abc", 32, 0) = 3',
      '1 pread64(7</elsewhere/file>, "abc", 32, 0) = 3',
    );
    expect(read.get('a')?.reads.get('wal_1.log')).toEqual({ calls: 1, bytes: 3 });
    expect(read.has('b')).toBe(false);
  });

  it('does not count what it cannot see', async () => {
    await expect(sections('1 io_uring_enter(3<anon_inode:[io_uring]>, 1, 0, 0, NULL, 8) = 1')).rejects.toThrow(
      'io_uring',
    );
  });
});
