import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNatsServer, freePort, logTail, silentLogger } from '@batuta/local-stack';
import { accountsIn, writeDeployment } from '@batuta/nats-accounts';
import type { NatsAccounts } from '@batuta/nats-accounts';
import { describeEnd, eventually } from '@batuta/testing';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));

/** The deployed configurations of nats-server, with the number of servers. */
export const DEPLOYED = {
  Compose: { conf: 'deploy/nats/nats.conf', servers: 1 },
  'Kubernetes on a laptop': { conf: 'deploy/k8s/overlays/laptop/nats.conf', servers: 1 },
  'Kubernetes in production': { conf: 'deploy/k8s/base/nats.conf', servers: 3 },
} as const;

export interface DeployedNatsOptions {
  /** The directory with the output of `batuta credentials`. Default: a new one, created here. */
  readonly credentials?: string;
  /** The program. Default: the system's. */
  readonly program?: string;
}

/** The nats-servers of a deployment, with exactly its configuration except for addresses and paths. */
export class DeployedNats {
  readonly #own: string;
  readonly #program: string;
  readonly #servers: readonly { readonly root: string; readonly name: string; readonly monitorPort: number }[];
  readonly #children: ChildProcess[] = [];

  private constructor(
    /** `tls://localhost:port`, several separated by commas. */
    readonly url: string,
    /** One folder per container, as `batuta credentials` creates them. */
    readonly directory: string,
    readonly accounts: NatsAccounts,
    own: string,
    program: string,
    servers: readonly { readonly root: string; readonly name: string; readonly monitorPort: number }[],
  ) {
    this.#own = own;
    this.#program = program;
    this.#servers = servers;
  }

  /** The file of a service's NATS credentials. `{service}` stands for its name. */
  get credentials(): string {
    return join(this.directory, '{service}', 'nats.creds');
  }

  get tlsCa(): string {
    return join(this.directory, 'gateway', 'ca.crt');
  }

  /** Starts the servers and waits until JetStream is available. Throws with the end of a log when that fails. */
  static async start(deployment: keyof typeof DEPLOYED, options: DeployedNatsOptions = {}): Promise<DeployedNats> {
    const { conf, servers: count } = DEPLOYED[deployment];
    const program = options.program ?? (await findNatsServer(silentLogger)).file;
    const own = mkdtempSync(join(tmpdir(), 'batuta-deployed-nats-'));
    const directory = options.credentials ?? join(own, 'credentials');
    if (options.credentials === undefined) await writeDeployment({ directory });
    const ports: { readonly client: number; readonly route: number; readonly monitor: number }[] = [];
    for (let index = 0; index < count; index += 1) {
      ports.push({ client: await freePort(), route: await freePort(), monitor: await freePort() });
    }
    const servers = ports.map(({ client, route, monitor }, index) => {
      const root = join(own, `nats-${index}`);
      for (const folder of ['etc/nats', 'run/nats', 'data']) mkdirSync(join(root, folder), { recursive: true });
      symlinkSync(join(directory, 'nats'), join(root, 'run/batuta'));
      const text = readFileSync(join(REPOSITORY, conf), 'utf8')
        .replaceAll(/: \/(run|data)\b/g, `: ${root}/$1`)
        .replaceAll(
          /nats:\/\/nats-(\d)\.nats:6222/g,
          (_, other: string) => `nats://localhost:${ports[Number(other)]?.route}`,
        )
        .replace('listen: 0.0.0.0:4222', `listen: 127.0.0.1:${client}`)
        .replace('listen: 0.0.0.0:6222', `listen: 127.0.0.1:${route}`)
        .replace('http: 0.0.0.0:8222', `http: 127.0.0.1:${monitor}`);
      writeFileSync(join(root, 'etc/nats/nats.conf'), text);
      return { root, name: `nats-${index}`, monitorPort: monitor };
    });
    const url = ports.map(({ client }) => `tls://localhost:${client}`).join(',');
    const accounts = await accountsIn(join(directory, 'config', 'keys.json'));
    const nats = new DeployedNats(url, directory, accounts, own, program, servers);
    await nats.run();
    return nats;
  }

  /** Starts the servers again after `end`. */
  async run(): Promise<void> {
    const logs = this.#servers.map(({ root }) => join(root, 'nats.log'));
    const ends: string[] = [];
    for (const [index, { root, name }] of this.#servers.entries()) {
      const log = openSync(logs[index] ?? '', 'a');
      const child = spawn(this.#program, ['--config', join(root, 'etc/nats/nats.conf')], {
        env: { PATH: process.env['PATH'], POD_NAME: name },
        stdio: ['ignore', log, log],
      });
      closeSync(log);
      child.once('exit', (code, signal) => ends.push(`${name} has ended (${describeEnd(code, signal)}).`));
      // No server may outlive the process of the test.
      process.once('exit', () => child.kill('SIGKILL'));
      this.#children.push(child);
    }
    try {
      for (const { monitorPort } of this.#servers) {
        await eventually(async () => (await fetch(`http://127.0.0.1:${monitorPort}/healthz`)).status === 200, {
          timeoutMs: 120_000,
          describe: 'nats-server is healthy',
          pointless: () => (ends[0] === undefined ? undefined : new Error(ends[0])),
        });
      }
    } catch (error) {
      await this.end();
      const tails = await Promise.all(logs.map((log) => logTail(log)));
      throw new Error([(error as Error).message, ...tails].join('\n'), { cause: error });
    }
  }

  /** The first server's log. */
  log(index = 0): string {
    return readFileSync(join(this.#servers[index]?.root ?? '', 'nats.log'), 'utf8');
  }

  /** Ends the servers. Their files stay. */
  async end(): Promise<void> {
    const children = this.#children.splice(0);
    await Promise.all(
      children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await ended;
      }),
    );
  }

  async close(): Promise<void> {
    await this.end();
    rmSync(this.#own, { recursive: true, force: true });
  }
}
