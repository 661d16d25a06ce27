import { buildSync } from 'esbuild';

/** Compiles each file by itself, as the engine is to see it. */
export function compile(entryPoints: string[], outbase: string, outdir: string): void {
  buildSync({
    entryPoints,
    outbase,
    outdir,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    // Without it the paths of the repository's tsconfig would be followed.
    tsconfigRaw: {},
    sourcemap: 'inline',
    logLevel: 'error',
  });
}
