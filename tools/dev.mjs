// The platform for development: `npm run dev` compiles changes and restarts only the services that a change affects.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger } from '@batuta/observability';
import { startPlatform } from '@batuta/standalone';
import { services as SERVICES } from './services/table.mjs';

const root = join(import.meta.dirname, '..');
/** Milliseconds without a compiled file after which a change is complete. */
const QUIET_MS = 400;

const say = (text) => console.log(`dev: ${text}`);

/** Runs in its own process group: tsc starts another program, and both must end. */
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

/** The processes that must end with this program. */
const running = { compiler: undefined, platform: undefined };
let ending = false;
// Registered before anything starts, because a compiler in its own group does not get Ctrl-C.
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
// A mistake does not end it, because the developer corrects it while it runs.
running.compiler = run('typescript/bin/tsc', ['-b']);
await once(running.compiler, 'exit');
running.compiler = run('typescript/bin/tsc', ['-b', '--watch', '--preserveWatchOutput']);

const platform = await startPlatform({
  dataDir: process.env.BATUTA_DATA_DIR ?? join(root, '.batuta'),
  logger: createLogger({ service: 'dev' }),
  // One process per service, so that a single one can be restarted. Bundles would contain the previous build.
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
    say(`${service} changed and restarts`);
    // The supervisor restarts a process that has ended.
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
  // All services depend on the libraries.
  watch(join(root, 'libs', lib, 'dist'), { recursive: true }, (_event, file) => noteChange(SERVICES, file));
}
