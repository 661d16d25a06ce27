// Builds dist/: one CommonJS pass of tsc, and for each entry point of package.json a thin ESM face over it.
// Two full builds would make every class exist twice, and `instanceof` fail between `import` and `require`.
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const { exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

rmSync(join(root, 'dist'), { recursive: true, force: true });
execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});

// What the browser gets is written as it is sent.
cpSync(join(root, 'src/serve/page'), join(root, 'dist/serve/page'), { recursive: true });

for (const [entry, conditions] of Object.entries(entries)) {
  if (typeof conditions === 'string') continue;
  const commonjs = conditions.require.default;
  const names = Object.keys(require(join(root, commonjs))).sort();
  if (names.length === 0 || names.includes('default')) {
    throw new Error(`${entry} must have named exports and no default export, but has: ${names.join(', ') || 'none'}`);
  }
  const source = `./${basename(commonjs)}`;
  writeFileSync(join(root, conditions.import.default), `export { ${names.join(', ')} } from '${source}';\n`);
  writeFileSync(join(root, conditions.import.types), `export * from '${source}';\n`);
}
