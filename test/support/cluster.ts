import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startLocalStack } from '@batuta/local-stack';
import type { LocalStack, NatsServer, PostgresServer } from '@batuta/local-stack';
import { writePoolCredentials } from '@batuta/nats-accounts';
import type { NatsAccounts } from '@batuta/nats-accounts';
import { natsCredentialsFile } from '@batuta/settings';
import { Api } from './api.js';
import type { MemoryGroup } from './memory-group.js';
import { ServiceProcess } from './service-process.js';
import type { DeployableService } from './service-process.js';

export interface ClusterOptions {
  /** Number of instances by service. Default: one of each except notifications. */
  readonly instances?: Partial<Record<DeployableService, number>>;
  /** Environment of every service process, in addition to the cluster's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** The pools that the step-runner serves. Default: `default`. */
  readonly pools?: readonly string[];
  /** The control groups in which services run, by service. */
  readonly memoryGroups?: ReadonlyMap<string, MemoryGroup>;
}

const PORT_VARIABLE: Readonly<Record<DeployableService, string>> = {
  gateway: 'BATUTA_GATEWAY_HTTP_PORT',
  config: 'BATUTA_CONFIG_HTTP_PORT',
  execution: 'BATUTA_EXECUTION_HTTP_PORT',
  'step-runner': 'BATUTA_STEP_RUNNER_HTTP_PORT',
  notifications: 'BATUTA_NOTIFICATIONS_HTTP_PORT',
};

/** A whole platform of separate processes, as in production, with its own servers. */
export class Cluster {
  readonly #processes: ReadonlyMap<DeployableService, readonly ServiceProcess[]>;

  private constructor(
    readonly dir: string,
    readonly stack: LocalStack,
    processes: ReadonlyMap<DeployableService, readonly ServiceProcess[]>,
  ) {
    this.#processes = processes;
  }

  /**
   * Starts everything and waits until all services are ready. Throws with the end of a log when they do not become
   * ready; the logs are kept.
   */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const dir = mkdtempSync(join(tmpdir(), 'batuta-cluster-'));
    const logs = join(dir, 'logs');
    mkdirSync(logs, { recursive: true });
    const stack = await startLocalStack({ dataDir: dir, pools: options.pools });
    const instances = { config: 1, execution: 1, 'step-runner': 1, gateway: 1, notifications: 0, ...options.instances };
    const processes = new Map<DeployableService, ServiceProcess[]>();
    for (const service of Object.keys(instances) as DeployableService[]) {
      const members: ServiceProcess[] = [];
      for (let index = 0; index < instances[service]; index += 1) {
        const port = await freePort();
        members.push(
          new ServiceProcess({
            service,
            url: `http://127.0.0.1:${port}`,
            logFile: join(logs, `${service}-${index}.log`),
            memoryGroup: options.memoryGroups?.get(service),
            env: {
              PATH: process.env['PATH'],
              HOME: process.env['HOME'],
              ...stack.databaseEnvironment,
              NATS_URL: stack.natsUrl,
              NATS_CREDS: stack.natsCredentials,
              BATUTA_ADMIN_KEY_FILE: join(dir, 'admin.key'),
              BATUTA_EXECUTION_NAME: `execution-${index}`,
              BATUTA_RUNNER_ID: `runner-${index}`,
              BATUTA_RUNNER_LOG_DIRECTORIES: join(dir, 'files', '{tenant}'),
              ...options.env,
              [PORT_VARIABLE[service]]: String(port),
            },
          }),
        );
      }
      processes.set(service, members);
    }
    const cluster = new Cluster(dir, stack, processes);
    const ended = (): Error | undefined => {
      const gone = cluster.#all().find(({ endsByItself }) => endsByItself.length > 0);
      return gone === undefined ? undefined : new Error(`${gone.service} has ended.`);
    };
    let awaited: ServiceProcess | undefined;
    try {
      for (const member of cluster.#all()) {
        member.spawn();
      }
      for (awaited of cluster.#all()) {
        await awaited.ready(ended);
      }
    } catch (error) {
      const problems = await cluster.#end(awaited);
      // Another process that has ended may be the reason why this one is not ready.
      throw new Error([(error as Error).message, ...problems].join('\n'), { cause: error });
    }
    return cluster;
  }

  #all(): ServiceProcess[] {
    return [...this.#processes.values()].flat();
  }

  get postgres(): PostgresServer {
    if (this.stack.postgres === undefined) {
      throw new Error('the cluster has no PostgreSQL of its own');
    }
    return this.stack.postgres;
  }

  get nats(): NatsServer {
    if (this.stack.nats === undefined) {
      throw new Error('the cluster has no NATS server of its own');
    }
    return this.stack.nats;
  }

  /** An instance of a service. Throws when there is none. */
  process(service: DeployableService, index = 0): ServiceProcess {
    const member = this.#processes.get(service)?.[index];
    if (member === undefined) {
      throw new Error(`the cluster has no ${service} ${index}`);
    }
    return member;
  }

  /** A file with NATS credentials for workers of a pool. */
  workerCredentials(pool: string): Promise<string> {
    return writePoolCredentials(this.#accounts, join(this.dir, 'nats', 'creds'), pool, 3_600_000);
  }

  /** A service's file with NATS credentials. */
  serviceCredentials(service: DeployableService): string {
    return natsCredentialsFile(this.stack.natsCredentials, service) ?? '';
  }

  get #accounts(): NatsAccounts {
    if (this.nats.accounts === undefined) throw new Error('the cluster’s NATS server has one user');
    return this.nats.accounts;
  }

  /** The REST API with the first admin's key. */
  api(): Api {
    return new Api(this.process('gateway').url, readFileSync(join(this.dir, 'admin.key'), 'utf8').trim());
  }

  /**
   * Ends all processes and servers and removes the files. Throws, and keeps the logs, when a process did not end
   * cleanly or had ended by itself.
   */
  async stop(): Promise<void> {
    const problems = await this.#end();
    if (problems.length > 0) throw new Error(problems.join('\n'));
    await rm(this.dir, { recursive: true, force: true });
  }

  /**
   * Ends all processes and servers. Returns all problems, also earlier ones, except those of `known`, which the caller
   * knows.
   */
  async #end(known?: ServiceProcess): Promise<string[]> {
    const problems: string[] = [];
    const add = async (member: ServiceProcess, what: string): Promise<void> => {
      problems.push(`${member.service} ${what}. ${await member.logTail()}`);
    };
    for (const member of this.#all()) {
      member.resume();
    }
    await Promise.all(
      this.#all().map(async (member) => {
        const ran = member.running;
        const code = await member.end('SIGTERM');
        if (member === known) return;
        for (const end of member.endsByItself) await add(member, `had ended by itself (${end})`);
        if (ran && code !== 0) {
          await add(member, `did not stop cleanly (${code === null ? 'a signal' : `exit code ${code}`})`);
        }
      }),
    );
    await this.stack.stop();
    return problems;
  }
}
