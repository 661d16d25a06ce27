/** System calls read from the output of `strace -f -y -o`. */
import { dirname } from 'node:path';

export interface StraceCall {
  readonly thread: string;
  readonly name: string;
  /** What stands between the parentheses, as strace prints it. */
  readonly args: string;
  /** What it returned; NaN where it has not come back. */
  readonly result: number;
  /** The file behind the descriptor returned. */
  readonly resultPath: string | undefined;
  /** The lines on which the call begins and ends: an order of time over all threads and processes of the trace. */
  readonly begin: number;
  readonly end: number;
}

export interface StraceHandlers {
  readonly begun: (call: StraceCall) => void;
  /** The same call has come back. */
  readonly ended: (call: StraceCall) => void;
}

const WHOLE = /^(\d+)\s+(\w+)\((.*)$/s;
const RESUMED = /^(\d+)\s+<\.\.\. \w+ resumed>(.*)$/s;
const UNFINISHED = ' <unfinished ...>';
/** Behind the last parenthesis: what was written may hold the same characters before it. */
const RESULT = /^(.*)\)\s+= (-?\d+|0x[0-9a-f]+)(?:<([^>]*)>)?[^=]*$/s;

/** Gives a function that takes the lines one by one. A call whose line was interrupted by another thread's is put together again. */
export function straceReader({ begun, ended }: StraceHandlers): (line: string) => void {
  const unfinished = new Map<string, StraceCall>();
  let at = 0;
  return (line) => {
    at += 1;
    const [, resumedBy, rest = ''] = RESUMED.exec(line) ?? [];
    if (resumedBy !== undefined) {
      const call = unfinished.get(resumedBy);
      unfinished.delete(resumedBy);
      if (call !== undefined) ended(comeBack(call, call.args + rest, at));
      return;
    }
    const [, thread, name, text] = WHOLE.exec(line) ?? [];
    if (thread === undefined || name === undefined || text === undefined) return;
    const args = text.endsWith(UNFINISHED) ? text.slice(0, -UNFINISHED.length) : text;
    const call: StraceCall = { thread, name, args, result: NaN, resultPath: undefined, begin: at, end: Infinity };
    begun(call);
    if (args.length < text.length) unfinished.set(thread, call);
    else ended(comeBack(call, text, at));
  };
}

function comeBack(call: StraceCall, text: string, end: number): StraceCall {
  const [, args = text, result, resultPath] = RESULT.exec(text) ?? [];
  return { ...call, args, result: Number(result ?? NaN), resultPath, end };
}

export interface FileOfCall {
  readonly path: string;
  /** Its descriptor. The directory tells it apart from the same number in another process, and stays when the file gets another name. */
  readonly descriptor: string;
}

const DESCRIPTOR = /^(-?\d+)<([^>]*)>/;
const NO_FILE = /^\/(?:dev|proc|sys)\/|^\/memfd:/;

/** The file of a disk that a call's first argument is about. */
export function fileOf({ args }: StraceCall): FileOfCall | undefined {
  const [, number, path] = DESCRIPTOR.exec(args) ?? [];
  return number === undefined ? undefined : fileBehind(number, path);
}

/** The file that `open` or `openat` has given. */
export function fileOpened({ result, resultPath }: StraceCall): FileOfCall | undefined {
  return fileBehind(String(result), resultPath);
}

function fileBehind(number: string, path: string | undefined): FileOfCall | undefined {
  if (path === undefined || !path.startsWith('/') || NO_FILE.test(path)) return undefined;
  return { path, descriptor: `${number} ${dirname(path)}` };
}
