// Packs the package, installs the tarball in an empty folder, and uses it there as its users would:
// by `import`, by `require`, and through its types. It is the one check that runs what is published.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const {
  name,
  exports: conditions,
  peerDependenciesMeta,
  devDependencies,
} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const entries = Object.keys(conditions)
  .filter((entry) => typeof conditions[entry] !== 'string')
  .map((entry) => name + entry.slice(1));
/** Packages that some entries need, in the versions that they are tested with here. */
const optional = Object.keys(peerDependenciesMeta).filter((peer) => peerDependenciesMeta[peer].optional);
const withPeers = [`${name}/opentelemetry`, `${name}/prometheus`];
const alone = entries.filter((entry) => !withPeers.includes(entry));
const folder = mkdtempSync(join(tmpdir(), `${name}-smoke-`));

const run = (command, args, cwd = folder) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
const runNode = (file, source) => {
  writeFileSync(join(folder, file), source);
  return run(process.execPath, [file]).trim();
};

function checkContents(files) {
  const published =
    /^(package\.json|LICENSE|(README|CHANGELOG|ARCHITECTURE|CONTRIBUTING)\.md|(spec|src\/format)\/README\.md|examples\/(support\/)?\w+\.(md|ts)|examples\/dashboard\.png|dist\/.+\.(js|mjs|d\.ts|d\.mts)|dist\/serve\/page\/\w+\.(html|css|js|svg))$/;
  assert.deepEqual(
    files.filter((file) => !published.test(file)),
    [],
    'files that should not be published',
  );
  for (const { import: esm, require: cjs } of Object.values(conditions).filter((each) => typeof each !== 'string')) {
    for (const target of [esm.types, esm.default, cjs.types, cjs.default]) {
      assert.ok(files.includes(target.slice(2)), `${target} is named in exports but not published`);
    }
  }
}

try {
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root));
  const files = packed.files.map((file) => file.path);
  checkContents(files);

  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'smoke', private: true }));
  run('npm', [
    'install',
    '--ignore-scripts',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    join(folder, packed.filename),
  ]);

  // Both module systems see the same names, and behind them the same objects.
  const checkNames = (those) =>
    runNode(
      'same.mjs',
      `import assert from 'node:assert/strict';
     import { createRequire } from 'node:module';
     const require = createRequire(import.meta.url);
     for (const entry of ${JSON.stringify(those)}) {
       const imported = await import(entry);
       const required = require(entry);
       assert.deepEqual(Object.keys(imported).sort(), Object.keys(required).sort(), entry);
       for (const name of Object.keys(required)) assert.equal(imported[name], required[name], name);
     }
     assert.equal(require('${name}/package.json').name, '${name}');`,
    );
  assert.deepEqual(
    readdirSync(join(folder, 'node_modules')).filter((each) => ['prom-client', '@opentelemetry'].includes(each)),
    [],
    'optional packages that came uninvited',
  );
  checkNames(alone);
  const names = readdirSync(join(folder, 'node_modules')).filter((each) => !each.startsWith('.'));

  // With the packages that some entries need, those entries too: a log of one process, in both of its exporters.
  run('npm', [
    'install',
    '--ignore-scripts',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    ...optional.map((peer) => `${peer}@${devDependencies[peer]}`),
  ]);
  checkNames(entries);
  const exported = runNode(
    'exported.mjs',
    `import { metrics } from '@opentelemetry/api';
     import { Registry } from 'prom-client';
     import { openWal } from '${name}';
     import { observeWal } from '${name}/opentelemetry';
     import { collectWal } from '${name}/prometheus';
     const wal = await openWal('exported');
     const registry = new Registry();
     collectWal(wal, registry, { labels: {} });
     observeWal(wal, metrics.getMeter('smoke')).unsubscribe();
     await wal.append({ n: 1 });
     await wal.close();
     console.log(await registry.metrics());`,
  );
  assert.match(exported, /^rxwal_appended_records_total 1$/m);
  assert.match(exported, /^rxwal_commit_duration_seconds_count\{durable="true"\} 1$/m);

  // What one process writes by import, another reads by require.
  runNode(
    'write.mjs',
    `import { firstValueFrom } from 'rxjs';
     import { openWal } from '${name}';
     const wal = await openWal('log', { maxSegmentBytes: 4096 });
     const acks = await Promise.all([1, 2, 3].map((n) => firstValueFrom(wal.append({ n }))));
     await wal.close();
     if (acks.map((ack) => ack.lsn + ':' + ack.durable).join() !== '1:true,2:true,3:true') throw new Error(JSON.stringify(acks));`,
  );
  const read = runNode(
    'read.cjs',
    `const { lastValueFrom, toArray } = require('rxjs');
     const { readWal } = require('${name}');
     lastValueFrom(readWal('log').pipe(toArray())).then((entries) => console.log(JSON.stringify(entries)));`,
  );
  assert.deepEqual(
    JSON.parse(read),
    [1, 2, 3].map((n) => ({ lsn: n, value: { n } })),
  );

  // The command looks at it.
  const facts = JSON.parse(run('npx', ['--no-install', 'rxwal', 'verify', 'log', '--json']));
  assert.equal(facts.verdict, 'whole');

  // The page is served, with its files and those of its dependency.
  const served = runNode(
    'serve.mjs',
    `import { serveWal } from '${name}/serve';
     const page = await serveWal('log');
     const statuses = [];
     for (const path of ['', 'page.js', 'page.css', 'icon.svg', 'uPlot.js', 'uPlot.css']) statuses.push((await fetch(page.url + path)).status);
     console.log(statuses.join());
     await page.close();`,
  );
  assert.equal(served, '200,200,200,200,200,200');

  // The published types compile, without skipLibCheck, for both module systems.
  const use = entries.map((entry, i) => `import * as entry${i} from '${entry}';\nexport { entry${i} };`).join('\n');
  for (const file of ['types.mts', 'types.cts']) writeFileSync(join(folder, file), use);
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'es2023',
        lib: ['es2023', 'esnext.disposable'],
        module: 'nodenext',
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        typeRoots: [join(root, 'node_modules', '@types')],
        types: ['node'],
      },
      files: ['types.mts', 'types.cts'],
    }),
  );
  try {
    run(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', folder]);
  } catch (error) {
    throw new Error(`the published types do not compile:\n${error.stdout}`, { cause: error });
  }

  console.log(
    `smoke: ${packed.filename}, ${files.length} files, ${packed.size} bytes, installs ${names.length} folders`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
