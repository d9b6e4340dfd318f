import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { eventually } from '@batuta/testing';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export type DeployableService = 'gateway' | 'config' | 'execution' | 'step-runner' | 'notifications';

export interface ServiceProcessOptions {
  readonly service: DeployableService;
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  /** Where it answers /health/ready. */
  readonly url: string;
}

/** One service as its own process, the way production runs it; can be killed, paused and started again. */
export class ServiceProcess {
  private child: ChildProcess | undefined;

  constructor(private readonly options: ServiceProcessOptions) {}

  get service(): DeployableService {
    return this.options.service;
  }

  get url(): string {
    return this.options.url;
  }

  /** Starts the process without waiting for it to be ready. */
  spawn(): void {
    if (this.child !== undefined) {
      throw new Error(`${this.service} runs already`);
    }
    const log = openSync(this.options.logFile, 'a');
    const child = spawn(process.execPath, ['--enable-source-maps', `${ROOT}services/${this.service}/dist/main.js`], {
      env: this.options.env,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.child = child;
    child.once('exit', () => {
      if (this.child === child) {
        this.child = undefined;
      }
    });
  }

  async start(): Promise<void> {
    this.spawn();
    await this.ready();
  }

  async ready(): Promise<void> {
    await eventually(
      async () => {
        const response = await fetch(`${this.url}/health/ready`);
        if (response.status !== 200) {
          throw new Error(await response.text());
        }
      },
      { timeoutMs: 60_000, describe: `${this.service} is ready (log: ${this.options.logFile})` },
    );
  }

  get running(): boolean {
    return this.child !== undefined;
  }

  /** Sends a signal; resolves with the exit code once the process is gone (null when a signal ended it). */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const child = this.child;
    if (child === undefined) {
      return null;
    }
    const exited = new Promise<number | null>((resolve) => {
      child.once('exit', (code) => resolve(code));
    });
    child.kill(signal);
    return exited;
  }

  /** Stops the process in its tracks (SIGSTOP), as a long garbage collection or a frozen host would. */
  pause(): void {
    this.child?.kill('SIGSTOP');
  }

  resume(): void {
    this.child?.kill('SIGCONT');
  }
}
