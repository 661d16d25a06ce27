import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import type { CHECKS } from './checks';
import type { Fault } from './fault';

const SRC = join(__dirname, '..', '..', 'src');

/**
 * The checks, run on a copy of the log that has this fault; on the log as it is, without one.
 *
 * @throws where the code that the fault changes is not there any more.
 */
export async function checksOf(fault?: Fault): Promise<typeof CHECKS> {
  const { outputFiles } = await build({
    entryPoints: [join(__dirname, 'checks.ts')],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    logLevel: 'silent',
    alias: { rxwal: join(SRC, 'index.ts'), 'rxwal/testing': join(SRC, 'testing', 'index.ts') },
    external: ['cbor-x', 'crc-32', 'fs-native-extensions', 'rxjs'],
    plugins: fault ? [broken(fault)] : [],
  });
  const [bundle] = outputFiles;
  const module = { exports: {} as { CHECKS: typeof CHECKS } };
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the bundle is what is being tested
  const run = new Function('require', 'module', 'exports', bundle!.text) as (...args: readonly unknown[]) => void;
  run(require, module, module.exports);
  return module.exports.CHECKS;
}

/** Changes the code as it is read. */
function broken({ name, changes }: Fault): Plugin {
  return {
    name,
    setup({ onLoad, onEnd }) {
      const done = new Set<string>();
      onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
        const mine = changes.filter(({ file }) => path === join(SRC, file));
        if (mine.length === 0) return undefined;
        let contents = readFileSync(path, 'utf8');
        for (const { file, from, to, times = 1 } of mine) {
          const parts = contents.split(from);
          if (parts.length - 1 !== times) throw new Error(`'${from}' stands ${parts.length - 1} times in src/${file}`);
          contents = parts.join(to);
          done.add(file);
        }
        return { contents, loader: 'ts' };
      });
      onEnd(() => {
        for (const { file } of changes) if (!done.has(file)) throw new Error(`src/${file} is not part of the log`);
      });
    },
  };
}
