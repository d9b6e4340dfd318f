import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { logTail } from '@batuta/local-stack';
import { describeEnd, eventually } from '@batuta/testing';
import type { MemoryGroup } from './memory-group.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export type DeployableService = 'gateway' | 'config' | 'execution' | 'step-runner' | 'notifications';

export interface ServiceProcessOptions {
  readonly service: DeployableService;
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  /** The URL at which it answers /health/ready. */
  readonly url: string;
  /** The control group in which it runs. */
  readonly memoryGroup?: MemoryGroup | undefined;
}

interface Run {
  readonly child: ChildProcess;
  /** Whether the test has told it to end. */
  told: boolean;
}

/** One service as its own process, as in production. It can be killed, paused and started again. */
export class ServiceProcess {
  readonly #options: ServiceProcessOptions;
  #run: Run | undefined;
  /** How the last run ended. */
  #lastEnd = 'it was not started';
  readonly #unasked: string[] = [];

  constructor(options: ServiceProcessOptions) {
    this.#options = options;
  }

  get service(): DeployableService {
    return this.#options.service;
  }

  get url(): string {
    return this.#options.url;
  }

  /** The ends of runs that the test did not end. Each is a failure, even if no test noticed it. */
  get endsByItself(): readonly string[] {
    return this.#unasked;
  }

  /** Starts the process without waiting until it is ready. */
  spawn(): void {
    if (this.#run !== undefined) {
      throw new Error(`${this.service} runs already`);
    }
    const log = openSync(this.#options.logFile, 'a');
    const program = [process.execPath, '--enable-source-maps', `${ROOT}services/${this.service}/dist/main.js`];
    // The shell joins the group and then becomes the program, so nothing runs outside of the group.
    const members = this.#options.memoryGroup?.members;
    const [file = '', ...values] =
      members === undefined ? program : ['/bin/sh', '-c', 'echo $$ > "$0" && exec "$@"', members, ...program];
    const child = spawn(file, values, {
      env: this.#options.env,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    const run: Run = { child, told: false };
    this.#run = run;
    child.once('exit', (code, signal) => {
      this.#lastEnd = describeEnd(code, signal);
      if (!run.told) this.#unasked.push(this.#lastEnd);
      if (this.#run === run) this.#run = undefined;
    });
  }

  async start(): Promise<void> {
    this.spawn();
    await this.ready();
  }

  /**
   * Waits until it is ready. Throws at once when it ends first, or when `pointless` returns a reason why it cannot
   * become ready. The error includes the end of its log.
   */
  async ready(pointless: () => Error | undefined = () => undefined): Promise<void> {
    const run = this.#run;
    // Another process may answer at the URL, so this one must be running too.
    const ended = (): Error | undefined =>
      run !== undefined && this.#run === run ? pointless() : new Error(`${this.service} has ended (${this.#lastEnd}).`);
    try {
      await eventually(
        async () => {
          const response = await fetch(`${this.url}/health/ready`);
          if (response.status !== 200) throw new Error(await response.text());
          return ended() === undefined;
        },
        { timeoutMs: 150_000, describe: `${this.service} is ready`, pointless: ended },
      );
    } catch (error) {
      throw new Error(`${(error as Error).message} ${await this.logTail()}`, { cause: error });
    }
  }

  /** The last lines of its log, for an error. */
  logTail(): Promise<string> {
    return logTail(this.#options.logFile);
  }

  /** The process id while it runs. */
  get pid(): number | undefined {
    return this.#run?.child.pid;
  }

  get running(): boolean {
    return this.#run !== undefined;
  }

  /** Sends a signal and resolves with the exit code when the process has ended (null after a signal). */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const run = this.#run;
    if (run === undefined) {
      return null;
    }
    run.told = true;
    const exited = new Promise<number | null>((resolve) => {
      run.child.once('exit', (code) => resolve(code));
    });
    run.child.kill(signal);
    return exited;
  }

  /** Freezes the process (SIGSTOP), like a long garbage collection or a frozen host. */
  pause(): void {
    this.#run?.child.kill('SIGSTOP');
  }

  resume(): void {
    this.#run?.child.kill('SIGCONT');
  }
}
