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

/** What a piece of a session came to. */
export interface Outcome {
  readonly output: string;
  readonly errors: string;
  /** Commands that did not succeed, by the document's line. */
  readonly failures: readonly string[];
  /** Requests of curl with their statuses. */
  readonly requests: readonly { readonly status: number; readonly request: string }[];
}

// Each request's status goes to a file; all else is curl's.
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
 * A bash that a reader of a document could have open: in the folder of a checkout whose platform runs, with one tenant a
 * document, as on a fresh installation.
 */
export class DocumentSession {
  private waiting: (() => void) | undefined;
  private pieces = 0;

  private constructor(
    /** Holds the checkout and what the session writes beside it. */
    private readonly home: string,
    private readonly bash: ChildProcess,
    /** The admin of its tenant. */
    readonly admin: Api,
  ) {
    if (bash.stdout !== null) createInterface({ input: bash.stdout }).on('line', () => this.waiting?.());
    bash.once('close', () => this.waiting?.());
  }

  get checkout(): string {
    return join(this.home, 'checkout');
  }

  static async open(platform: LocalPlatform, tenant: string): Promise<DocumentSession> {
    const home = mkdtempSync(join(tmpdir(), 'batuta-docs-'));
    const checkout = join(home, 'checkout');
    mkdirSync(checkout);
    for (const name of readdirSync(ROOT)) {
      if (name === '.git' || name === '.batuta') continue;
      // What documents have written to or made in is copied; npm finds a package's scripts beside where it runs.
      if (['examples', 'package.json', 'package-lock.json'].includes(name))
        cpSync(join(ROOT, name), join(checkout, name), { recursive: true });
      else symlinkSync(join(ROOT, name), join(checkout, name));
    }
    const data = join(checkout, '.batuta');
    cpSync(platform.dir, data, {
      recursive: true,
      filter: (path) => path === platform.dir || /\.(json|key)$/.test(path),
    });
    // What makes credentials for workers.
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
    // What must never happen by accident: a document that says so has to be an exception of the test.
    for (const name of ['apt-get', 'docker', 'kubectl', 'kind', 'sudo']) {
      writeFileSync(join(bin, name), `#!/bin/sh\necho '${name} does not run here' >&2\nexit 1\n`);
      chmodSync(join(bin, name), 0o755);
    }
    const realCurl = spawnSync('which', ['curl'], { encoding: 'utf8' }).stdout.trim();
    const bash = spawn('bash', ['--noprofile', '--norc'], {
      cwd: checkout,
      // A group of its own, so that what a document starts in the background ends with it.
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
        // What a document installs has to be named in the test, instead of coming from the network.
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

  /** Runs a script in the session; `line` is where it stands in its document. Throws when it has not ended in time. */
  async run(script: string, line: number, timeoutMs = 150_000): Promise<Outcome> {
    this.pieces += 1;
    const file = (kind: string): string => join(this.home, `piece-${this.pieces}.${kind}`);
    for (const log of ['curl.log', 'failures.log']) writeFileSync(join(this.home, log), '');
    // Lines before it, so that bash counts as the document does.
    writeFileSync(file('sh'), `${'\n'.repeat(line - 1)}${script}\n`);
    if (this.bash.exitCode !== null || this.bash.signalCode !== null)
      throw new Error('the shell of this document has ended');
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(
          new Error(`still running after ${timeoutMs / 1000} s:\n${script}\n${readFileSync(file('err'), 'utf8')}`),
        );
      }, timeoutMs);
      this.waiting = () => {
        clearTimeout(timer);
        resolve();
      };
      this.bash.stdin?.write(`source ${file('sh')} >${file('out')} 2>${file('err')} </dev/null; echo done >&3\n`);
    });
    const lines = (name: string): string[] =>
      readFileSync(join(this.home, name), 'utf8')
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
    if (this.bash.pid !== undefined && this.bash.exitCode === null && this.bash.signalCode === null)
      process.kill(-this.bash.pid, 'SIGKILL');
    rmSync(this.home, { recursive: true, force: true });
  }
}
