import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

const LONGEST_OUTPUT = 20_000;

/** A worker, started by a shell command, with all processes that it starts. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #output = '';

  constructor(command: string, env: Readonly<Record<string, string | undefined>>) {
    // `exec` makes signals reach the program instead of a shell. The process group makes it possible to end all of its
    // processes.
    this.#child = spawn('/bin/sh', ['-c', `exec ${command}`], {
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-LONGEST_OUTPUT);
      });
    }
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.once('error', (error) => {
        this.#output += String(error);
        resolve();
      });
    });
  }

  /** The latest output. */
  get output(): string {
    return this.#output;
  }

  /** The exit code, or the signal that ended it. Undefined while it runs. */
  get exitCode(): number | string | undefined {
    return this.#child.exitCode ?? this.#child.signalCode ?? undefined;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits for its end. Throws when it still runs after `ms` milliseconds. */
  async ended(ms: number): Promise<number | string | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the worker has not ended within ${ms} ms`)), ms);
    });
    try {
      await Promise.race([this.#ended, limit]);
      return this.exitCode;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Kills it and all processes that it has started. */
  kill(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
