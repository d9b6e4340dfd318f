// One temporary PostgreSQL for a whole jest run, used by `createTestDatabase()`. Its guard ends it when jest is killed.
import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../../', import.meta.url));

// These databases need no durability. Tests of durability start their own server.
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_connections: '300',
  log_connections: '',
  log_disconnections: 'off',
  log_checkpoints: 'off',
};

export default async function startTestPostgres() {
  // Jest loads this file with plain Node, which needs the built package.
  const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  await promisify(execFile)(process.execPath, [tsc, '-b', 'libs/local-stack/tsconfig.build.json'], { cwd: root }).catch(
    (error) => {
      throw new Error(`@batuta/local-stack cannot be built:\n${error.stdout}${error.stderr}`, { cause: error });
    },
  );
  const { startPostgres } = await import('@batuta/local-stack');
  const home = await mkdtemp(path.join(tmpdir(), 'batuta-test-postgres-'));
  const server = await startPostgres({ home, database: 'test', settings: SETTINGS, ephemeral: true });
  globalThis.batutaTestPostgres = { server, home };
  process.env.BATUTA_TEST_DATABASE_URL = server.url;
  process.env.BATUTA_TEST_DATABASE_PASSWORDS = server.environment.DATABASE_PASSWORD_FILE;
}
