import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const GUARD = fileURLToPath(new URL('../guard/guard.mjs', import.meta.url));
const MAX_RESTARTS = 5;

/** Signals in the order in which they are sent, each with the milliseconds that the server then has to end. */
export type StopSignals = readonly (readonly [NodeJS.Signals, number])[];

/** A server that must not outlive this process. */
interface Watched {
  readonly pid: number;
  readonly signals: StopSignals;
  /** Directories to remove when this process ends without stopping the server itself. */
  readonly remove: readonly string[];
}

/**
 * Starts a small process in its own session. That process stops the servers when this process ends without doing so,
 * for example by `kill -9`. It runs while there are servers to watch, and is started again if it is killed.
 */
class ProcessGuard {
  readonly #watched = new Map<number, Watched>();
  #child: ChildProcess | undefined;
  #restarts = 0;

  watch(server: Watched): void {
    this.#watched.set(server.pid, server);
    if (this.#child === undefined) this.#start();
    else this.#tell({ watch: server });
  }

  forget(pid: number): void {
    if (!this.#watched.delete(pid)) return;
    this.#tell({ forget: pid });
    if (this.#watched.size === 0) {
      this.#child?.stdin?.end();
      this.#child = undefined;
      this.#restarts = 0;
    }
  }

  #start(): void {
    const { NODE_OPTIONS: _, ...env } = process.env;
    const child = spawn(process.execPath, [GUARD], {
      detached: true,
      cwd: '/',
      env,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#child = child;
    const ended = () => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#restarts += 1;
      if (this.#watched.size > 0 && this.#restarts <= MAX_RESTARTS) this.#start();
    };
    child.once('error', ended);
    child.once('exit', ended);
    // When the guard was killed, its exit is handled above.
    child.stdin?.on('error', () => {});
    child.unref();
    if (child.stdin !== null && 'unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref();
    for (const server of this.#watched.values()) this.#tell({ watch: server });
  }

  #tell(message: { watch: Watched } | { forget: number }): void {
    this.#child?.stdin?.write(`${JSON.stringify(message)}\n`);
  }
}

/** One for the whole process. */
export const processGuard = new ProcessGuard();
