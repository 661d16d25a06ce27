// Runs the package, and a part of the suite, on other versions of Node than the one that CI runs on. The npm packages node-<platform>-<arch>
// hold the binary itself, so `npm install` is all that it takes.
//
// The package is packed and installed in an empty project, as its users have it. There a program appends, is killed, opens again and reads,
// by `import` and by `require`; then the specs that are about Node (streams, files, threads, locks, signals) run on the sources.
//
//   node .ci/otherNodes.mjs            both
//   node .ci/otherNodes.mjs --package  the package only
//
// Where no other Node can be installed it says so; with CI=true that is a failure.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { performance } from 'node:perf_hooks';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Exact: a CI that changes by itself proves nothing about a change. */
const VERSIONS = ['22.23.3', '24.21.0'];
/** What another Node could break. The rest is arithmetic, or takes minutes. */
const SPECS = [
  'spec/store/',
  'spec/format/golden',
  'spec/wal/(acks|checkpoint|observer|rotation|shutdown).spec',
  'spec/(openWal|signal|untilAborted|writable|clock).spec',
];
/** Records that the program must have been told of before it is killed. */
const ACKS_BEFORE_KILL = 200;

const root = fileURLToPath(new URL('..', import.meta.url));
const { name, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), `${name}-nodes-`));

const run = (command, args, cwd) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
const install = (cwd, ...packages) => {
  writeFileSync(join(cwd, 'package.json'), JSON.stringify({ name: 'other-nodes', private: true }));
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  run('npm', ['install', '--ignore-scripts', ...quiet, ...packages], cwd);
};

/** @returns the binary of each version. */
function installNodes() {
  const at = mkdtempSync(join(folder, 'nodes-'));
  const system = process.platform === 'win32' ? 'win' : process.platform;
  install(at, ...VERSIONS.map((version) => `node${version}@npm:node-${system}-${process.arch}@${version}`));
  const binary = process.platform === 'win32' ? 'node.exe' : 'node';
  return VERSIONS.map((version) => {
    const node = join(at, 'node_modules', `node${version}`, 'bin', binary);
    assert.equal(run(node, ['--version']).trim(), `v${version}`);
    return { version, node };
  });
}

/** A project that has the package and RxJS, and the program in it once for each module system. */
function installPackage() {
  const at = mkdtempSync(join(folder, 'project-'));
  if (!existsSync(join(root, 'dist', 'index.js'))) run(process.execPath, [join(root, '.ci', 'build.mjs')], root);
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', at], root));
  install(at, join(at, packed.filename), `rxjs@${peerDependencies.rxjs}`);
  copyFileSync(join(root, '.ci', 'otherNodesProgram.mjs'), join(at, 'program.mjs'));
  writeFileSync(
    join(at, 'by-require.cjs'),
    `const [log, testing] = [require('${name}'), require('${name}/testing')];
     import('./program.mjs').then(({ program }) => program(log, testing));`,
  );
  writeFileSync(
    join(at, 'by-import.mjs'),
    `import * as log from '${name}';
     import * as testing from '${name}/testing';
     import { program } from './program.mjs';
     program(log, testing);`,
  );
  return at;
}

/** Appends until it is killed in the middle of it, and holds what is there afterwards against the acks. */
async function checkPackage({ version, node }, project, file) {
  const log = mkdtempSync(join(folder, `log-${version}-`));
  const writer = spawn(node, [file, 'append', log], { cwd: project, stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(writer, 'close');
  let acked = 0;
  for await (const line of createInterface(writer.stdout)) {
    // What was on its way through the pipe at the kill has been acknowledged as well; the last line may be cut.
    if (/^ack \d+$/.test(line)) acked = Number(line.slice(4));
    if (acked >= ACKS_BEFORE_KILL && !writer.killed) writer.kill('SIGKILL');
  }
  const [, signal] = await closed;
  assert.equal(signal, 'SIGKILL', `Node ${version}, ${file}: it ended by itself after ${acked} acks`);
  const said = JSON.parse(run(node, [file, 'check', log, String(acked)], project));
  assert.equal(said.node, `v${version}`);
  return { acked, ...said };
}

/** @returns what jest says at its end. */
function runSpecs({ version, node }) {
  const jest = join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  const started = performance.now();
  const { status, stderr } = spawnSync(node, [jest, '--silent', ...SPECS], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`the specs fail on Node ${version}:\n${stderr}`);
  const [passed] = /\d+ passed(?=, \d+ total\nSnapshots)/.exec(stderr) ?? [];
  assert.ok(passed, `jest said nothing of what has passed:\n${stderr}`);
  return `${passed} in ${Math.round((performance.now() - started) / 1000)} s`;
}

try {
  let nodes;
  try {
    nodes = installNodes();
  } catch (error) {
    console.log(
      `other nodes: Node ${VERSIONS.join(' and ')} cannot be installed here: ${String(error.message).split('\n', 1)[0]}`,
    );
    process.exitCode = process.env.CI === 'true' ? 1 : 0;
  }
  if (nodes) {
    const project = installPackage();
    const done = [];
    for (const node of nodes) {
      for (const file of ['by-import.mjs', 'by-require.cjs']) {
        const { acked, records } = await checkPackage(node, project, file);
        console.log(`Node ${node.version}, ${file}: killed after ${acked} acks, ${records} records there`);
      }
      done.push(process.argv.includes('--package') ? node.version : `${node.version} (specs: ${runSpecs(node)})`);
    }
    console.log(`other nodes: Node ${done.join(', ')}: the package by import and by require`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
