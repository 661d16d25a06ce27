import * as rxwal from 'rxwal';
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
      'WalPoisonedError',
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
