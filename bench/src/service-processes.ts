import { BatutaClient } from '@batuta/client';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort, logTail, startLocalStack } from '@batuta/local-stack';
import type { LocalStack } from '@batuta/local-stack';

export const SERVICE_NAMES = ['config', 'execution', 'step-runner', 'gateway'] as const;
export type BenchService = (typeof SERVICE_NAMES)[number];

const PROGRAMS: Readonly<Record<BenchService, string>> = {
  gateway: programOf('@batuta/gateway'),
  config: programOf('@batuta/config'),
  execution: programOf('@batuta/execution'),
  // The same step-runner with an additional agent, which records its runs.
  'step-runner': fileURLToPath(new URL('./ledger-runner.js', import.meta.url)),
};
const PORTS: Readonly<Record<BenchService, string>> = {
  gateway: 'BATUTA_GATEWAY_HTTP_PORT',
  config: 'BATUTA_CONFIG_HTTP_PORT',
  execution: 'BATUTA_EXECUTION_HTTP_PORT',
  'step-runner': 'BATUTA_STEP_RUNNER_HTTP_PORT',
};
const READY_MS = 60_000;

/** The program that a service's deployment runs: `main.js` beside the package's entry. */
function programOf(name: string): string {
  return fileURLToPath(new URL('./main.js', import.meta.resolve(name)));
}

/** Every service as its own process, as in production, for works that kill services. */
export class ServiceProcesses {
  readonly #env: Readonly<Record<string, string>>;
  readonly #children = new Map<BenchService, ChildProcess>();
  readonly #ports = new Map<BenchService, number>();

  private constructor(
    readonly directory: string,
    readonly stack: LocalStack,
    env: Readonly<Record<string, string>>,
  ) {
    this.#env = env;
  }

  static async start(env: Readonly<Record<string, string>> = {}): Promise<ServiceProcesses> {
    const directory = mkdtempSync(join(tmpdir(), 'batuta-bench-'));
    mkdirSync(join(directory, 'logs'), { recursive: true });
    const stack = await startLocalStack({ dataDir: directory });
    const all = new ServiceProcesses(directory, stack, env);
    try {
      for (const name of SERVICE_NAMES) {
        all.#ports.set(name, await freePort());
        all.spawn(name);
      }
      await Promise.all(SERVICE_NAMES.map((name) => all.ready(name)));
    } catch (error) {
      // The logs are kept, because they explain the failure.
      await all.#endAll();
      throw error;
    }
    return all;
  }

  get url(): string {
    return this.urlOf('gateway');
  }

  get keyFile(): string {
    return join(this.directory, 'admin.key');
  }

  /** The file in which the agent of W5 records its runs. */
  get ledger(): string {
    return join(this.directory, 'ledger');
  }

  get pids(): Record<string, number> {
    const services = [...this.#children].map(([name, child]) => [name, child.pid]);
    const { postgres, nats } = this.stack;
    return Object.fromEntries([...services, ['postgres', postgres?.pid], ['nats-server', nats?.pid]]) as Record<
      string,
      number
    >;
  }

  urlOf(name: BenchService): string {
    return `http://127.0.0.1:${this.#ports.get(name) ?? 0}`;
  }

  /** For the set-up only. Measured requests use `HttpClient`. */
  api(): BatutaClient {
    return new BatutaClient({
      url: this.url,
      apiKey: readFileSync(this.keyFile, 'utf8').trim(),
      retry: { attempts: 1 },
    });
  }

  spawn(name: BenchService): void {
    const log = openSync(this.#logFile(name), 'a');
    const child = spawn(process.execPath, ['--enable-source-maps', PROGRAMS[name]], {
      stdio: ['ignore', log, log],
      env: {
        ...process.env,
        ...this.stack.databaseEnvironment,
        NATS_URL: this.stack.natsUrl,
        NATS_CREDS: this.stack.natsCredentials,
        BATUTA_ADMIN_KEY_FILE: this.keyFile,
        BATUTA_EXECUTION_NAME: 'bench',
        // As in a container, which keeps its name across restarts.
        BATUTA_RUNNER_ID: 'bench',
        BATUTA_RUNNER_SLOTS: '512',
        BENCH_LEDGER: this.ledger,
        ...this.#env,
        [PORTS[name]]: String(this.#ports.get(name)),
      },
    });
    closeSync(log);
    this.#children.set(name, child);
  }

  /** Kills a service with SIGKILL and restarts it at once, without waiting until it is ready. */
  async killAndRestart(name: BenchService): Promise<void> {
    await this.#end(name, 'SIGKILL');
    this.spawn(name);
  }

  /** Waits until it is ready. Throws at once when it has ended. Errors include the end of its log. */
  async ready(name: BenchService): Promise<void> {
    const giveUp = performance.now() + READY_MS;
    for (;;) {
      const response = await fetch(`${this.urlOf(name)}/health/ready`).catch(() => undefined);
      const end = endOf(this.#children.get(name));
      if (end !== undefined) throw new Error(`${name} has ended (${end}). ${await this.#logTail(name)}`);
      if (response?.status === 200) return;
      if (performance.now() > giveUp) {
        const checks = (await response?.text()) ?? 'no answer';
        throw new Error(`${name} is not ready after ${READY_MS} ms: ${checks}. ${await this.#logTail(name)}`);
      }
      await delay(10);
    }
  }

  #logTail(name: BenchService): Promise<string> {
    return logTail(this.#logFile(name));
  }

  #logFile(name: BenchService): string {
    return join(this.directory, 'logs', `${name}.log`);
  }

  async #end(name: BenchService, signal: NodeJS.Signals): Promise<void> {
    const child = this.#children.get(name);
    this.#children.delete(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
    });
    child.kill(signal);
    await ended;
  }

  /** Stops everything and removes the files. Throws, and keeps the logs, when a service had ended by itself. */
  async remove(): Promise<void> {
    const gone = SERVICE_NAMES.filter((name) => endOf(this.#children.get(name)) !== undefined);
    const tails = await Promise.all(gone.map((name) => this.#logTail(name)));
    await this.#endAll();
    if (gone.length > 0) throw new Error(`${gone.join(', ')} ended while they were measured. ${tails.join('\n')}`);
    await rm(this.directory, { recursive: true, force: true });
  }

  async #endAll(): Promise<void> {
    // The edge first, and the engine before the config service, which the engine may still call.
    for (const name of ['gateway', 'step-runner', 'execution', 'config'] as const) await this.#end(name, 'SIGTERM');
    await this.stack.stop();
  }
}

/** How a process ended that nobody has told to end. Undefined while it runs. */
function endOf(child: ChildProcess | undefined): string | undefined {
  if (child === undefined || (child.exitCode === null && child.signalCode === null)) return undefined;
  return child.signalCode ?? `exit code ${child.exitCode}`;
}
