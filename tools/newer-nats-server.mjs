// Builds a newer nats-server than Debian's once, with the Go module proxy, for tests that depend on the server's
// version:
//   npm run nats:newer
// Tests that run with both servers find it there, or in BATUTA_NATS_SERVER_NEW (libs/testing/src/nats-servers.ts).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const VERSION = 'v2.15.2';
const directory = join(import.meta.dirname, '../node_modules/.cache/batuta/newer');
const program = join(directory, 'nats-server');

if (!existsSync(program)) {
  mkdirSync(directory, { recursive: true });
  const { status, error } = spawnSync('go', ['install', `github.com/nats-io/nats-server/v2@${VERSION}`], {
    env: { PATH: `${process.env.PATH ?? ''}:/usr/local/go/bin`, HOME: process.env.HOME, GOBIN: directory },
    stdio: 'inherit',
  });
  if (status !== 0) {
    console.error(
      `nats-server ${VERSION} was not built${error === undefined ? '' : `: ${error.message}`}. It needs Go.`,
    );
    process.exit(1);
  }
}
console.log(program);
