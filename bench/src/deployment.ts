import { BatutaClient, isProblem } from '@batuta/client';
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLogger } from '@batuta/observability';
import { startPlatform } from '@batuta/standalone';
import type { Platform } from '@batuta/standalone';
import type { Load, LoadResult } from './client-process.js';
import { call } from './ipc.js';
import { configOf } from './workload.js';
import type { Shape } from './workload.js';

interface DeploymentOptions {
  /** The services that share a process, as in BATUTA_LAYOUT. */
  readonly layout: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The directory of an earlier deployment, whose store is old. */
  readonly directory?: string;
}

const CLIENT_PROGRAM = fileURLToPath(new URL('./client-process.js', import.meta.url));

/** The client in its own process. It ends with this one. */
export function startClient(): ChildProcess {
  return fork(CLIENT_PROGRAM, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

/** The whole platform, started by its own supervisor in its own directory, and a client process. */
export class Deployment {
  readonly #configs = new Set<string>();
  #loads = 0;

  private constructor(
    readonly directory: string,
    readonly platform: Platform,
    readonly client: ChildProcess,
    /** For the set-up only. Measured requests use `HttpClient`. */
    readonly api: BatutaClient,
  ) {}

  static async start(options: DeploymentOptions): Promise<Deployment> {
    const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'batuta-bench-'));
    const client = startClient();
    try {
      const platform = await startPlatform({
        dataDir: directory,
        logger: createLogger({ service: 'bench', level: 'warn' }),
        port: 0,
        layout: options.layout,
        logFile: join(directory, 'logs', 'services.log'),
        env: { ...process.env, ...options.env },
      });
      const target = { url: platform.url, keyFile: platform.apiKeyFile };
      await call(client, 'connect', target);
      const apiKey = readFileSync(platform.apiKeyFile, 'utf8').trim();
      const api = new BatutaClient({ url: platform.url, apiKey, retry: { attempts: 1 } });
      return new Deployment(directory, platform, client, api);
    } catch (error) {
      client.kill();
      throw error;
    }
  }

  /** The process ids of all running processes by name, with one name for each process of the platform. */
  get pids(): Record<string, number> {
    const { stack } = this.platform;
    const all: [string, number | undefined][] = [
      ...Object.entries(this.platform.pids()),
      ['postgres', stack.postgres?.pid],
      ['nats-server', stack.nats?.pid],
      ['client', this.client.pid],
    ];
    return Object.fromEntries(all.filter((entry): entry is [string, number] => entry[1] !== undefined));
  }

  /** Runs executions from the client process, and creates the config first if it is new. */
  async load(
    load: Pick<Load, 'shape' | 'executions' | 'inFlight'> & { readonly retryMs?: number },
  ): Promise<LoadResult> {
    const { shape, executions, inFlight, retryMs = 0 } = load;
    this.#loads += 1;
    const config = await this.config(shape);
    const prefix = `load-${this.#loads}-${process.pid}`;
    return call<LoadResult>(this.client, 'run', {
      config,
      shape,
      executions,
      inFlight,
      prefix,
      retryMs,
    } satisfies Load);
  }

  /** The name of the config that runs a shape. */
  async config(shape: Shape): Promise<string> {
    const name = `${shape.shape}-${shape.steps}-${shape.stepMs}`;
    if (!this.#configs.has(name)) {
      try {
        await this.api.configs.create(configOf(name, shape));
      } catch (error) {
        if (!isProblem(error, 'name_taken')) throw error;
      }
      this.#configs.add(name);
    }
    return name;
  }

  /** Stops everything in order. The files stay. */
  async halt(): Promise<void> {
    this.client.kill();
    await this.platform.stop();
  }

  async remove(): Promise<void> {
    await this.halt();
    await rm(this.directory, { recursive: true, force: true });
  }
}
