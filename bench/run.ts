/**
 * rxwal against what the disk allows and against its peers, in one run.
 *
 *     npx tsx bench/run.ts [--short] [--regime 1 64 bulk] [--contender rxwal floor ideal] [--json file] [--plot file]
 *
 * README.md beside this file says what is measured, what each column means, and how noise is judged.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseOptions } from './harness/commandLine';
import { takeSnapshot } from './harness/snapshot';

const options = parseOptions();
const snapshot = takeSnapshot(options.rxwal);
for (const remark of snapshot.remarks) console.log(remark);
// The program takes the signals of the terminal itself; this one waits for it, and tidies up.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
const { status } = spawnSync(
  process.execPath,
  [join(snapshot.directory, 'harness', 'program.js'), JSON.stringify(options)],
  // The loader that runs this file is not for what is measured.
  { stdio: 'inherit', env: { ...process.env, NODE_OPTIONS: '' } },
);
snapshot.remove();
process.exitCode = status ?? 1;
