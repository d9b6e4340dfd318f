// Checks docs/openapi.json with its readers' tools: redocly's recommended rules and spectral's rules find nothing; the
// clients that openapi-typescript, @hey-api/openapi-ts and openapi-python-client generate can be compiled, and run an
// execution on a platform. Run `npm run openapi:check` after `npm run build`. The tools are installed beside this file,
// which needs a network.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname;
const root = join(here, '../../..');
const document = join(root, 'docs/openapi.json');
const PYTHON_CLIENT = 'openapi-python-client==0.26.1';
const totals = { passed: 0, failed: 0, skipped: 0 };

function run(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: here,
    encoding: 'utf8',
    timeout: 600_000,
    ...options,
  });
  return { ok: status === 0, output: `${stdout ?? ''}${stderr ?? ''}${error === undefined ? '' : error.message}` };
}
const tool = (name) => join(here, 'node_modules/.bin', name);

function check(what, { ok, output }) {
  totals[ok ? 'passed' : 'failed'] += 1;
  console.log(`${ok ? '✓' : '✗'} ${what}`);
  if (!ok) console.log(output.split('\n').slice(-60).join('\n'));
  return ok;
}
function skip(what, why) {
  totals.skipped += 1;
  console.log(`- ${what}: skipped, ${why}`);
}

function installTools() {
  const lock = readFileSync(join(here, 'package-lock.json'), 'utf8');
  const mark = join(here, 'node_modules/.installed-of');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === lock) return true;
  const installed = check(
    'the tools are installed',
    run('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts']),
  );
  if (installed) writeFileSync(mark, lock);
  return installed;
}

/** The python of a virtual environment with the generator, or the reason why there is none. */
function installPython() {
  const venv = join(here, 'venv');
  const python = join(venv, 'bin/python');
  if (existsSync(join(venv, 'bin/openapi-python-client'))) return { python };
  if (!run('python3', ['--version']).ok) return { why: 'python3 is not there' };
  if (!run('python3', ['-m', 'venv', venv]).ok || !run(python, ['-m', 'pip', '--version']).ok) {
    return { why: 'pip is not there' };
  }
  const { ok, output } = run(python, ['-m', 'pip', 'install', '-q', PYTHON_CLIENT]);
  return ok ? { python } : { why: `pip cannot install ${PYTHON_CLIENT}: ${output.trim().split('\n').at(-1)}` };
}

/** Runs work with the platform of BATUTA_URL and BATUTA_API_KEY, or with a temporary one. */
async function withPlatform(work) {
  const { BATUTA_URL: url, BATUTA_API_KEY: apiKey } = process.env;
  if (url !== undefined && apiKey !== undefined) return await work({ BATUTA_URL: url, BATUTA_API_KEY: apiKey });
  const dir = mkdtempSync(join(tmpdir(), 'batuta-openapi-'));
  const platform = spawn(process.execPath, [join(root, 'cli/bin/batuta.mjs'), 'start', '--port', '0'], {
    env: { ...process.env, BATUTA_DATA_DIR: dir },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => platform.once('exit', resolve));
  try {
    let said = '';
    await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`the platform did not start:\n${said}`)), 180_000);
      const settle = (how, value) => {
        clearTimeout(late);
        how(value);
      };
      platform.stdout.on('data', (text) => {
        said += text;
        if (said.includes('Batuta is ready at')) settle(resolve);
      });
      platform.once('exit', () => settle(reject, new Error(`the platform ended:\n${said}`)));
    });
    const { url: own } = JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8'));
    const key = readFileSync(join(dir, 'admin.key'), 'utf8').trim();
    return await work({ BATUTA_URL: own, BATUTA_API_KEY: key });
  } finally {
    platform.kill('SIGINT');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  }
}

if (installTools()) {
  // Redocly exits with 0 even if there are warnings, and gives their number only in its report.
  const report = run(tool('redocly'), ['lint', document, '--config', 'redocly.yaml', '--format', 'json'], {
    env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
  });
  const found = JSON.parse(report.output.slice(report.output.indexOf('{'), report.output.lastIndexOf('}') + 1)).totals;
  check("redocly's recommended rules find nothing", {
    ok: report.ok && found.errors + found.warnings === 0,
    output: report.output,
  });
  check(
    "spectral's OpenAPI rules find nothing",
    run(tool('spectral'), ['lint', document, '--ruleset', 'spectral.yaml', '--fail-severity', 'hint']),
  );
  for (const folder of ['generated', 'compiled']) rmSync(join(here, folder), { recursive: true, force: true });
  const made = [
    check(
      'openapi-typescript makes types',
      run(tool('openapi-typescript'), [document, '-o', 'generated/openapi-typescript.ts']),
    ),
    check(
      '@hey-api/openapi-ts makes a client',
      run(tool('openapi-ts'), ['-i', document, '-o', 'generated/hey-api', '-c', '@hey-api/client-fetch']),
    ),
  ];
  const compiled =
    made.every(Boolean) && check('both compile, with programs that cast nothing', run(tool('tsc'), ['-p', '.']));
  const python = installPython();
  const pythonMade =
    python.why === undefined &&
    check(
      'openapi-python-client makes a client',
      run(join(here, 'venv/bin/openapi-python-client'), [
        'generate',
        '--path',
        document,
        '--output-path',
        'generated/python',
        '--overwrite',
      ]),
    );
  await withPlatform((env) => {
    const options = { env: { ...process.env, ...env } };
    const does = 'creates, executes, waits and reads typed events';
    if (compiled) {
      check(
        `the client of openapi-typescript ${does}`,
        run(process.execPath, ['compiled/with-openapi-fetch.js'], options),
      );
      check(`the client of @hey-api/openapi-ts ${does}`, run(process.execPath, ['compiled/with-hey-api.js'], options));
    }
    if (pythonMade) {
      const path = { ...options.env, PYTHONPATH: join(here, 'generated/python') };
      check(`the client of openapi-python-client ${does}`, run(python.python, ['with_python.py'], { env: path }));
    } else if (python.why !== undefined) {
      skip('the client of openapi-python-client', python.why);
    }
  });
}
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed > 0 ? 1 : 0;
