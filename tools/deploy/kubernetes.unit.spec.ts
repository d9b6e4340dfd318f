import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { hasKubectl, objectsOf, render } from './kustomize.js';
import type { KubernetesObject } from './kustomize.js';
import { read, root } from './places.js';
import { isRunnable, loadServices, variablesOf } from './services.js';
import type { Environment } from './services.js';

interface ComposeCommand {
  readonly services: { readonly postgres: { readonly command: readonly string[] } };
}

interface Reference {
  readonly name: string;
  readonly key: string;
  readonly optional?: boolean;
}

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly secretKeyRef?: Reference;
    readonly configMapKeyRef?: Reference;
    readonly fieldRef?: { readonly fieldPath: string };
  };
}

interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string };
  readonly exec?: { readonly command: readonly string[] };
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly env?: readonly Variable[];
  readonly envFrom?: readonly { readonly configMapRef: { readonly name: string } }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly lifecycle?: { readonly preStop?: { readonly exec?: { readonly command: readonly string[] } } };
  readonly resources?: { readonly requests?: Record<string, string>; readonly limits?: Record<string, string> };
  readonly securityContext?: Record<string, unknown>;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

interface KeyOfSecret {
  readonly key: string;
  readonly path: string;
}

interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name: string };
  readonly secret?: { readonly secretName: string };
  readonly projected?: {
    readonly sources: readonly {
      readonly secret?: { readonly name: string; readonly items?: readonly KeyOfSecret[] };
    }[];
  };
}

interface PodTemplate {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly serviceAccountName: string;
    readonly automountServiceAccountToken: boolean;
    readonly terminationGracePeriodSeconds: number;
    readonly priorityClassName?: string;
    readonly securityContext: Record<string, unknown>;
    readonly topologySpreadConstraints?: readonly unknown[];
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly volumes?: readonly Volume[];
  };
}

interface Workload {
  readonly object: KubernetesObject;
  readonly name: string;
  readonly replicas: number | undefined;
  readonly minReadySeconds: number;
  readonly template: PodTemplate;
}

type Labels = Readonly<Record<string, string>>;
interface Selector {
  readonly matchLabels?: Labels;
}
interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}
interface Rule {
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
  readonly ports?: readonly { readonly protocol: string; readonly port: number }[];
}
interface Policy {
  readonly podSelector: Selector;
  readonly policyTypes: readonly string[];
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
}

const services = ['gateway', 'config', 'execution', 'step-runner', 'notifications'];

// The secrets that docs/operations.md tells the operator to create, with example values.
const secrets: Readonly<Record<string, Environment>> = {
  'batuta-database-admin': { url: 'postgres://batuta:p0@postgres:5432/batuta', password: 'p0' },
  'batuta-database-owner': { url: 'postgres://batuta_owner:p1@postgres:5432/batuta', password: 'p1' },
  'batuta-database-config': { url: 'postgres://batuta_config:p2@postgres:5432/batuta', password: 'p2' },
  'batuta-database-execution': { url: 'postgres://batuta_execution:p3@postgres:5432/batuta', password: 'p3' },
  'batuta-database-notifications': { url: 'postgres://batuta_notifications:p4@postgres:5432/batuta', password: 'p4' },
  'batuta-notifications': { 'encryption-keys': Buffer.alloc(32, 7).toString('base64') },
  'batuta-archive': {
    url: 's3://batuta-archive',
    's3-endpoint': 'https://minio.example.org:9000',
    's3-region': 'us-east-1',
    's3-access-key': 'batuta',
    's3-secret-key': 'no-real-key',
  },
  'batuta-execution': { 'seal-keys': Buffer.alloc(32, 8).toString('base64') },
  'batuta-secrets': { keys: Buffer.alloc(32, 8).toString('base64') },
  'batuta-smtp': { url: 'smtp://user:p0@mail.example.com:587', from: 'batuta@example.com' },
};

function workloadsOf(objects: readonly KubernetesObject[]): Workload[] {
  return objects
    .filter(({ kind }) => ['Deployment', 'StatefulSet', 'Job'].includes(kind))
    .map((object) => {
      const spec = object['spec'] as { template: PodTemplate; replicas?: number; minReadySeconds?: number };
      return {
        object,
        name: object.metadata.name,
        replicas: spec.replicas,
        minReadySeconds: spec.minReadySeconds ?? 0,
        template: spec.template,
      };
    });
}

const containersOf = ({ template }: Workload): Container[] => [
  ...(template.spec.initContainers ?? []),
  ...template.spec.containers,
];

const matches = (selector: Selector | undefined, labels: Labels): boolean =>
  Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value);

const specOf = <T>(object: KubernetesObject | undefined): T => {
  if (object === undefined) throw new Error('there is no such object');
  return object['spec'] as T;
};

const moduleOf = ({ apiVersion, kind }: KubernetesObject): string => {
  if (apiVersion.startsWith('cert-manager.io/')) return `@kubernetes-models/cert-manager/${apiVersion}/${kind}`;
  if (apiVersion.startsWith('keda.sh/')) return `@kubernetes-models/keda/${apiVersion}/${kind}`;
  if (apiVersion.startsWith('gateway.networking.k8s.io/')) {
    return `@kubernetes-models/gateway-api/${apiVersion}/${kind}`;
  }
  if (apiVersion.startsWith('monitoring.coreos.com/')) {
    return `@kubernetes-models/prometheus-operator/${apiVersion}/${kind}`;
  }
  return `kubernetes-models/${apiVersion}/${kind}`;
};

interface Model {
  validate(): void;
}

/**
 * Objects that the schemas of Kubernetes, cert-manager, the Gateway API, KEDA and the Prometheus operator refuse
 * because of types, formats, ranges and required fields.
 */
async function refusedBySchema(objects: readonly KubernetesObject[]): Promise<string[]> {
  const refused: string[] = [];
  for (const object of objects) {
    const module = (await import(moduleOf(object))) as Record<string, new (data: unknown) => Model>;
    const Class = module[object.kind];
    if (Class === undefined) throw new Error(`there is no schema of ${object.apiVersion} ${object.kind}`);
    try {
      new Class(object).validate();
    } catch (error) {
      refused.push(`${object.kind} ${object.metadata.name}: ${(error as Error).message}`);
    }
  }
  return refused;
}

/** Objects that the same packages' types refuse because of unknown fields, which the schemas accept. */
function refusedByTypes(objects: readonly KubernetesObject[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'batuta-kubernetes-'));
  try {
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    mkdirSync(join(folder, 'objects'));
    for (const object of objects) {
      const name = `${object.kind}-${object.metadata.name}`;
      writeFileSync(
        join(folder, 'objects', `${name}.ts`),
        `import type { I${object.kind} } from '${moduleOf(object)}';\n` +
          `export const object: I${object.kind} = ${JSON.stringify(object, undefined, 1)};\n`,
      );
    }
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          strict: true,
          noEmit: true,
          skipLibCheck: true,
          module: 'esnext',
          moduleResolution: 'bundler',
          target: 'es2023',
          types: [],
        },
        include: ['objects'],
      }),
    );
    const { stdout, stderr, status } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], {
      encoding: 'utf8',
    });
    if (status !== 0 && stdout === '') throw new Error(`tsc ended with ${status}: ${stderr}`);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The environment of a container as the kubelet would create it, with examples for the values of secrets. */
function environmentOf(container: Container, objects: readonly KubernetesObject[]): Environment {
  const env: Record<string, string> = {};
  for (const { configMapRef } of container.envFrom ?? []) {
    const map = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMapRef.name);
    if (map === undefined) throw new Error(`${container.name}: there is no ConfigMap ${configMapRef.name}`);
    Object.assign(env, map['data']);
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    if (value !== undefined) {
      env[name] = value;
    } else if (valueFrom?.fieldRef !== undefined) {
      env[name] = 'pod-0';
    } else if (valueFrom?.secretKeyRef !== undefined) {
      const found = secrets[valueFrom.secretKeyRef.name]?.[valueFrom.secretKeyRef.key];
      if (found === undefined) throw new Error(`${container.name}: ${name} comes from an unknown secret`);
      env[name] = found;
    }
  }
  return env;
}

/** The secrets in the files of a workload's containers, as `secret:key`. */
const filesOf = ({ template }: Workload): string[] =>
  (template.spec.volumes ?? []).flatMap(({ secret, projected }) => [
    ...(secret === undefined ? [] : [`${secret.secretName}:*`]),
    ...(projected?.sources ?? []).flatMap(({ secret: source }) =>
      source === undefined ? [] : (source.items ?? [{ key: '*' }]).map(({ key }) => `${source.name}:${key}`),
    ),
  ]);

/** The connections between pods that the policies of both sides allow, as `from -> to:port`. */
function arrowsOf(objects: readonly KubernetesObject[]): string[] {
  const pods = workloadsOf(objects).map(({ name, template }) => ({
    name,
    labels: template.metadata.labels,
    ports: template.spec.containers.flatMap(({ ports }) => ports ?? []).map(({ containerPort }) => containerPort),
  }));
  const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy').map((object) => specOf<Policy>(object));
  const lets = (direction: 'Ingress' | 'Egress', self: Labels, other: Labels, port: number): boolean => {
    const applying = policies.filter(
      ({ podSelector, policyTypes }) => policyTypes.includes(direction) && matches(podSelector, self),
    );
    if (applying.length === 0) return true;
    return applying
      .flatMap((policy) => (direction === 'Ingress' ? policy.ingress : policy.egress) ?? [])
      .some((rule) => {
        const peers = direction === 'Ingress' ? rule.from : rule.to;
        const open = rule.ports?.some((each) => each.protocol === 'TCP' && each.port === port) ?? true;
        const peer =
          peers?.some(
            ({ podSelector, namespaceSelector }) =>
              podSelector !== undefined && namespaceSelector === undefined && matches(podSelector, other),
          ) ?? true;
        return open && peer;
      });
  };
  return pods
    .flatMap((to) =>
      pods.flatMap((from) =>
        to.ports
          .filter(
            (port) => lets('Egress', from.labels, to.labels, port) && lets('Ingress', to.labels, from.labels, port),
          )
          .map((port) => `${from.name} -> ${to.name}:${port}`),
      ),
    )
    .toSorted();
}

const withKubectl = hasKubectl ? describe : describe.skip;

withKubectl.each(['laptop', 'production'])('the overlay %s', (overlay) => {
  let objects: KubernetesObject[];
  let workloads: Workload[];
  const named = (kind: string, name: string): KubernetesObject | undefined =>
    objects.find((object) => object.kind === kind && object.metadata.name === name);
  const workload = (name: string): Workload => {
    const found = workloads.find((each) => each.name === name);
    if (found === undefined) throw new Error(`there is no ${name}`);
    return found;
  };
  const containerOf = (name: string): Container => workload(name).template.spec.containers[0] as Container;

  beforeAll(() => {
    objects = render(overlay);
    workloads = workloadsOf(objects);
  });

  it('runs every service', () => {
    expect(workloads.map(({ name }) => name)).toEqual(expect.arrayContaining([...services, 'nats', 'migrate']));
  });

  it('passes the schemas of Kubernetes, cert-manager, KEDA and the Prometheus operator', async () => {
    expect(await refusedBySchema(objects)).toEqual([]);
  });

  it('has no field that does not exist', () => {
    expect(refusedByTypes(objects)).toBe('');
  });

  it('gives every object the namespace and a unique name', () => {
    const names = objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    const ofTheCluster = ['Namespace', 'PriorityClass'];
    expect(
      objects.filter(({ kind, metadata }) => !ofTheCluster.includes(kind) && metadata.namespace !== 'batuta'),
    ).toEqual([]);
  });

  it('runs no pod as root, with a writable root file system or with capabilities', () => {
    for (const each of workloads) {
      expect(each.template.spec).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      for (const container of containersOf(each)) {
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(container.resources).toMatchObject({
          requests: { cpu: expect.any(String), memory: expect.any(String) },
          limits: { memory: expect.any(String) },
        });
      }
    }
  });

  it('starts every container with a command and settings that its service accepts', async () => {
    const known = await loadServices();
    for (const name of services) {
      const container = containerOf(name);
      const env = environmentOf(container, objects);
      const file = container.command?.at(-1) ?? '';
      expect(file).toBe(`services/${name}/dist/main.js`);
      expect(isRunnable(file)).toBe(true);
      expect(known.get(name)?.drainMs(env)).toBeGreaterThanOrEqual(0);
      // The image sets the ports, and a shared setting may be for another service.
      const read = variablesOf(name);
      const own = (container.env ?? []).map((variable) => variable.name);
      expect(own.filter((variable) => variable !== 'SERVICE' && !read.has(variable))).toEqual([]);
      expect(env['SERVICE']).toBe(name);
    }
    const shared = named('ConfigMap', containerOf('gateway').envFrom?.[0]?.configMapRef.name ?? '');
    const readByAny = new Set(services.flatMap((name) => [...variablesOf(name)]));
    for (const variable of Object.keys(shared?.['data'] as object)) {
      expect(variable.startsWith('OTEL_') || readByAny.has(variable)).toBe(true);
    }
  });

  it('gives each pod more time to end than its service may take', async () => {
    const known = await loadServices();
    for (const name of services) {
      const { template } = workload(name);
      const container = containerOf(name);
      const preStop = container.lifecycle?.preStop?.exec?.command ?? [];
      const sleeps = preStop[0] === 'sleep' ? Number(preStop[1]) : 0;
      const drain = (known.get(name)?.drainMs(environmentOf(container, objects)) ?? Number.NaN) / 1_000;
      expect(template.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(sleeps + drain + 5);
    }
  });

  it('replaces an owner of partitions only after the previous one has held its share for longer than a lease', async () => {
    const { loadExecutionSettings } = await import('@batuta/execution');
    const { leaseMs } = loadExecutionSettings(environmentOf(containerOf('execution'), objects));
    expect(workload('execution').minReadySeconds * 1_000).toBeGreaterThan(leaseMs);
    expect(workload('execution').object.kind).toBe('StatefulSet');
  });

  it('probes paths that the services answer, on ports that their containers have', () => {
    for (const name of services) {
      const { startupProbe, livenessProbe, readinessProbe, ports } = containerOf(name);
      const port = ports?.[0]?.name;
      expect(startupProbe?.httpGet).toEqual({ path: '/health/live', port });
      expect(livenessProbe?.httpGet).toEqual({ path: '/health/live', port });
      expect(readinessProbe?.httpGet).toEqual({ path: '/health/ready', port });
    }
  });

  it('uses the container ports on which the image makes the services listen', () => {
    const image = read('Dockerfile');
    for (const name of services) {
      const variable = `BATUTA_${name.toUpperCase().replace('-', '_')}_HTTP_PORT`;
      expect(image).toContain(`${variable}=${containerOf(name).ports?.[0]?.containerPort}`);
    }
  });

  it('refers from every Service, disruption budget and account to existing objects', () => {
    const pods = workloads.map(({ template }) => template.metadata.labels);
    for (const object of objects.filter(({ kind }) => kind === 'Service')) {
      const { selector, ports } = specOf<{ selector: Labels; ports: { targetPort: string }[] }>(object);
      const target = workloads.find(({ template }) => matches({ matchLabels: selector }, template.metadata.labels));
      const open = target?.template.spec.containers.flatMap((each) => each.ports ?? []).map((port) => port.name);
      expect(open).toEqual(expect.arrayContaining(ports.map(({ targetPort }) => targetPort)));
    }
    for (const object of objects.filter(({ kind }) => kind === 'PodDisruptionBudget')) {
      const { selector } = specOf<{ selector: Selector }>(object);
      expect(pods.filter((labels) => matches(selector, labels))).toHaveLength(1);
    }
    for (const name of [...services, 'nats']) {
      const { unhealthyPodEvictionPolicy } = specOf<{ unhealthyPodEvictionPolicy: string }>(
        named('PodDisruptionBudget', name),
      );
      // A pod that never becomes ready must not block the draining of a node, unless a majority depends on it.
      expect([name, unhealthyPodEvictionPolicy]).toEqual([name, name === 'nats' ? 'IfHealthyBudget' : 'AlwaysAllow']);
    }
    for (const { template } of workloads) {
      expect(named('ServiceAccount', template.spec.serviceAccountName)).toBeDefined();
      for (const { configMap } of template.spec.volumes ?? []) {
        if (configMap !== undefined) expect(named('ConfigMap', configMap.name)).toBeDefined();
      }
    }
  });

  it('gives stateful pods a higher priority than runners, and uses only existing priorities', () => {
    const values = new Map(
      objects
        .filter(({ kind }) => kind === 'PriorityClass')
        .map((each) => [each.metadata.name, each['value'] as number]),
    );
    const of = (name: string): number => values.get(workload(name).template.spec.priorityClassName ?? '') ?? Number.NaN;
    for (const name of ['nats', ...services.filter((each) => each !== 'step-runner')]) {
      expect(of(name)).toBeGreaterThan(of('step-runner'));
    }
  });

  it('lets Reloader replace the pods of every service when a Secret changes', () => {
    for (const name of [...services, 'nats']) {
      expect(workload(name).object.metadata.annotations).toMatchObject({ 'reloader.stakater.com/auto': 'true' });
    }
  });

  it('lets pods query the DNS of the cluster and of the node', () => {
    const { egress } = specOf<Policy>(named('NetworkPolicy', 'dns'));
    expect(egress?.flatMap(({ to }) => to ?? []).flatMap(({ ipBlock }) => ipBlock?.cidr ?? [])).toEqual([
      '169.254.20.10/32',
    ]);
  });

  it('spreads the pods of every workload that may have several', () => {
    for (const name of [...services, 'nats']) {
      expect(workload(name).template.spec.topologySpreadConstraints).toHaveLength(2);
    }
  });

  it('contains no secret, and refers only to those that the operations guide creates', () => {
    expect(objects.filter(({ kind }) => kind === 'Secret')).toEqual([]);
    const guide = read('docs/operations.md');
    const used = workloads
      .flatMap(containersOf)
      .flatMap(({ env }) => env ?? [])
      .flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []);
    expect(used.length).toBeGreaterThan(0);
    for (const { name, key } of used) {
      expect(guide).toContain(`create secret generic ${name}`);
      expect(guide).toContain(`--from-literal=${key}=`);
    }
    const files = workloads.flatMap(filesOf).map((file) => file.split(':')[0] ?? '');
    expect(files.length).toBeGreaterThan(services.length);
    for (const name of new Set(files)) {
      const ofService = services.find((service) => name === `batuta-nats-${service}`);
      expect(guide).toContain(
        `create secret generic ${ofService === undefined ? `${name} ` : 'batuta-nats-$SERVICE --from-file=credentials/$SERVICE'}`,
      );
    }
  });

  it('gives each service only its own NATS credentials, and only config the keys that create users', () => {
    for (const name of services) {
      const own = [`batuta-nats-${name}:nats.creds`, ...(name === 'config' ? ['batuta-nats-config:keys.json'] : [])];
      const database = ['config', 'execution', 'notifications'].includes(name) ? ['batuta-database-ca:ca.crt'] : [];
      expect({ name, files: filesOf(workload(name)) }).toEqual({
        name,
        files: [...own, 'batuta-nats-tls:ca.crt', ...database],
      });
      const env = environmentOf(containerOf(name), objects);
      const places = (workload(name).template.spec.volumes ?? [])
        .flatMap(({ projected }) => projected?.sources ?? [])
        .flatMap(({ secret }) => secret?.items ?? [])
        .map(({ path }) => `/run/batuta/${path}`);
      const needed = [env['NATS_CREDS'], env['BATUTA_NATS_TLS_CA']];
      expect(env['BATUTA_NATS_KEYS']).toBe(name === 'config' ? '/run/batuta/keys.json' : undefined);
      expect(places).toEqual(expect.arrayContaining(needed));
      expect(env['NATS_URL']).toBe('tls://nats:4222');
      expect(containerOf(name).volumeMounts).toEqual(
        expect.arrayContaining([{ name: 'credentials', mountPath: '/run/batuta', readOnly: true }]),
      );
    }
    expect(filesOf(workload('nats'))).toEqual([
      'batuta-nats-accounts:accounts.conf',
      ...['tls.crt', 'tls.key', 'ca.crt'].map((key) => `batuta-nats-tls:${key}`),
    ]);
    expect(filesOf(workload('migrate'))).toEqual(['batuta-database-ca:ca.crt']);
  });

  it('allows connections between pods only along the arrows of the architecture', () => {
    const database = overlay === 'laptop' ? ['config', 'execution', 'migrate', 'notifications'] : [];
    expect(arrowsOf(objects)).toEqual(
      [
        ...services.map((name) => `${name} -> nats:4222`),
        'nats -> nats:6222',
        ...database.map((name) => `${name} -> postgres:5432`),
      ].toSorted(),
    );
  });

  it('allows connections to the internet only for agents and callbacks, and never to private addresses', () => {
    const open = objects
      .filter(({ kind }) => kind === 'NetworkPolicy')
      .map((object) => specOf<Policy>(object))
      .filter(({ egress }) => egress?.some(({ to }) => to?.some(({ ipBlock }) => ipBlock?.cidr === '0.0.0.0/0')));
    expect(open.map(({ podSelector }) => podSelector.matchLabels?.['app.kubernetes.io/name']).toSorted()).toEqual([
      'notifications',
      'step-runner',
    ]);
    for (const { egress } of open) {
      const block = egress?.flatMap(({ to }) => to ?? []).find(({ ipBlock }) => ipBlock?.cidr === '0.0.0.0/0');
      expect(block?.ipBlock?.except).toEqual(
        expect.arrayContaining(['10.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16']),
      );
    }
  });

  it('gives each service only its own PostgreSQL role, and the others only to the Job', () => {
    const secretsOf = (each: Workload): string[] => [
      ...new Set(
        containersOf(each)
          .flatMap(({ env }) => env ?? [])
          .flatMap(({ valueFrom }) => valueFrom?.secretKeyRef?.name ?? [])
          .filter((name) => name.startsWith('batuta-database')),
      ),
    ];
    for (const name of services) {
      const own = ['config', 'execution', 'notifications'].includes(name) ? [`batuta-database-${name}`] : [];
      expect({ name, secrets: secretsOf(workload(name)) }).toEqual({ name, secrets: own });
    }
    expect(secretsOf(workload('migrate')).toSorted()).toEqual(
      ['admin', 'owner', 'config', 'execution', 'notifications'].map((name) => `batuta-database-${name}`).toSorted(),
    );
  });

  it('migrates every schema with a command that the image has', () => {
    const commands = containersOf(workload('migrate')).map(({ command }) => command?.at(-1) ?? '');
    expect(commands).toEqual([
      'services/config/dist/prepare-database.js',
      ...['config', 'execution', 'notifications'].map((name) => `services/${name}/dist/migrate.js`),
    ]);
    expect(commands.filter((file) => !isRunnable(file))).toEqual([]);
  });

  it('configures as many copies of a stream as there are servers, and every server knows the others', () => {
    const replicas = workload('nats').replicas;
    for (const name of ['execution', 'step-runner']) {
      expect(environmentOf(containerOf(name), objects)['BATUTA_STREAM_REPLICAS']).toBe(String(replicas));
    }
    const config = objects.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.startsWith('nats-config'),
    );
    const text = (config?.['data'] as Record<string, string> | undefined)?.['nats.conf'] ?? '';
    if (replicas === 1) {
      expect(text).not.toContain('cluster {');
    } else {
      expect([...text.matchAll(/nats:\/\/(\S+)/g)].map((match) => match[1])).toEqual(
        Array.from({ length: replicas ?? 0 }, (_, index) => `nats-${index}.nats:6222`),
      );
    }
  });

  if (overlay === 'laptop') {
    it('offers PostgreSQL only over TLS, like Compose', () => {
      expect(filesOf(workload('postgres'))).toEqual(['batuta-postgres-tls:*']);
      const { args } = containerOf('postgres') as unknown as { args: string[] };
      expect(args).toEqual((parse(read('docker-compose.yml')) as ComposeCommand).services.postgres.command);
      expect(read('deploy/k8s/overlays/laptop/pg_hba.conf')).toBe(read('deploy/postgres/pg_hba.conf'));
    });
  }

  if (overlay === 'production') {
    it('makes cert-manager issue the certificate of nats-server for each of its names', () => {
      const { secretName, usages, dnsNames, issuerRef } = specOf<{
        secretName: string;
        usages: string[];
        dnsNames: string[];
        issuerRef: { name: string };
      }>(named('Certificate', 'batuta-nats'));
      expect(secretName).toBe('batuta-nats-tls');
      expect(usages).toEqual(['digital signature', 'server auth', 'client auth']);
      const servers = Array.from({ length: workload('nats').replicas ?? 0 }, (_, index) => `nats-${index}.nats`);
      expect(dnsNames).toEqual(expect.arrayContaining(['nats', ...servers]));
      const authority = specOf<{ ca: { secretName: string } }>(named('Issuer', issuerRef.name)).ca.secretName;
      expect(specOf<{ secretName: string; isCA: boolean }>(named('Certificate', 'batuta-authority'))).toMatchObject({
        secretName: authority,
        isCA: true,
      });
    });

    it('scales runners by the demand that an engine reports for their pool', async () => {
      const { loadStepRunnerSettings } = await import('@batuta/step-runner');
      const { pools, slots } = loadStepRunnerSettings(environmentOf(containerOf('step-runner'), objects));
      const { scaleTargetRef, triggers } = specOf<{
        scaleTargetRef: { name: string; kind: string };
        triggers: { type: string; metadata: Record<string, string> }[];
      }>(named('ScaledObject', 'step-runner'));
      expect(workload(scaleTargetRef.name).object.kind).toBe(scaleTargetRef.kind);
      const ops = specOf<{ ports: { name: string; port: number }[] }>(named('Service', 'execution')).ports.find(
        ({ name }) => name === 'ops',
      );
      // KEDA uses the largest of several triggers, so a pool has one trigger for all its priorities.
      expect(triggers.map(({ type, metadata }) => [type, metadata['url'], metadata['valueLocation']])).toEqual(
        pools.map((pool) => [
          'metrics-api',
          `http://execution.batuta.svc.cluster.local:${ops?.port}/demand?pool=${pool}`,
          'demand',
        ]),
      );
      for (const { metadata } of triggers) {
        // Running tasks count too. With a target above the slots of a pod, no pod would be added to full ones.
        expect(Number(metadata['targetValue'])).toBeLessThan(slots);
      }
      // Tasks are sent directly to runners, so they need not pass through the queue.
      expect(environmentOf(containerOf('execution'), objects)['BATUTA_EXECUTION_DIRECT']).toBeUndefined();
    });

    it('leaves the number of autoscaled pods to their autoscalers', () => {
      expect(workload('gateway').replicas).toBeUndefined();
      expect(workload('step-runner').replicas).toBeUndefined();
      expect(specOf<{ scaleTargetRef: unknown }>(named('HorizontalPodAutoscaler', 'gateway')).scaleTargetRef).toEqual({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        name: 'gateway',
      });
    });

    it('scrapes every service on a port that it has', () => {
      const { selector, endpoints } = specOf<{ selector: Selector; endpoints: { port: string }[] }>(
        named('ServiceMonitor', 'batuta'),
      );
      const scraped = objects.filter(
        ({ kind, metadata }) => kind === 'Service' && matches(selector, metadata.labels ?? {}),
      );
      expect(scraped.map(({ metadata }) => metadata.name).toSorted()).toEqual(services.toSorted());
      const ports = endpoints.map(({ port }) => port);
      for (const object of scraped) {
        const own = specOf<{ ports: { name: string }[] }>(object).ports.map(({ name }) => name);
        expect(own.filter((port) => ports.includes(port))).toHaveLength(1);
      }
    });

    it('scrapes the exporter beside each nats-server, which Prometheus alone reaches', () => {
      const { selector, endpoints } = specOf<{ selector: Selector; endpoints: { port: string }[] }>(
        named('ServiceMonitor', 'nats'),
      );
      const service = named('Service', 'nats');
      expect(matches(selector, service?.metadata.labels ?? {})).toBe(true);
      const { ports } = specOf<{ ports: { name: string; targetPort: string }[] }>(service);
      const target = ports.find(({ name }) => name === endpoints[0]?.port)?.targetPort;
      const [server, exporter] = workload('nats').template.spec.containers as (Container & { args?: string[] })[];
      const port = exporter?.ports?.find(({ name }) => name === target)?.containerPort;
      const monitor = server?.ports?.find(({ name }) => name === 'monitor')?.containerPort;
      expect(exporter?.args).toEqual([`-port=${port}`, '-varz', '-jsz=all', `http://127.0.0.1:${monitor}`]);
      const { ingress } = specOf<Policy>(named('NetworkPolicy', 'nats'));
      const opens = (ingress ?? []).filter((rule) => rule.ports?.some((each) => each.port === port));
      expect(opens).toEqual([
        expect.objectContaining({
          from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
        }),
      ]);
    });

    it('alerts by the same rules as Compose', () => {
      const rules = parse(read('deploy/prometheus/rules.yml')) as { groups: unknown };
      expect(specOf<{ groups: unknown }>(named('PrometheusRule', 'batuta')).groups).toEqual(rules.groups);
    });

    const published = ['/api', '/ws', '/docs', '/docs-json', '/schemas'];

    it('publishes the API and its documentation, and nothing for operators', () => {
      const { rules } = specOf<{ rules: { http: { paths: { path: string }[] } }[] }>(named('Ingress', 'gateway'));
      expect(rules.flatMap(({ http }) => http.paths).map(({ path }) => path)).toEqual(published);
    });

    it('has a route for the Gateway API that publishes the same, and allows its proxies', async () => {
      const routed = objectsOf(read('deploy/k8s/overlays/production/http-route.yaml'));
      expect(await refusedBySchema(routed)).toEqual([]);
      expect(refusedByTypes(routed)).toBe('');
      const { parentRefs, hostnames, rules } = specOf<{
        parentRefs: { namespace: string }[];
        hostnames: string[];
        rules: { matches: { path: { value: string } }[]; backendRefs: { name: string; port: number }[] }[];
      }>(routed.find(({ kind }) => kind === 'HTTPRoute'));
      expect(rules.flatMap(({ matches: paths }) => paths).map(({ path }) => path.value)).toEqual(published);
      const ports = specOf<{ ports: { port: number }[] }>(named('Service', 'gateway')).ports.map(({ port }) => port);
      expect(rules.flatMap(({ backendRefs }) => backendRefs).map(({ name, port }) => [name, port])).toEqual([
        ['gateway', ports[0]],
      ]);
      expect(specOf<{ rules: { host: string }[] }>(named('Ingress', 'gateway')).rules.map(({ host }) => host)).toEqual(
        hostnames,
      );
      const { podSelector, ingress } = specOf<Policy>(routed.find(({ kind }) => kind === 'NetworkPolicy'));
      expect(matches(podSelector, workload('gateway').template.metadata.labels)).toBe(true);
      expect(ingress?.flatMap(({ from }) => from ?? []).map(({ namespaceSelector }) => namespaceSelector)).toEqual(
        parentRefs.map(({ namespace }) => ({ matchLabels: { 'kubernetes.io/metadata.name': namespace } })),
      );
    });

    it('can pin images by digest', () => {
      const digest = `sha256:${'0'.repeat(64)}`;
      const folder = mkdtempSync(join(root, 'deploy/k8s/.pinned-'));
      try {
        writeFileSync(
          join(folder, 'kustomization.yaml'),
          `resources: [../overlays/production]\nimages: [{ name: registry.example.com/batuta, digest: '${digest}' }]\n`,
        );
        const images = workloadsOf(render(folder)).flatMap(containersOf);
        expect(new Set(images.map(({ image }) => image).filter((image) => image.includes('batuta')))).toEqual(
          new Set([`registry.example.com/batuta@${digest}`]),
        );
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }
});

withKubectl('the schema checks', () => {
  it('refuse a wrong type and an unknown field', async () => {
    const [deployment] = render('laptop').filter(({ kind }) => kind === 'Deployment');
    if (deployment === undefined) throw new Error('there is no Deployment');
    const wrongType = structuredClone(deployment) as { spec: Record<string, unknown> } & KubernetesObject;
    wrongType.spec['minReadySeconds'] = 'long';
    expect(await refusedBySchema([wrongType])).toEqual([expect.stringContaining('minReadySeconds')]);
    const unknownField = structuredClone(deployment) as { spec: Record<string, unknown> } & KubernetesObject;
    unknownField.spec['minReadySecond'] = 5;
    expect(refusedByTypes([unknownField])).toContain('minReadySecond');
  });
});
