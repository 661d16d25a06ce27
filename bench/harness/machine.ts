/** What the figures were measured on, without anything that names the machine. */
import { readFileSync, statfsSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0xef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x01021994: 'tmpfs',
  0x2fc12fc1: 'zfs',
  0x794c7630: 'overlayfs',
};

export interface Machine {
  readonly node: string;
  readonly platform: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly fileSystem: string;
  /** Processes that wanted a core during the last minute: the benchmark's own included. */
  readonly load: number | undefined;
}

export function machine(dir: string): Machine {
  const processors = cpus();
  const { type } = statfsSync(dir);
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    processor: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGib: Math.round(totalmem() / 1024 ** 3),
    fileSystem: FILE_SYSTEMS[type] ?? `0x${type.toString(16)}`,
    load: load(),
  };
}

function load(): number | undefined {
  try {
    return Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]);
  } catch {
    return undefined;
  }
}
