import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { endOf, eventually } from '@batuta/testing';

/** The top folder of this checkout. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A process and its output. */
export class SpokenProcess {
  #text = '';
  readonly #exit: Promise<number | null>;
  readonly ended: () => Error | undefined;

  constructor(readonly child: ChildProcess) {
    const collect = (chunk: Buffer): void => {
      this.#text += chunk.toString('utf8');
    };
    this.child.stdout?.on('data', collect);
    this.child.stderr?.on('data', collect);
    this.ended = endOf('the command', this.child, () => this.#text);
    this.#exit = new Promise((resolve) => {
      this.child.once('close', (code) => resolve(code));
    });
  }

  /** Standard output and standard error so far. */
  get output(): string {
    return this.#text;
  }

  async says(pattern: RegExp, timeoutMs = 250_000): Promise<void> {
    await eventually(
      () => {
        if (!pattern.test(this.#text)) {
          throw new Error(`it said:\n${this.#text}`);
        }
      },
      {
        timeoutMs,
        describe: `the command says ${String(pattern)}`,
        pointless: this.ended,
      },
    );
  }

  /** Resolves with the exit code when the process has ended (null after a signal). */
  exited(): Promise<number | null> {
    return this.#exit;
  }
}

/** The `batuta` command as a process, with its own data directory. */
export class BatutaCommand extends SpokenProcess {
  constructor(args: readonly string[], dataDir: string, env: Readonly<Record<string, string>> = {}) {
    super(
      spawn(process.execPath, ['--enable-source-maps', `${ROOT}cli/dist/main.js`, ...args], {
        env: { PATH: process.env['PATH'], HOME: process.env['HOME'], BATUTA_DATA_DIR: dataDir, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  }
}
