// Builds Jaeger once, from its Go module, for the test with a real Jaeger:
//   npm run jaeger
// Its module replaces another one, so that `go install` refuses it; a copy of its source is built instead. It takes some minutes and needs Go.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** The module of Jaeger 2.13, the last one with a version that Go modules know. */
const MODULE = 'github.com/jaegertracing/jaeger@v1.76.0';
const directory = join(import.meta.dirname, '../node_modules/.cache/batuta/jaeger');
const program = join(directory, 'jaeger');
const env = { PATH: `${process.env.PATH ?? ''}:/usr/local/go/bin`, HOME: process.env.HOME };

function go(args, options) {
  const { status, stdout, error } = spawnSync('go', args, { env, stdio: ['ignore', 'pipe', 'inherit'], ...options });
  if (status === 0) return stdout.toString('utf8');
  console.error(`Jaeger was not built${error === undefined ? '' : `: ${error.message}`}. It needs Go.`);
  process.exit(1);
}

if (!existsSync(program)) {
  mkdirSync(directory, { recursive: true });
  const source = join(directory, 'source');
  rmSync(source, { recursive: true, force: true });
  const { Dir: downloaded } = JSON.parse(go(['mod', 'download', '-json', MODULE], { cwd: directory }));
  cpSync(downloaded, source, { recursive: true });
  go(['build', '-o', program, './cmd/jaeger'], { cwd: source });
  spawnSync('chmod', ['-R', 'u+w', source]);
  rmSync(source, { recursive: true, force: true });
}
console.log(program);
