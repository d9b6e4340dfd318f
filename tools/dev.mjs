// The platform for developing: `npm run dev` compiles what changes and starts the services anew that it belongs to, while the others run on.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger } from '@batuta/observability';
import { startPlatform } from '@batuta/standalone';

const root = join(import.meta.dirname, '..');
const SERVICES = ['gateway', 'config', 'execution', 'notifications', 'step-runner'];
/** Milliseconds without a compiled file after which a change is whole. */
const QUIET_MS = 400;

const say = (text) => console.log(`dev: ${text}`);

/** In a process group of its own: tsc is a program that another one starts, and both have to end. */
function run(command, args) {
  const program = join(root, 'node_modules', command);
  return spawn(process.execPath, [program, ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
}

function end({ pid, exitCode, signalCode }) {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, 'SIGTERM');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** What has to end with this program, once it is there. */
const running = { compiler: undefined, platform: undefined };
let ending = false;
// From the beginning: a compiler in a group of its own does not hear Ctrl-C.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    if (ending) return;
    ending = true;
    say('stopping');
    end(running.compiler);
    if (running.platform === undefined) process.exit(0);
    void running.platform.stop().then(() => process.exit(0));
  });
}

say('compiling');
// A mistake does not end it, since it is mended while it runs.
running.compiler = run('typescript/bin/tsc', ['-b']);
await once(running.compiler, 'exit');
running.compiler = run('typescript/bin/tsc', ['-b', '--watch', '--preserveWatchOutput']);

const platform = await startPlatform({
  dataDir: process.env.BATUTA_DATA_DIR ?? join(root, '.batuta'),
  logger: createLogger({ service: 'dev' }),
  // A process a service, so that one can be started anew; bundles hold what was built before.
  layout: SERVICES.join('|'),
  env: { ...process.env, BATUTA_BUNDLES: 'off' },
}).catch((error) => {
  end(running.compiler);
  say(`the platform does not start: ${error.message}`);
  process.exit(1);
});
running.platform = platform;
say(`the platform is at ${platform.url}; its key is in ${platform.apiKeyFile}`);

const changed = new Set();
let timer;
function restartChanged() {
  if (ending) return;
  for (const service of changed) {
    const pid = platform.pids()[service];
    say(`${service} changed and starts anew`);
    // The supervisor starts again what has ended.
    if (pid !== undefined) process.kill(pid, 'SIGTERM');
  }
  changed.clear();
}
function noteChange(services, file) {
  if (file === null || !file.endsWith('.js')) return;
  for (const service of services) changed.add(service);
  clearTimeout(timer);
  timer = setTimeout(restartChanged, QUIET_MS);
}
for (const service of SERVICES) {
  watch(join(root, 'services', service, 'dist'), { recursive: true }, (_event, file) => noteChange([service], file));
}
for (const lib of await readdir(join(root, 'libs'))) {
  // All services stand on the libraries.
  watch(join(root, 'libs', lib, 'dist'), { recursive: true }, (_event, file) => noteChange(SERVICES, file));
}
