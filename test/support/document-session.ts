import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from './command.js';
import type { Api } from './api.js';
import type { LocalPlatform } from './local-platform.js';

/** The result of a part of a session. */
export interface Outcome {
  readonly output: string;
  readonly errors: string;
  /** Commands that failed, by their line in the document. */
  readonly failures: readonly string[];
  /** Requests of curl and their statuses. */
  readonly requests: readonly { readonly status: number; readonly request: string }[];
}

// Each request's status is written to a file. Everything else is curl's own output.
const CURL = String.raw`#!/bin/bash
said=$(mktemp)
"$REAL_CURL" --max-time 90 -w '%{stderr}\n=batuta= %{http_code} %{method} %{url_effective}\n' "$@" 2>"$said"
code=$?
grep -a '^=batuta= ' "$said" >>"$CURL_LOG"
grep -av '^=batuta= ' "$said" | grep -av '^$' >&2
rm -f "$said"
exit $code
`;

/**
 * A bash that a reader of a document could use: in the folder of a checkout with a running platform. Each document has
 * its own tenant, as on a new installation.
 */
export class DocumentSession {
  readonly #home: string;
  readonly #bash: ChildProcess;
  #waiting: (() => void) | undefined;
  #pieces = 0;

  private constructor(
    /** Contains the checkout and the session's own files. */
    home: string,
    bash: ChildProcess,
    /** The admin of the session's tenant. */
    readonly admin: Api,
  ) {
    this.#home = home;
    this.#bash = bash;
    if (bash.stdout !== null) createInterface({ input: bash.stdout }).on('line', () => this.#waiting?.());
    bash.once('close', () => this.#waiting?.());
  }

  get checkout(): string {
    return join(this.#home, 'checkout');
  }

  static async open(platform: LocalPlatform, tenant: string): Promise<DocumentSession> {
    const home = mkdtempSync(join(tmpdir(), 'batuta-docs-'));
    const checkout = join(home, 'checkout');
    mkdirSync(checkout);
    for (const name of readdirSync(ROOT)) {
      if (name === '.git' || name === '.batuta') continue;
      // Files that documents write to are copied. npm finds a package's scripts in the folder where it runs.
      if (['examples', 'package.json', 'package-lock.json'].includes(name)) {
        cpSync(join(ROOT, name), join(checkout, name), { recursive: true });
      } else {
        symlinkSync(join(ROOT, name), join(checkout, name));
      }
    }
    const data = join(checkout, '.batuta');
    cpSync(platform.dir, data, {
      recursive: true,
      filter: (path) => path === platform.dir || /\.(json|key)$/.test(path),
    });
    // Needed to create credentials for workers.
    symlinkSync(join(platform.dir, 'nats'), join(data, 'nats'));
    const admin = await platform.user(tenant, 'admin');
    const keyFile = join(data, 'admin.key');
    writeFileSync(keyFile, `${admin.key}\n`);
    const run = JSON.parse(readFileSync(join(platform.dir, 'run.json'), 'utf8')) as object;
    writeFileSync(join(data, 'run.json'), JSON.stringify({ ...run, api_key_file: keyFile }));

    const bin = join(home, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'curl'), CURL);
    chmodSync(join(bin, 'curl'), 0o755);
    // Programs that must never run by accident. A document that uses one must be an exception in the test.
    for (const name of ['apt-get', 'docker', 'kubectl', 'kind', 'sudo']) {
      writeFileSync(join(bin, name), `#!/bin/sh\necho '${name} does not run here' >&2\nexit 1\n`);
      chmodSync(join(bin, name), 0o755);
    }
    const realCurl = spawnSync('which', ['curl'], { encoding: 'utf8' }).stdout.trim();
    const bash = spawn('bash', ['--noprofile', '--norc'], {
      cwd: checkout,
      // Its own process group, so that background processes of a document end with it.
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {
        PATH: `${bin}:${process.env['PATH'] ?? ''}`,
        HOME: home,
        LANG: 'C.UTF-8',
        BATUTA_DATA_DIR: data,
        REAL_CURL: realCurl,
        CURL_LOG: join(home, 'curl.log'),
        FAILURES: join(home, 'failures.log'),
        PIECES: join(home, 'piece-'),
        npm_config_update_notifier: 'false',
        // Packages that a document installs must be named in the test, and are not downloaded.
        npm_config_offline: 'true',
      },
    });
    bash.stdin?.write(
      `exec 3>&1\nset -o pipefail\ntrap '[[ $BASH_COMMAND = "source $PIECES"* ]] || echo "$LINENO: $BASH_COMMAND" >>"$FAILURES"' ERR\n`,
    );
    return new DocumentSession(home, bash, admin);
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.checkout, file), `${text}\n`);
  }

  /** Runs a script in the session. `line` is its line in the document. Throws when it does not end in time. */
  async run(script: string, line: number, timeoutMs = 150_000): Promise<Outcome> {
    this.#pieces += 1;
    const file = (kind: string): string => join(this.#home, `piece-${this.#pieces}.${kind}`);
    for (const log of ['curl.log', 'failures.log']) writeFileSync(join(this.#home, log), '');
    // Empty lines before the script, so that bash's line numbers match the document.
    writeFileSync(file('sh'), `${'\n'.repeat(line - 1)}${script}\n`);
    if (this.#bash.exitCode !== null || this.#bash.signalCode !== null) {
      throw new Error('the shell of this document has ended');
    }
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(
          new Error(`still running after ${timeoutMs / 1000} s:\n${script}\n${readFileSync(file('err'), 'utf8')}`),
        );
      }, timeoutMs);
      this.#waiting = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#bash.stdin?.write(`source ${file('sh')} >${file('out')} 2>${file('err')} </dev/null; echo done >&3\n`);
    });
    const lines = (name: string): string[] =>
      readFileSync(join(this.#home, name), 'utf8')
        .split('\n')
        .filter((each) => each !== '');
    return {
      output: readFileSync(file('out'), 'utf8'),
      errors: readFileSync(file('err'), 'utf8'),
      failures: lines('failures.log'),
      requests: lines('curl.log').map((each) => {
        const [, status = '', ...request] = each.split(' ');
        return { status: Number(status), request: request.join(' ') };
      }),
    };
  }

  close(): void {
    if (this.#bash.pid !== undefined && this.#bash.exitCode === null && this.#bash.signalCode === null) {
      process.kill(-this.#bash.pid, 'SIGKILL');
    }
    rmSync(this.#home, { recursive: true, force: true });
  }
}
