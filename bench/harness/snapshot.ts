/**
 * What a run measures, compiled and put aside before it starts: neither an edit nor a build in the middle of a run changes it, and
 * no loader stands between a contender and the engine (that of tsx names every function anew, which costs on a hot path).
 */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from './compile';
import { BENCH, ROOT, WORK } from './places';

export interface Snapshot {
  /** Holds `harness/`, `contenders/`, `regimes/` as JavaScript, and rxwal below `node_modules/`. */
  readonly directory: string;
  /** Worth knowing about it, in words. */
  readonly remarks: readonly string[];
  remove(): void;
}

/** @param rxwal `dist`: as it is built and published. `src`: compiled now, file by file. */
export function takeSnapshot(rxwal: 'dist' | 'src'): Snapshot {
  const directory = join(WORK, `run-${process.pid}`);
  const packaged = join(directory, 'node_modules', 'rxwal');
  mkdirSync(packaged, { recursive: true });
  compile(sources(BENCH, ['harness', 'contenders', 'regimes'], ['contender.ts', 'order.ts']), BENCH, directory);
  cpSync(join(ROOT, 'package.json'), join(packaged, 'package.json'));
  const remarks: string[] = [];
  if (rxwal === 'src') {
    const files = sources(join(ROOT, 'src'), ['.']);
    compile(files, join(ROOT, 'src'), join(packaged, 'dist'));
    remarks.push('rxwal is src/ as it was when the run started.');
  } else {
    const built = join(ROOT, 'dist');
    if (!existsSync(join(built, 'index.js'))) throw new Error('rxwal is not built: npm run build');
    cpSync(built, join(packaged, 'dist'), { recursive: true });
    const newest = Math.max(...sources(join(ROOT, 'src'), ['.']).map((file) => statSync(file).mtimeMs));
    if (newest > statSync(join(built, 'index.js')).mtimeMs) {
      remarks.push('dist/ is older than src/: this run measures what was built last (npm run build).');
    }
  }
  return { directory, remarks, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

function sources(base: string, folders: readonly string[], files: readonly string[] = []): string[] {
  const found = folders.flatMap((folder) =>
    readdirSync(join(base, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
      .map((name) => join(base, folder, name)),
  );
  return [...found, ...files.map((file) => join(base, file))];
}
