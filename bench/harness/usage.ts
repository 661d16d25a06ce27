/** What a piece of work has cost, from the operating system's own counters. */
import { readFileSync, statSync } from 'node:fs';

export interface Usage {
  /** Processor time of this process, in microseconds: user and system, all threads. */
  readonly cpuUs: number;
  /** The same of the contender's server. */
  readonly serverCpuUs?: number | undefined;
  /** Bytes that the writing processes gave to calls that write (`wchar` of /proc/PID/io): not what goes through a memory map. */
  readonly givenBytes?: number | undefined;
  /**
   * Bytes of the page cache that they made dirty (`write_bytes`). Where the kernel keeps a file in large folios, one changed byte counts as a
   * whole folio: far more than the device gets.
   */
  readonly dirtiedBytes?: number | undefined;
  /** Bytes that the device took, from whomever (/proc/diskstats). */
  readonly deviceBytes?: number | undefined;
  /** Bytes that this process has asked to read, and by how many calls (`rchar`, `syscr`). */
  readonly readBytes?: number | undefined;
  readonly readCalls?: number | undefined;
}

const SECTOR_BYTES = 512;
/** Clock ticks a second in /proc/PID/stat: 100 on every Linux that Node runs on. */
const TICK_US = 10_000;

/** Starts counting; the function that it gives stops, and says what has been used since. */
export function startUsage(dir: string, serverPid?: number): () => Usage {
  const before = counters(dir, serverPid);
  return () => {
    const after = counters(dir, serverPid);
    const since = (name: keyof Usage): number | undefined =>
      before[name] === undefined || after[name] === undefined ? undefined : after[name] - before[name];
    return {
      cpuUs: after.cpuUs - before.cpuUs,
      serverCpuUs: since('serverCpuUs'),
      givenBytes: since('givenBytes'),
      dirtiedBytes: since('dirtiedBytes'),
      deviceBytes: since('deviceBytes'),
      readBytes: since('readBytes'),
      readCalls: since('readCalls'),
    };
  };
}

function counters(dir: string, serverPid: number | undefined): Usage {
  const { user, system } = process.cpuUsage();
  const own = processIo('self');
  const server = serverPid === undefined ? undefined : processIo(String(serverPid));
  return {
    cpuUs: user + system,
    serverCpuUs: serverPid === undefined ? undefined : processCpuUs(serverPid),
    // The process with a server writes to a socket only.
    givenBytes: (server ?? own)?.('wchar'),
    dirtiedBytes: own === undefined ? undefined : own('write_bytes') + (server?.('write_bytes') ?? 0),
    deviceBytes: deviceBytes(dir),
    readBytes: own?.('rchar'),
    readCalls: own?.('syscr'),
  };
}

/** The counters of one process by their names, where there is a /proc and it may be read. */
function processIo(pid: string): ((name: string) => number) | undefined {
  const text = readIfThere(`/proc/${pid}/io`);
  if (text === undefined) return undefined;
  return (name) => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1]);
}

function processCpuUs(pid: number): number | undefined {
  const text = readIfThere(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The second field is the program's name in parentheses, and may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

function deviceBytes(dir: string): number | undefined {
  const { dev } = statSync(dir);
  const major = (dev >> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  for (const line of (readIfThere('/proc/diskstats') ?? '').split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (Number(fields[0]) === major && Number(fields[1]) === minor) return Number(fields[9]) * SECTOR_BYTES;
  }
  return undefined;
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
