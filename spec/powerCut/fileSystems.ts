import { truncateSync, writeFileSync } from 'node:fs';
import { command } from './command';

/** A file system that the log is put on. */
export interface FileSystem {
  readonly name: string;
  /** Whether it is checked where nobody asks for one. */
  readonly isUsual: boolean;
  readonly mkfs: string;
  /** The Debian package that has it. */
  readonly from: string;
  /** Options of the mounts that are written to; one of them is drawn for each disk. */
  readonly writeOptions: readonly string[];
  /** Options of the mounts that look at what a power cut left. */
  readonly checkOptions: string;
  /** Makes a new one in a new file. */
  readonly make: (image: string) => void;
}

const MIB = 1024 * 1024;

function emptyImage(image: string, bytes: number): void {
  writeFileSync(image, '');
  truncateSync(image, bytes);
}

export const FILE_SYSTEMS: readonly FileSystem[] = [
  {
    name: 'ext4',
    isUsual: true,
    mkfs: 'mkfs.ext4',
    from: 'e2fsprogs',
    writeOptions: ['loop', 'loop', 'loop,nodelalloc', 'loop,data=writeback'],
    checkOptions: 'loop',
    make: (image) => {
      emptyImage(image, 64 * MIB);
      command('mkfs.ext4', '-q', '-F', image);
    },
  },
  {
    name: 'xfs',
    isUsual: true,
    mkfs: 'mkfs.xfs',
    from: 'xfsprogs',
    writeOptions: ['loop'],
    checkOptions: 'loop,nouuid',
    make: (image) => {
      try {
        emptyImage(image, 64 * MIB);
        command('mkfs.xfs', '-q', '--unsupported', image);
      } catch {
        // Newer versions want 300 MiB or that flag, and older ones do not know the flag.
        emptyImage(image, 320 * MIB);
        command('mkfs.xfs', '-q', '-f', image);
      }
    },
  },
  {
    name: 'btrfs',
    isUsual: false,
    mkfs: 'mkfs.btrfs',
    from: 'btrfs-progs',
    writeOptions: ['loop'],
    checkOptions: 'loop',
    make: (image) => {
      emptyImage(image, 160 * MIB);
      command('mkfs.btrfs', '-q', image);
    },
  },
];
