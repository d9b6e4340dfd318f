import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Logger } from '@batuta/observability';
import { Mistake } from '@batuta/program';
import type { ServiceName } from './services.js';
import type { FromGroup, ToGroup } from './process-messages.js';
import { memoryBytes, semiSpaceMiB } from './semi-space.js';

const GROUP_PROGRAM = fileURLToPath(new URL('./group.js', import.meta.url));
const RESTART_FIRST_MS = 250;
const RESTART_LIMIT_MS = 10_000;
/** A group that ran this long before a crash is restarted at once, in milliseconds. */
const STABLE_MS = 30_000;
/** Loading the programs and starting the services may each take this long: a migration of a large database is slow. */
const START_LIMIT_MS = 1_800_000;

interface ChildGroupOptions {
  readonly services: readonly ServiceName[];
  readonly env: NodeJS.ProcessEnv;
  readonly logger: Logger;
  /** File descriptor for the services' logs. Default: this process's own output. */
  readonly logFd?: number;
  /** The name of the file of `logFd`. */
  readonly logFile?: string;
  /** Milliseconds that a stop may take before the process is killed. */
  readonly stopLimitMs: number;
  /** Milliseconds that loading and starting may each take before the process is killed. */
  readonly startLimitMs?: number;
  /** The program of the process. Default: the one that runs the services. */
  readonly program?: string;
  readonly onReady: (ready: Extract<FromGroup, { type: 'ready' }>) => void;
}

/** One process that runs some services. It is restarted after a crash, until it is stopped. */
export class ChildGroup {
  readonly #options: ChildGroupOptions;
  #child: ChildProcess | undefined;
  #restartTimer: NodeJS.Timeout | undefined;
  #startTimer: NodeJS.Timeout | undefined;
  #isLate = false;
  #stopping = false;
  #crashes = 0;
  /** The environment that it gets when it is loaded. Undefined while the servers start. */
  #env: Readonly<Record<string, string>> | undefined;
  #loaded = false;
  #ready: Promise<void> | undefined;

  constructor(options: ChildGroupOptions) {
    this.#options = options;
  }

  /** The process id while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process, which loads its programs and then waits for `start`. */
  load(): void {
    this.#ready = this.#spawn();
    // `start` reports the failure to its caller.
    this.#ready.catch(() => undefined);
  }

  /**
   * Starts the services, with `env` in addition to the process's environment. Resolves when they are ready. Throws when
   * the first start fails.
   */
  async start(env: Readonly<Record<string, string>>): Promise<void> {
    this.#env = env;
    if (this.#ready === undefined) this.load();
    else if (this.#loaded) this.#sendStart();
    await this.#ready;
  }

  #sendStart(): void {
    if (this.#env === undefined || this.#child?.connected !== true) return;
    const start: ToGroup = { type: 'start', env: this.#env };
    this.#child.send(start, () => undefined);
    this.#limit(this.#child);
  }

  /** Kills the process when it neither gets on nor ends, so that a start never waits for ever. */
  #limit(child: ChildProcess): void {
    clearTimeout(this.#startTimer);
    this.#startTimer = setTimeout(() => {
      this.#isLate = true;
      child.kill('SIGKILL');
    }, this.#options.startLimitMs ?? START_LIMIT_MS);
  }

  #spawn(): Promise<void> {
    const { env, logger, logFd, program = GROUP_PROGRAM, startLimitMs = START_LIMIT_MS } = this.#options;
    const services = this.#options.services.join(',');
    const startedAt = Date.now();
    const output = logFd ?? 'inherit';
    const child = fork(program, [services], {
      env,
      execArgv: [
        '--enable-source-maps',
        `--max-semi-space-size=${semiSpaceMiB(memoryBytes())}`,
        // Puts Node's own code into pages of 2 MiB if the system supports this, which causes fewer TLB misses.
        '--use-largepages=silent',
      ],
      stdio: ['ignore', output, output, 'ipc'],
    });
    this.#child = child;
    this.#loaded = false;
    this.#isLate = false;
    this.#limit(child);
    return new Promise<void>((resolve, reject) => {
      let ready = false;
      let failure: string | undefined;
      let isMistake = false;
      child.on('message', (message: FromGroup) => {
        if (message.type === 'loaded') {
          this.#loaded = true;
          clearTimeout(this.#startTimer);
          this.#sendStart();
          return;
        }
        if (message.type === 'failed') {
          ({ message: failure, isMistake } = message);
          return;
        }
        ready = true;
        clearTimeout(this.#startTimer);
        this.#options.onReady(message);
        resolve();
      });
      child.once('error', (error) => {
        failure = error.message;
      });
      child.once('close', (code, signal) => {
        if (this.#child === child) {
          this.#child = undefined;
          clearTimeout(this.#startTimer);
        }
        if (this.#isLate) failure = `it was not ready within ${startLimitMs / 1_000} s`;
        const cause = failure ?? (signal === null ? `exit code ${String(code)}` : `signal ${signal}`);
        if (!ready) {
          reject(new Mistake(isMistake ? cause : `${services} did not start: ${cause}. ${this.#whereItsLogIs()}`));
        }
        if (this.#stopping || (!ready && this.#crashes === 0)) {
          return;
        }
        this.#restart(cause, Date.now() - startedAt);
        logger.debug({ services }, 'restart planned');
      });
    });
  }

  #whereItsLogIs(): string {
    const { logFile } = this.#options;
    return logFile === undefined ? 'Its log above says more.' : `Its log says more: ${logFile}`;
  }

  #restart(cause: string, ranMs: number): void {
    this.#crashes = ranMs >= STABLE_MS ? 1 : this.#crashes + 1;
    const wait = Math.min(RESTART_LIMIT_MS, RESTART_FIRST_MS * 2 ** (this.#crashes - 1));
    const services = this.#options.services.join(',');
    this.#options.logger.error(
      { services, cause, restart_in_ms: wait },
      'a process of the platform ended; starting it again',
    );
    this.#restartTimer = setTimeout(() => {
      this.#spawn().catch((error: unknown) => {
        this.#options.logger.error({ err: error, services }, 'a process of the platform could not start again');
      });
    }, wait);
  }

  /** Asks the services to end, and kills the process when they do not within the limit. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restartTimer);
    clearTimeout(this.#startTimer);
    const child = this.#child;
    if (child === undefined) {
      return;
    }
    const closed = new Promise<void>((resolve) => {
      child.once('close', () => resolve());
    });
    if (child.connected) {
      const stop: ToGroup = { type: 'stop' };
      child.send(stop, () => undefined);
    }
    const kill = setTimeout(() => {
      this.#options.logger.warn({ services: this.#options.services.join(',') }, 'did not end in time and is killed');
      child.kill('SIGKILL');
    }, this.#options.stopLimitMs);
    await closed;
    clearTimeout(kill);
  }
}
