// Reads jest's JSON report and prints the last line of .ci/run: `N passed, N failed`.
// Where CI=true a test that did not run counts as failed and is named.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    console.log('jest left no report');
    return { numPassedTests: 0, numFailedTests: 1, numRuntimeErrorTestSuites: 0, testResults: [] };
  }
}

const report = readReport(process.argv[2]);
const notRun = report.testResults.flatMap(({ name, assertionResults }) =>
  assertionResults
    .filter(({ status }) => !['passed', 'failed'].includes(status))
    .map(({ status, fullName }) => `${status}: ${relative(process.cwd(), name)}: ${fullName}`),
);
let failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
if (notRun.length > 0) {
  console.log(notRun.join('\n'));
  if (process.env.CI === 'true') failed += notRun.length;
}
console.log(`${report.numPassedTests} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
