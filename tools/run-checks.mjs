// Runs the project's checks in order and ends with one line, `N passed, N failed`, that counts every one of them.
//   node tools/run-checks.mjs verify    what a contributor runs before a push
//   node tools/run-checks.mjs all       the same, then integration, end-to-end and chaos tests, faults and counts, and the
//                                       end-to-end tests and the smoke test on the next Node.js too
// What the tests need and the machine lacks is installed first, as root on Debian. What needs more is skipped, and counted so.
// A static check counts as one; a jest suite counts its tests. One failure does not stop the rest. Suites that mostly wait for
// servers run three at a time; what they print comes when each has ended.
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { countSpecFiles } from './boundaries.mjs';
import { copySources, linkPackages } from './checkout-copy.mjs';
import { installNeeded, wholePath } from './needed-programs.mjs';

const root = join(import.meta.dirname, '..');
const reports = join(root, '.reports');
const bin = join(root, 'node_modules', '.bin');
const env = { ...process.env, PATH: `${bin}${delimiter}${wholePath(process.env.PATH)}` };

// Minutes after which a check counts as hung and is killed with all its processes. They are many times what two idle
// cores need, because a busy machine is slow.
const staticLimit = 60;
const suites = [
  { kind: 'unit', limit: 60, args: [] },
  { kind: 'prop', limit: 60, args: [] },
  { kind: 'int', limit: 120, args: [], needs: ['nats-server'] },
  { kind: 'e2e', limit: 120, args: ['--runInBand'], needsBuild: true, needs: ['nats-server'] },
  { kind: 'hostile', limit: 90, args: ['--runInBand'], needsBuild: true, needs: ['nats-server'] },
  { kind: 'chaos', limit: 120, args: ['--runInBand'], needsBuild: true, needs: ['nats-server'] },
];
const staticChecks = [
  ['build', 'types'],
  ['lint'],
  ['format:check'],
  ['lint:boundaries'],
  ['lint:phrases'],
  ['lint:spelling'],
  ['lint:proto'],
  ['proto:check'],
  ['proto:breaking'],
];
const chainsAtOnce = 2;
const suitesAtOnce = 3;
/** The version of Node.js that users move to after the one in `engines`. npm has its binaries. */
const NEXT_NODE = '24';

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

let stopped = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    stopped = true;
    for (const child of running) killGroup(child, signal);
    process.exitCode = 1;
    failures.push(`stopped by ${signal}`);
  });
}

/** Runs a command in its own process group. Resolves to its exit code, what it printed (if captured) and whether it hung. */
function run(command, args, { limit, capture, on = env, cwd = root }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: on,
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

/**
 * Reports and counts a skipped check. A skipped suite counts one per test file, because the number of its tests is
 * unknown.
 */
function skip(name, why, count = 1) {
  totals.skipped += count;
  console.log(`\n== ${name}: skipped, because ${why}`);
}

async function runStatic(
  script,
  { on = env, cwd = root, name = script, needs = [], command = 'npm', args = ['run', '--silent', script] } = {},
) {
  const absent = missing.find(({ program }) => needs.includes(program));
  if (absent !== undefined) {
    skip(name, `${absent.program} is not installed (${absent.advice})`);
    return true;
  }
  const start = performance.now();
  const { code, hung, output } = await run(command, args, { limit: staticLimit, capture: true, on, cwd });
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const skipped = code === 0 && output.split('\n').some((line) => line.startsWith('skipped:'));
  console.log(`\n== ${name}: ${skipped ? 'skipped' : code === 0 ? 'ok' : 'FAILED'} (${seconds} s)`);
  if (output.trim() !== '') console.log(output.trimEnd());
  if (hung) fail(name, `still running after ${staticLimit} minutes`);
  else if (code !== 0) fail(name, `npm run ${script}`);
  else totals[skipped ? 'skipped' : 'passed'] += 1;
  return code === 0;
}

/** Runs the static checks, some chains at a time. A chain stops at its first failure. */
async function runStaticChecks() {
  await inLanes(
    chainsAtOnce,
    staticChecks.map((chain) => async () => {
      for (const [index, script] of chain.entries()) {
        if (stopped) return;
        if (await runStatic(script)) continue;
        for (const next of chain.slice(index + 1)) fail(next, `not run, because ${script} failed`);
        break;
      }
    }),
  );
}

async function runSuite(
  { kind, limit, args, needsBuild, needs = [] },
  { on = env, cwd = root, suffix = '', capture = true } = {},
) {
  const name = `test:${kind}${suffix}`;
  const files = countSpecFiles(root, kind);
  if (files === 0) {
    console.log(`\n== ${name}: there are no *.${kind}.spec.ts files`);
    return;
  }
  const absent = missing.find(({ program }) => needs.includes(program));
  if (absent !== undefined) {
    skip(name, `${absent.program} is not installed (${absent.advice})`, files);
    return;
  }
  if (needsBuild && failures.some((failure) => failure.startsWith('build:'))) {
    fail(name, 'not run, because build failed');
    return;
  }
  console.log(`\n== ${name}: ${files} file${files === 1 ? '' : 's'}, started`);
  const start = performance.now();
  const report = join(reports, `${kind}${suffix.replaceAll(/\W+/g, '-')}.json`);
  rmSync(report, { force: true });
  const jest = ['--selectProjects', kind, '--ci', '--json', `--outputFile=${report}`, ...args];
  const { code, hung, output } = await run('npm', ['run', '--silent', 'jest', '--', ...jest], {
    limit,
    capture,
    on,
    cwd,
  });
  console.log(`\n== ${name}: ended (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  if (capture) console.log(output.trimEnd());

  let result;
  try {
    result = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    fail(name, hung ? `still running after ${limit} minutes` : `jest ended with code ${code} and left no report`);
    return;
  }
  totals.passed += result.numPassedTests;
  totals.failed += result.numFailedTests;
  totals.skipped += result.numPendingTests + result.numTodoTests;
  let explained = result.numFailedTests > 0;
  const wrong = (why) => {
    explained = true;
    fail(name, why);
  };
  for (const file of result.testResults) {
    const path = file.name.slice(cwd.length + 1);
    const failed = file.assertionResults.filter(({ status }) => status === 'failed');
    for (const test of failed) failures.push(`${name}: ${path}: ${test.fullName}`);
    if (file.status === 'failed' && failed.length === 0) wrong(`${path} could not run`);
  }
  if (result.numTotalTests === 0) wrong('ran no test');
  if (result.numTotalTestSuites !== files) wrong(`ran ${result.numTotalTestSuites} of ${files} files`);
  if (hung) wrong(`still running after ${limit} minutes`);
  else if (code !== 0 && !explained) wrong(`jest ended with code ${code}`);
}

const mode = process.argv[2];
if (mode !== 'verify' && mode !== 'all') {
  console.error('usage: node tools/run-checks.mjs verify|all');
  process.exit(2);
}
/**
 * An environment in which `node` is the next one, from a directory that is no dependency of the product's; undefined when it
 * cannot be had. npm's package `node` brings nothing but a program for this platform, so that one is asked for itself.
 */
async function nextNode() {
  const place = join(reports, `node-${NEXT_NODE}`);
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const args = ['install', '--prefix', place, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts'];
  const { code } = await run('npm', [...args, `${name}@${NEXT_NODE}`], { limit: 10, capture: true });
  const programs = join(place, 'node_modules', name, 'bin');
  if (code !== 0 || !existsSync(join(programs, 'node'))) return undefined;
  return { ...env, PATH: `${programs}${delimiter}${env.PATH}` };
}

const suite = (kind) => suites.find((one) => one.kind === kind);
/** The counts of the smoke test with the bundles that are there: a build beside running tests would take them away. */
const smoke = (on, { suffix = '', cwd = root } = {}) =>
  runStatic('bench:smoke', {
    on,
    cwd,
    name: `bench:smoke${suffix}`,
    needs: ['nats-server'],
    command: 'node',
    args: ['--enable-source-maps', 'bench/dist/main.js', '--smoke'],
  });

/** A copy of this checkout with its bundles: another Node.js writes its code beside them, and running tests use the original's. */
function copyCheckout() {
  const copy = copySources(root, 'batuta-checks-', { built: true });
  // PostgreSQL runs as a user of its own where this runs as root, with programs that are in here.
  chmodSync(copy, 0o755);
  linkPackages(root, copy);
  return copy;
}

/** What users run, once more on the next Node.js: bundles are compiled for it, and native modules are loaded by it. */
async function runOnNextNode() {
  if (process.versions.node.startsWith(`${NEXT_NODE}.`)) return;
  const suffix = ` on Node.js ${NEXT_NODE}`;
  const on = await nextNode();
  if (on === undefined) {
    skip(`test:e2e${suffix}`, 'npm could not install it', countSpecFiles(root, 'e2e'));
    return;
  }
  const cwd = copyCheckout();
  try {
    // Nothing but the bundles depends on the version.
    const build = { command: 'node', args: ['tools/bundle/main.mjs'] };
    if (!(await runStatic('build', { on, cwd, name: `build${suffix}`, ...build }))) {
      fail(`test:e2e${suffix}`, 'not run, because the build failed');
      return;
    }
    await runSuite({ ...suite('e2e'), needsBuild: false }, { on, cwd, suffix });
    if (stopped) return;
    await smoke(on, { suffix, cwd });
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

/** Runs the things of a list in its order, `lanes` of them at a time. */
async function inLanes(lanes, list) {
  const waiting = [...list];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined && !stopped; next = waiting.shift()) await next();
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

mkdirSync(reports, { recursive: true });
const missing = installNeeded();
await runStaticChecks();
if (!stopped) await runSuite(suite('unit'), { capture: false });
if (!stopped) await runSuite(suite('prop'), { capture: false });
if (mode === 'all' && !stopped) {
  const later = (kind) => () => runSuite(suite(kind));
  // The longest first, so that the lanes end at about the same time.
  await inLanes(suitesAtOnce, [
    runOnNextNode,
    later('e2e'),
    later('hostile'),
    later('int'),
    later('chaos'),
    () => smoke(env),
    () => runStatic('simulate:faults'),
  ]);
}

if (failures.length > 0) console.log(`\nFailed:\n${failures.map((failure) => `  ${failure}`).join('\n')}`);
const { passed, failed, skipped } = totals;
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
if (failures.length > 0 || passed === 0) process.exitCode = 1;
