#!/usr/bin/env node
// The `batuta` command of a checkout. It answers help and version itself, builds what has to be built, and then loads the
// program. An old Node.js must be able to read this file: it is told here that it is too old.
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const dataDir = resolve(process.env.BATUTA_DATA_DIR ?? join(root, '.batuta'));
const main = join(root, 'cli/dist/main.js');
/** Space that a first build needs. */
const BUILD_MIB = 120;
const MIB = 1024 * 1024;
/** Milliseconds between progress messages of a long build. */
const PROGRESS_MS = 5_000;

function giveUp(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** Whether `version` is at least `oldest`. Both are numbers separated by dots. */
function isAtLeast(version, oldest) {
  const [one, other] = [version, oldest].map((text) => text.split('.').map(Number));
  for (let index = 0; index < other.length; index += 1) {
    if (one[index] !== other[index]) return one[index] > other[index];
  }
  return true;
}

function checkNode() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const oldest = engines.node.replace('>=', '');
  if (isAtLeast(process.versions.node, oldest)) return;
  giveUp(
    `Batuta needs Node.js ${oldest} or newer; ${process.execPath} is ${process.versions.node}. ` +
      'Install a newer one (https://nodejs.org/en/download) and run npm ci again.',
  );
}

function checkInstalled() {
  if (existsSync(join(root, 'node_modules/.package-lock.json'))) return;
  giveUp(`The packages that Batuta needs are not installed in ${root}. Run: npm ci`);
}

const packagesIn = (file) => JSON.parse(readFileSync(file, 'utf8')).packages ?? {};

/** Packages that differ from the lockfile would make the build fail with a confusing message. */
function checkInstalledLockfile() {
  const lockfile = join(root, 'package-lock.json');
  if (!existsSync(lockfile)) return;
  const installed = packagesIn(join(root, 'node_modules/.package-lock.json'));
  const other = Object.entries(packagesIn(lockfile)).find(
    ([path, { version, optional }]) =>
      path.includes('node_modules/') &&
      (installed[path] === undefined ? optional !== true : installed[path].version !== version),
  );
  if (other === undefined) return;
  const [path, { version }] = other;
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  giveUp(
    `The packages installed in ${root} are not those of package-lock.json, which has been changed since: ` +
      `${name}${version === undefined ? '' : ` ${version}`} is not there. Run: npm ci`,
  );
}

/**
 * Checked before anything is built. The process id in the run file may belong to another program, so the platform must
 * answer.
 */
async function checkNotRunning() {
  const run = readRunFile(dataDir);
  if (run === undefined) return;
  const answer = await fetch(`${run.url}/health/live`, { signal: AbortSignal.timeout(2000) }).catch(() => undefined);
  if (answer?.ok === true) giveUp(alreadyRuns(run));
}

function checkWritable() {
  const places = [root, join(root, 'cli'), join(root, 'cli/dist')].filter((place) => existsSync(place));
  for (const place of places) {
    try {
      accessSync(place, constants.W_OK);
    } catch {
      giveUp(
        `Batuta cannot be built: this user may not write in ${place}. ` +
          'Run it as the owner of the checkout, or make a checkout of your own.',
      );
    }
  }
}

function checkSpace() {
  const { bavail, bsize } = statfsSync(root);
  const free = Math.floor((bavail * bsize) / MIB);
  if (free >= BUILD_MIB) return;
  giveUp(
    `Batuta cannot be built: ${root} has ${free} MiB of free space, and the build needs ${BUILD_MIB} MiB. Free some space.`,
  );
}

/** Compiles what has changed. This takes only a moment when `npm run build` or an earlier start came before. */
async function build(isFirst) {
  checkInstalledLockfile();
  checkWritable();
  if (isFirst) {
    checkSpace();
    process.stderr.write('Building (first time; takes 10 s to a minute, by machine) …\n');
  }
  const startedAt = Date.now();
  const seconds = () => Math.round((Date.now() - startedAt) / 1000);
  const notice = isFirst ? undefined : setTimeout(() => process.stderr.write('Building what has changed …\n'), 3000);
  const progress = setInterval(() => process.stderr.write(`  … building for ${seconds()} s\n`), PROGRESS_MS);
  const { code, signal } = await new Promise((resolve) => {
    const child = spawn('npm', ['run', '--silent', 'build:local'], {
      cwd: root,
      // A command may print what a shell is to read, such as `env`: the build says nothing there.
      stdio: ['inherit', 2, 'inherit'],
      shell: process.platform === 'win32',
    });
    child.once('error', (error) => giveUp(`The build cannot be started: ${error.message}.`));
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  clearTimeout(notice);
  clearInterval(progress);
  if (interrupted || signal !== null) process.exit(130);
  if (code !== 0) giveUp('Batuta could not be built; the lines above say why.');
  if (isFirst) process.stderr.write(`Built in ${seconds()} s.\n`);
}

let interrupted = false;
const interrupt = () => {
  interrupted = true;
};

/** Commands that run the platform build before each run. Other commands build only when nothing was built yet. */
async function load(runsPlatform) {
  const isFirst = !existsSync(`${join(root, 'services/standalone/dist/group-process.bundle.cjs')}.code`);
  if (isFirst || runsPlatform) {
    // The build gets the Ctrl-C of a terminal itself.
    process.on('SIGINT', interrupt);
    await build(isFirst);
    process.off('SIGINT', interrupt);
  }
  process.setSourceMapsEnabled(true);
  await import(main);
}

checkNode();
checkInstalled();
const { commandLine } = await import('../command-line.js');
const { alreadyRuns, readRunFile } = await import('../run-file.js');
const own = {
  start: async () => {
    await checkNotRunning();
    await load(true);
  },
  demo: () => load(true),
};
// The program itself handles all other commands.
const actions = new Proxy(own, { get: (found, name) => found[name] ?? (() => load(false)) });
await commandLine(actions).parseAsync();
