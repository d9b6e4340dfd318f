// Runs the project's checks in order and ends with one line, `N passed, N failed`, that counts every one of them.
//   node tools/run-checks.mjs verify    what a contributor runs before a push
//   node tools/run-checks.mjs all       the same, then integration, end-to-end and chaos tests, faults and counts
// A static check counts as one; a jest suite counts its tests. One failure does not stop the rest.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { countSpecFiles } from './boundaries.mjs';

const root = join(import.meta.dirname, '..');
const reports = join(root, '.reports');
const bin = join(root, 'node_modules', '.bin');
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` };

// Minutes after which a check counts as hung and is killed with everything that it started.
const staticLimit = 5;
const suites = [
  { kind: 'unit', limit: 10, args: [] },
  { kind: 'prop', limit: 10, args: [] },
  { kind: 'int', limit: 15, args: [], only: 'all' },
  { kind: 'e2e', limit: 20, args: ['--runInBand'], only: 'all', needsBuild: true },
  { kind: 'hostile', limit: 15, args: ['--runInBand'], only: 'all', needsBuild: true },
  { kind: 'chaos', limit: 25, args: ['--runInBand'], only: 'all', needsBuild: true },
];
const staticChecks = [
  ['build', 'types'],
  ['lint'],
  ['format:check'],
  ['lint:boundaries'],
  ['lint:proto'],
  ['proto:check'],
  ['proto:breaking'],
];
const atOnce = 2;

const running = new Set();
const totals = { passed: 0, failed: 0, skipped: 0 };
const failures = [];

function killGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    for (const child of running) killGroup(child, signal);
    process.exitCode = 1;
    failures.push(`stopped by ${signal}`);
  });
}

/** Runs a command in its own process group. Resolves to its exit code, what it printed (if captured) and whether it hung. */
function run(command, args, { limit, capture }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env,
      detached: true,
      stdio: ['ignore', capture ? 'pipe' : 'inherit', capture ? 'pipe' : 'inherit'],
    });
    running.add(child);
    let output = '';
    child.stdout?.on('data', (chunk) => (output += chunk));
    child.stderr?.on('data', (chunk) => (output += chunk));
    let hung = false;
    const timer = setTimeout(() => {
      hung = true;
      killGroup(child, 'SIGKILL');
    }, limit * 60_000);
    const end = (code, why) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ code, hung, output: why ? `${output}${why}\n` : output });
    };
    child.on('error', (error) => end(1, error.message));
    child.on('close', (code, signal) => end(code ?? 1, signal ? `ended by ${signal}` : undefined));
  });
}

function fail(name, why) {
  totals.failed += 1;
  failures.push(`${name}: ${why}`);
}

async function runStatic(script) {
  const start = performance.now();
  const { code, hung, output } = await run('npm', ['run', '--silent', script], { limit: staticLimit, capture: true });
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const skipped = code === 0 && output.split('\n').some((line) => line.startsWith('skipped:'));
  console.log(`\n== ${script}: ${skipped ? 'skipped' : code === 0 ? 'ok' : 'FAILED'} (${seconds} s)`);
  if (output.trim() !== '') console.log(output.trimEnd());
  if (hung) fail(script, `still running after ${staticLimit} minutes`);
  else if (code !== 0) fail(script, `npm run ${script}`);
  else totals[skipped ? 'skipped' : 'passed'] += 1;
  return code === 0;
}

/** Runs the static checks, `atOnce` chains at a time; a chain stops at its first failure. */
async function runStaticChecks() {
  const queue = staticChecks.map((chain) => [...chain]);
  const lane = async () => {
    for (let chain = queue.shift(); chain !== undefined; chain = queue.shift()) {
      for (const [index, script] of chain.entries()) {
        if (await runStatic(script)) continue;
        for (const next of chain.slice(index + 1)) fail(next, `not run, because ${script} failed`);
        break;
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

async function runSuite({ kind, limit, args, needsBuild }) {
  const name = `test:${kind}`;
  const files = countSpecFiles(root, kind);
  if (files === 0) {
    console.log(`\n== ${name}: there are no *.${kind}.spec.ts files`);
    return;
  }
  if (needsBuild && failures.some((failure) => failure.startsWith('build:'))) {
    fail(name, 'not run, because build failed');
    return;
  }
  console.log(`\n== ${name}: ${files} file${files === 1 ? '' : 's'}`);
  const report = join(reports, `${kind}.json`);
  rmSync(report, { force: true });
  const jest = ['--selectProjects', kind, '--ci', '--json', `--outputFile=${report}`, ...args];
  const { code, hung } = await run('npm', ['run', '--silent', 'jest', '--', ...jest], { limit, capture: false });

  let result;
  try {
    result = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    fail(name, hung ? `still running after ${limit} minutes` : `jest ended with code ${code} and left no report`);
    return;
  }
  const failedBefore = totals.failed;
  totals.passed += result.numPassedTests;
  totals.failed += result.numFailedTests;
  totals.skipped += result.numPendingTests + result.numTodoTests;
  for (const file of result.testResults) {
    const path = file.name.slice(root.length + 1);
    const failed = file.assertionResults.filter(({ status }) => status === 'failed');
    for (const test of failed) failures.push(`${name}: ${path}: ${test.fullName}`);
    if (file.status === 'failed' && failed.length === 0) fail(name, `${path} could not run`);
  }
  if (result.numTotalTests === 0) fail(name, 'ran no test');
  if (result.numTotalTestSuites !== files) fail(name, `ran ${result.numTotalTestSuites} of ${files} files`);
  if (hung) fail(name, `still running after ${limit} minutes`);
  else if (code !== 0 && totals.failed === failedBefore) fail(name, `jest ended with code ${code}`);
}

const mode = process.argv[2];
if (mode !== 'verify' && mode !== 'all') {
  console.error('usage: node tools/run-checks.mjs verify|all');
  process.exit(2);
}
mkdirSync(reports, { recursive: true });
await runStaticChecks();
for (const suite of suites) if (mode === 'all' || suite.only !== 'all') await runSuite(suite);
if (mode === 'all') {
  for (const script of ['simulate:faults', 'bench:smoke']) await runStatic(script);
}

if (failures.length > 0) console.log(`\nFailed:\n${failures.map((failure) => `  ${failure}`).join('\n')}`);
const { passed, failed, skipped } = totals;
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
if (failures.length > 0 || passed === 0) process.exitCode = 1;
