import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import * as rxwal from 'rxwal';
import * as opentelemetry from 'rxwal/opentelemetry';
import * as prometheus from 'rxwal/prometheus';
import * as serve from 'rxwal/serve';
import * as testing from 'rxwal/testing';

/** A name more or less is a change of the public API: it belongs in the changelog, in a type test and in an example. */

describe('rxwal', () => {
  it('exports these names at run time, and no others', () => {
    expect(Object.keys(rxwal).sort()).toEqual([
      'HEADER_BYTES',
      'WalBackpressureError',
      'WalClosedError',
      'WalCorruptError',
      'WalError',
      'WalIoError',
      'WalLockedError',
      'WalOpenTransactionsError',
      'WalPoisonedError',
      'WalProjectionError',
      'WalRecordError',
      'WalTruncatedError',
      'WalVersionError',
      'appendTo',
      'batch',
      'cborCodec',
      'checkpoint',
      'checksum',
      'commit',
      'committed',
      'deserialize',
      'frame',
      'group',
      'histogramQuantile',
      'isTransactionCommit',
      'metrics',
      'nodeStore',
      'openWal',
      'rawCodec',
      'readWal',
      'recover',
      'recoverWal',
      'repairWal',
      'rotate',
      'saveCheckpoint',
      'serialize',
      'unframe',
      'verify',
    ]);
  });
});

describe('rxwal/testing', () => {
  it('exports these names at run time, and no others', () => {
    expect(Object.keys(testing).sort()).toEqual([
      'PowerCutViolation',
      'describeEvent',
      'fault',
      'marblePlan',
      'memoryStore',
      'memoryWal',
      'powerCuts',
      'seededRandom',
      'simulatedDisk',
      'virtualTime',
    ]);
  });
});

describe('the exporters', () => {
  it('export these names at run time, and no others', () => {
    expect(Object.keys(opentelemetry)).toEqual(['observeWal']);
    expect(Object.keys(prometheus)).toEqual(['collectWal']);
  });

  it.each([
    ['index', []],
    ['testing/index', []],
    // For its types alone.
    ['opentelemetry', []],
    // The second one is a dependency of the first.
    ['prometheus', ['prom-client', '@opentelemetry/api']],
  ])('%s loads no package that is optional but %j', (entry, expected) => {
    const program = `
      require('./src/${entry}');
      const loaded = Object.keys(require.cache).map((path) => /node_modules\\/(@opentelemetry\\/[^/]+|prom-client)\\//.exec(path)?.[1]);
      console.log(JSON.stringify([...new Set(loaded.filter((name) => name))]));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--require', 'tsx/cjs', '--eval', program], {
      cwd: join(__dirname, '..'),
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual(expected);
  });
});

describe('rxwal/serve', () => {
  it('exports these names at run time, and no others', () => {
    expect(Object.keys(serve)).toEqual(['serveWal']);
  });
});
