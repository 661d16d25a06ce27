import type { Fault } from './fault';

const GROUP = 'format/group.ts';

/** How a part of a group has come to be seen. */
export const GROUP_FAULTS: readonly Fault[] = [
  {
    name: 'a group is appended record by record',
    changes: [
      {
        file: 'liveWal.ts',
        from: 'return this.#append(group(values));',
        to: 'return group(values).values.map((value) => this.#append(value)).at(-1) as PendingAck;',
      },
    ],
    caughtBy: 'power cuts: groups',
  },
  {
    name: 'the checksum of a group leaves out how many records it has',
    changes: [
      {
        file: 'format/frame.ts',
        from: 'return crc32(bytesBetween(buffer, start, end - CRC_BYTES), crcFrom)',
        to: "return frameKind(buffer, start) === 'group' ? crc32(bytesBetween(buffer, start + 16, end - CRC_BYTES), crc32(bytesBetween(buffer, start, start + 12), crcFrom)) : crc32(bytesBetween(buffer, start, end - CRC_BYTES), crcFrom)",
      },
      { file: GROUP, from: 'return at === payloadEnd ? count : 0;', to: 'return count;' },
    ],
    caughtBy: 'a flipped bit of a group takes all of it',
  },
  {
    name: 'the lengths within a group are not held against its own',
    changes: [
      { file: GROUP, from: 'return at === payloadEnd ? count : 0;', to: 'return count;' },
      { file: GROUP, from: 'if (at > payloadEnd) return 0;', to: '' },
    ],
    caughtBy: 'a group that does not fit is none',
  },
  {
    name: 'a group goes into a segment of an earlier rxwal, whose header allows none',
    changes: [{ file: 'recover.ts', from: 'if (last.groups === false) return leave(log, last, ending);', to: '' }],
    caughtBy: 'a group stands where it may',
  },
  {
    name: 'a follower is shown a group by its first record',
    changes: [
      {
        file: 'follow.ts',
        from: 'unproven.findIndex((frame) => lsnBehind(frame, 0) > durable)',
        to: 'unproven.findIndex((frame) => frame.lsn > durable)',
      },
    ],
    caughtBy: 'a follower is shown whole groups',
  },
];
