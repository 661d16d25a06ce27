import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const COMPILERS = ['cc', 'gcc', 'clang'];

/** The shim, built, or why there is none. */
export type Shim = { readonly path: string } | { readonly missing: string };

/** Builds shim.c into a directory, with whatever C compiler there is. It wraps what glibc and libuv call on Linux. */
export function buildShim(dir: string): Shim {
  if (process.platform !== 'linux') return { missing: `needs Linux, and this is ${process.platform}` };
  const path = join(dir, 'shim.so');
  const args = ['-shared', '-fPIC', '-O1', '-o', path, join(__dirname, 'shim.c'), '-ldl', '-lpthread'];
  for (const compiler of COMPILERS) {
    const { error, status, stderr } = spawnSync(compiler, args, { encoding: 'utf8' });
    if (error) continue;
    return status === 0 ? { path } : { missing: `${compiler} refuses shim.c: ${stderr}` };
  }
  return { missing: `needs a C compiler (tried ${COMPILERS.join(', ')})` };
}
