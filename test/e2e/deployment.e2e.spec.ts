import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectNats } from '@batuta/messaging';
import { writeDeployment } from '@batuta/nats-accounts';
import { createLogger } from '@batuta/observability';
import { eventually, freePort, startPostgres } from '@batuta/testing';
import pg from 'pg';
import { parse } from 'yaml';
import { Api, expectStatus } from '../support/api.js';
import { DeployedNats } from '../support/deployed-nats.js';
import { ServiceProcess } from '../support/service-process.js';
import type { DeployableService } from '../support/service-process.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const WORKER = join(ROOT, 'examples/worker-without-sdk/worker.mjs');
const SERVICES = ['config', 'execution', 'step-runner', 'notifications', 'gateway'] as const;
const logger = createLogger({ service: 'test', level: 'silent' });

interface Container {
  readonly environment?: Readonly<Record<string, string>>;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
}

const compose = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
  services: Readonly<Record<string, Container>>;
};

const container = (name: string): Container => {
  const found = compose.services[name];
  if (found === undefined) throw new Error(`docker-compose.yml has no ${name}`);
  return found;
};

/**
 * The platform of docker-compose.yml as processes of this machine, with its environment, files and commands, except for
 * addresses and paths.
 */
class ComposePlatform {
  readonly dir = mkdtempSync(join(tmpdir(), 'batuta-compose-'));
  readonly credentials = join(this.dir, 'credentials');
  readonly #processes = new Map<DeployableService, ServiceProcess>();
  #postgres: Awaited<ReturnType<typeof startPostgres>> | undefined;
  #nats: DeployedNats | undefined;
  readonly #secrets = new Map<string, string>();

  get nats(): DeployedNats {
    if (this.#nats === undefined) throw new Error('nats-server was not started');
    return this.#nats;
  }

  get postgres(): Awaited<ReturnType<typeof startPostgres>> {
    if (this.#postgres === undefined) throw new Error('PostgreSQL was not started');
    return this.#postgres;
  }

  async start(): Promise<void> {
    // PostgreSQL's own user passes through this directory.
    chmodSync(this.dir, 0o711);
    // Creates the user that PostgreSQL runs as, if it is not this one.
    this.#postgres = await startPostgres({ home: join(this.dir, 'postgres') });
    this.makeCredentials();
    chmodSync(this.credentials, 0o711);
    await this.#encryptPostgres();
    this.#nats = await DeployedNats.start('Compose', { credentials: this.credentials });
    this.#secrets.set('POSTGRES_PASSWORD', new URL(this.postgres.url).password);
    this.#prepareDatabase();
    mkdirSync(join(this.dir, 'admin'));
    for (const service of SERVICES) {
      const port = await freePort();
      const running = new ServiceProcess({
        service,
        url: `http://127.0.0.1:${port}`,
        logFile: join(this.dir, `${service}.log`),
        env: {
          ...this.environmentOf(service),
          [`BATUTA_${service.toUpperCase().replace('-', '_')}_HTTP_PORT`]: `${port}`,
        },
      });
      this.#processes.set(service, running);
      await running.start();
    }
  }

  /** Does the work of the container `credentials`. */
  makeCredentials(...more: string[]): string {
    const [, ...args] = container('credentials').entrypoint ?? [];
    const owner = (name: string, fallback: number): number => {
      const { status, stdout } = spawnSync('id', ['-u', name], { encoding: 'utf8' });
      return process.getuid?.() === 0 && status === 0 ? Number(stdout) : fallback;
    };
    const own = process.getuid?.() ?? 0;
    const command = args.map((arg) =>
      arg
        .replace('--service-owner=1000', `--service-owner=${own}`)
        .replace('--postgres-owner=999', `--postgres-owner=${owner('postgres', own)}`),
    );
    const made = spawnSync(process.execPath, [...command, '--out', this.credentials, ...more], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    if (made.status !== 0) throw new Error(made.stderr);
    return made.stdout;
  }

  /** The environment of a container, with the paths and ports of this machine. */
  environmentOf(name: string): Record<string, string> {
    const { OTEL_EXPORTER_OTLP_ENDPOINT: _, ...environment } = container(name).environment ?? {};
    const env = Object.entries(environment).map(([variable, value]) => [variable, this.#filled(name, value)] as const);
    return { PATH: process.env['PATH'] ?? '', ...Object.fromEntries(env) };
  }

  process(service: DeployableService): ServiceProcess {
    const found = this.#processes.get(service);
    if (found === undefined) throw new Error(`${service} was not started`);
    return found;
  }

  async restart(service: DeployableService): Promise<void> {
    expect(await this.process(service).end('SIGTERM')).toBe(0);
    await this.process(service).start();
  }

  api(): Api {
    return new Api(this.process('gateway').url, readFileSync(join(this.dir, 'admin/admin.key'), 'utf8').trim());
  }

  /** Starts a service again with this environment, and waits for its end. */
  async endOf(service: DeployableService, env: Record<string, string>): Promise<{ code: number | null; said: string }> {
    const child = spawn(process.execPath, [join(ROOT, `services/${service}/dist/main.js`)], {
      env: { ...this.environmentOf(service), ...env },
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => void (said += text));
    }
    const limit = setTimeout(() => child.kill('SIGKILL'), 120_000);
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    clearTimeout(limit);
    return { code, said };
  }

  async stop(): Promise<void> {
    const problems: string[] = [];
    for (const each of [...this.#processes.values()].toReversed()) {
      const { running } = each;
      const code = await each.end('SIGTERM');
      if (running && code !== 0) problems.push(`${each.service} ended with ${code}. ${await each.logTail()}`);
    }
    await this.#nats?.close();
    await this.#postgres?.stop();
    if (problems.length > 0) throw new Error(problems.join('\n'));
    rmSync(this.dir, { recursive: true, force: true });
  }

  #filled(name: string, value: string): string {
    const secret = (variable: string): string => {
      const made = variable.endsWith('_KEYS')
        ? Buffer.alloc(32, variable.length).toString('base64')
        : `p0${variable.toLowerCase()}`;
      const known = this.#secrets.get(variable) ?? made;
      this.#secrets.set(variable, known);
      return known;
    };
    return value
      .replaceAll(/\$\{(\w+)(?::([?-])([^}]*))?\}/g, (_, variable: string, kind: string | undefined, rest: string) =>
        kind === '-' ? rest : secret(variable),
      )
      .replaceAll('/run/batuta/', `${join(this.credentials, name)}/`)
      .replaceAll('/var/lib/batuta/', `${join(this.dir, 'admin')}/`)
      .replace('@postgres:5432', `@localhost:${this.postgres.port}`)
      .replace('tls://nats:4222', this.nats.url);
  }

  /** Starts PostgreSQL with the settings and the access file of its container. */
  async #encryptPostgres(): Promise<void> {
    const settings = (container('postgres').command ?? [])
      .filter((arg) => arg.includes('='))
      .map((arg) => arg.split('=', 2) as [string, string]);
    expect(settings.map(([name]) => name)).toEqual(['ssl', 'ssl_cert_file', 'ssl_key_file', 'hba_file']);
    await this.postgres.stop();
    const own = settings
      .filter(([name]) => name !== 'hba_file')
      .map(([name, value]) => [name, value.replace('/run/batuta', join(this.credentials, 'postgres'))]);
    this.#postgres = await startPostgres({ home: join(this.dir, 'postgres'), settings: Object.fromEntries(own) });
    copyFileSync(join(ROOT, 'deploy/postgres/pg_hba.conf'), join(this.postgres.dataDir, 'pg_hba.conf'));
    const client = new pg.Client(this.postgres.url);
    await client.connect();
    await client.query('SELECT pg_reload_conf()');
    await client.end();
  }

  /** Does the work of the container `database`. */
  #prepareDatabase(): void {
    const { entrypoint = [], command = [] } = container('database');
    const [program = '', ...args] = entrypoint;
    const env = this.environmentOf('database');
    const done = spawnSync(program, [...args, ...command], { cwd: ROOT, encoding: 'utf8', env });
    if (done.status !== 0) throw new Error(`${done.stdout}${done.stderr}`);
  }
}

describe('the platform as Compose runs it', () => {
  const platform = new ComposePlatform();

  beforeAll(() => platform.start(), 600_000);
  afterAll(() => platform.stop(), 120_000);

  const run = async (): Promise<{ status: string; output?: unknown }> =>
    expectStatus(await platform.api().post('/api/v1/orchestrations/execute/echoes?wait=60s', { input: {} }), 200);

  it('runs an execution, with a user of NATS for each service and everything encrypted', async () => {
    const step = { id: 'say', name: 'Say', agent: 'echo', input: { said: 'hello' } };
    const config = { name: 'echoes', strategy: 'sequential', steps: [step] };
    expectStatus(await platform.api().post('/api/v1/orchestrations/configs', config), 201);
    expect(await run()).toMatchObject({ status: 'completed' });

    const client = new pg.Client({
      connectionString: platform.environmentOf('database')['DATABASE_ADMIN_URL'] ?? '',
      application_name: 'looks',
    });
    await client.connect();
    const { rows } = await client.query<{ usename: string; ssl: boolean }>(
      "SELECT DISTINCT usename, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE backend_type = 'client backend' ORDER BY 1",
    );
    await client.end();
    expect(rows).toEqual(
      ['batuta', 'batuta_config', 'batuta_execution', 'batuta_notifications'].map((usename) => ({
        usename,
        ssl: true,
      })),
    );
  }, 300_000);

  it('gives workers of a pool credentials and the trusted authority, and refuses others', async () => {
    const api = platform.api();
    const text = { pool: 'text', description: 'Counts' };
    expect((await api.call('PUT', '/api/v1/agents/word_count', text)).status).toBe(201);
    const made = expectStatus(
      await api.post<{ file: string; tls_ca: string }>('/api/v1/pools/text/credentials', { name: 'host 7' }),
      201,
    );
    expect(made.tls_ca).toMatch(/^-----BEGIN CERTIFICATE-----/);
    const [creds, ca] = [join(platform.dir, 'text.creds'), join(platform.dir, 'text.crt')];
    writeFileSync(creds, made.file);
    writeFileSync(ca, made.tls_ca);
    const env = { PATH: process.env['PATH'] ?? '', NATS_URL: platform.nats.url, NATS_CREDS: creds };
    const untrusting = spawnSync(process.execPath, [WORKER, 'text'], { env, encoding: 'utf8', timeout: 120_000 });
    expect({ code: untrusting.status, said: untrusting.stderr }).toEqual({
      code: 1,
      said: expect.stringMatching(/cannot be used: .*certificate/),
    });
    const step = { id: 'count', name: 'Count', agent: 'word_count', input: { text: 'one two' } };
    const config = { name: 'counts', strategy: 'sequential', steps: [step] };
    expectStatus(await api.post('/api/v1/orchestrations/configs', config), 201);
    const worker = spawn(process.execPath, [WORKER, 'text'], {
      env: { ...env, BATUTA_NATS_TLS_CA: ca },
      stdio: 'ignore',
    });
    try {
      const { execution_id: id } = expectStatus(
        await api.post<{ execution_id: string }>('/api/v1/orchestrations/execute/counts', { input: {} }),
        202,
      );
      await eventually(async () => {
        const view = expectStatus(await api.get(`/api/v1/orchestrations/executions/${id}`), 200);
        expect(view).toMatchObject({ status: 'completed', output: { words: 2, characters: 7 } });
      });
    } finally {
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      worker.kill('SIGTERM');
      await ended;
    }
  }, 300_000);

  it('ends a service without valid credentials with one sentence', async () => {
    const elsewhere = join(platform.dir, 'elsewhere');
    await writeDeployment({ directory: elsewhere });
    const foreignCa = join(elsewhere, 'gateway/ca.crt');
    const plain = platform.nats.url.replace('tls:', 'nats:');
    for (const [service, env, sentence] of [
      ['gateway', { BATUTA_NATS_TLS_CA: foreignCa }, /certificate of the NATS server at .* is not trusted/],
      ['gateway', { BATUTA_NATS_TLS_CA: '', NATS_URL: plain }, /certificate of the NATS server at .* is not trusted/],
      ['gateway', { NATS_CREDS: join(elsewhere, 'gateway/nats.creds') }, /authorization violation/i],
      ['gateway', { NATS_CREDS: '' }, /authorization violation/i],
      ['config', { DATABASE_URL: withoutTls(platform.environmentOf('config')) }, /no encryption|pg_hba/i],
      ['config', { DATABASE_URL: trusting(platform.environmentOf('config'), foreignCa) }, /certificate/i],
    ] as const) {
      const { code, said } = await platform.endOf(service, env);
      expect({ service, env, code, said }).toEqual({ service, env, code: 1, said: expect.stringMatching(sentence) });
    }
  }, 600_000);

  it('continues with new certificates, even of a new authority, when its servers restart', async () => {
    for (const what of ['--renew-certificates', '--new-authority']) {
      expect(platform.makeCredentials(what)).toContain('nats/tls.crt');
      await platform.nats.end();
      await platform.nats.run();
      await eventually(async () => {
        const ready = await Promise.all(
          SERVICES.map(async (service) => (await fetch(`${platform.process(service).url}/health/ready`)).status),
        );
        expect(ready).toEqual(SERVICES.map(() => 200));
      });
      expect(await run()).toMatchObject({ status: 'completed' });
    }
    expect(platform.makeCredentials()).toBe('everything is there already\n');
  }, 300_000);

  it('revokes a service’s old credentials when it gets new ones, even across a restart of nats-server', async () => {
    const before = join(platform.dir, 'stolen.creds');
    copyFileSync(join(platform.credentials, 'gateway/nats.creds'), before);
    const enter = async (): Promise<string> => {
      const connection = await connectNats({
        url: platform.nats.url,
        tlsCa: platform.nats.tlsCa,
        credentials: before,
        name: 'thief',
        logger,
      }).catch((error: unknown) => String(error));
      if (typeof connection === 'string') return connection;
      await connection.close();
      return 'let in';
    };
    expect(await enter()).toBe('let in');
    expect(platform.makeCredentials('--replace', 'gateway').split('\n')).toEqual(
      expect.arrayContaining(['config/keys.json', 'gateway/nats.creds', 'nats/accounts.conf']),
    );
    await platform.restart('config');
    await eventually(async () => expect(await enter()).toMatch(/authorization|revoked/i));
    await platform.restart('gateway');
    expect(await run()).toMatchObject({ status: 'completed' });
    await platform.nats.end();
    await platform.nats.run();
    expect(await enter()).toMatch(/authorization|revoked/i);
    await eventually(async () => expect(await run()).toMatchObject({ status: 'completed' }));
  }, 300_000);
});

function withoutTls(env: Record<string, string>): string {
  const url = new URL(env['DATABASE_URL'] ?? '');
  url.search = '';
  return url.href;
}

function trusting(env: Record<string, string>, authority: string): string {
  const url = new URL(env['DATABASE_URL'] ?? '');
  url.searchParams.set('sslrootcert', authority);
  return url.href;
}
