import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ALL_OPERATIONS, NATS_SERVICES, partitionOf, subjects } from '@batuta/contracts';
import { connectNats } from '@batuta/messaging';
import { writeDeployment, writePoolCredentials } from '@batuta/nats-accounts';
import type { NatsAccounts } from '@batuta/nats-accounts';
import { createLogger } from '@batuta/observability';
import { natsCredentialsFile } from '@batuta/settings';
import { eventually, newerNatsServer, startTestNats } from '@batuta/testing';
import { expectStatus } from '../support/api.js';
import { DEPLOYED, DeployedNats } from '../support/deployed-nats.js';
import { LocalPlatform } from '../support/local-platform.js';
import { tableUnder } from '../support/markdown-table.js';

const TABLE = tableUnder(new URL('../../docs/operations.md', import.meta.url), 'Users of NATS');
const USERS = [...NATS_SERVICES, 'workers'] as const;
type User = (typeof USERS)[number];
type NatsConnection = Awaited<ReturnType<typeof connectNats>>;
/** The pool that each user serves, and one that none of them serves. */
const POOL: Partial<Record<User, string>> = { 'step-runner': 'default', workers: 'text' };
const FOREIGN = 'other';

const namesIn = (cell: string | undefined): string[] => (cell === 'nobody' ? [] : (cell ?? '').split(', '));
const filled = (subject: string, pool: string): string =>
  subject.replaceAll('<pool>', pool).replaceAll('<priority>', 'high').replaceAll(/<\w+>/g, 'x1');

const CREDENTIALS = '/api/v1/pools/text/credentials';

/** One nats-server with users, or several. */
interface Servers {
  readonly url: string;
  /** The file of a service's credentials. `{service}` stands for its name. */
  readonly credentials: string | undefined;
  readonly tlsCa?: string;
  readonly accounts: NatsAccounts | undefined;
  close(): Promise<void>;
}

const newer = newerNatsServer();
const local = (): Promise<Servers> => startTestNats({ users: { pools: ['default'] } });
/** The ways to start nats-servers. Undefined when the program is missing. */
const STARTED: readonly [string, (() => Promise<Servers>) | undefined][] = [
  ['npm start', local],
  ...(Object.keys(DEPLOYED) as (keyof typeof DEPLOYED)[]).flatMap(
    (name): [string, (() => Promise<Servers>) | undefined][] => [
      [name, () => DeployedNats.start(name)],
      [
        `${name} with a newer nats-server`,
        newer === undefined ? undefined : () => DeployedNats.start(name, { program: newer }),
      ],
    ],
  ),
];

let nats: Servers;
let directory: string;
const connections = new Map<User, NatsConnection>();

function connectAs(
  credentials: string | undefined,
  { url, tlsCa }: Pick<Servers, 'url' | 'tlsCa'> = nats,
): Promise<NatsConnection> {
  return connectNats({
    url,
    credentials,
    tlsCa,
    name: 'test',
    logger: createLogger({ service: 'test', level: 'silent' }),
  });
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'batuta-creds-'));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function as(user: User): NatsConnection {
  const connection = connections.get(user);
  if (connection === undefined) throw new Error(`nobody is connected as ${user}`);
  return connection;
}

/** Those subjects to which the server lets the user publish. */
async function publishable(user: User, wanted: readonly string[]): Promise<string[]> {
  const connection = as(user);
  const refused = new Set<string>();
  const status = connection.status();
  const watching = (async () => {
    for await (const event of status) {
      if (event.type === 'error') refused.add(/Publish to "(.+)"/.exec(event.error.message)?.[1] ?? '');
    }
  })();
  for (const subject of wanted) connection.publish(subject, '');
  await connection.flush();
  // The server's earlier messages have been read by the answer to the ping, and the watcher gets its turn.
  await new Promise((resolve) => setTimeout(resolve, 50));
  (status as unknown as { stop(): void }).stop();
  await watching;
  return wanted.filter((subject) => !refused.has(subject));
}

/** Those subjects to which the server lets the user subscribe. */
async function subscribable(user: User, wanted: readonly string[]): Promise<string[]> {
  const connection = as(user);
  const refused = new Set<string>();
  const subscriptions = wanted.map((subject) =>
    connection.subscribe(subject, { callback: (error) => void (error === null || refused.add(subject)) }),
  );
  await connection.flush();
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (const subscription of subscriptions) subscription.unsubscribe();
  return wanted.filter((subject) => !refused.has(subject));
}

for (const [name, start] of STARTED) {
  (start === undefined ? describe.skip : describe)(`the users of nats-server (${name})`, () => {
    beforeAll(async () => {
      if (start === undefined) throw new Error('there is no such server');
      nats = await start();
      if (nats.accounts === undefined) throw new Error('the server has one user');
      for (const service of NATS_SERVICES) {
        connections.set(service, await connectAs(natsCredentialsFile(nats.credentials, service)));
      }
      const file = await writePoolCredentials(nats.accounts, directory, 'text', 3_600_000);
      connections.set('workers', await connectAs(file));
    }, 300_000);

    afterAll(async () => {
      for (const connection of connections.values()) await connection.close();
      connections.clear();
      await nats?.close();
    });

    it.each(USERS)('%s may publish and subscribe to exactly the documented subjects', async (user) => {
      const pool = POOL[user] ?? FOREIGN;
      const rows = TABLE.map((row) => ({
        subject: filled(row['subject'] ?? '', pool),
        publishes: namesIn(row['published by']).includes(user),
        subscribes: namesIn(row['subscribed to by']).includes(user),
      }));
      const all = rows.map(({ subject }) => subject);
      expect(await publishable(user, all)).toEqual(rows.filter((row) => row.publishes).map(({ subject }) => subject));
      expect(await subscribable(user, all)).toEqual(rows.filter((row) => row.subscribes).map(({ subject }) => subject));
    });

    it.each(['step-runner', 'workers'] as const)('%s has no access to a pool that it does not serve', async (user) => {
      const foreign = TABLE.map((row) => row['subject'] ?? '')
        .filter((subject) => subject.includes('<pool>'))
        .map((subject) => filled(subject, FOREIGN));
      expect(foreign.length).toBeGreaterThan(8);
      expect(await publishable(user, foreign)).toEqual([]);
      expect(await subscribable(user, foreign)).toEqual([]);
    });

    it('lets nobody subscribe to everything, and only services to subjects across pools or tenants', async () => {
      const wide = [
        '>',
        '*',
        'batuta.>',
        '_INBOX.>',
        '$JS.>',
        '$SYS.>',
        'batuta.step.>',
        'batuta.runner.>',
        'batuta.event.>',
      ];
      for (const user of USERS) expect(await subscribable(user, wide)).toEqual([]);
      const tenants = ['batuta.event.*.*', 'batuta.inbox.*.*', 'batuta.lifecycle.>', 'batuta.end.*', 'batuta.config.>'];
      for (const user of ['step-runner', 'workers'] as const) expect(await subscribable(user, tenants)).toEqual([]);
    });

    it('refuses clients without credentials or with expired ones', async () => {
      await expect(connectAs(undefined)).rejects.toThrow(/authorization/i);
      const file = await writePoolCredentials(nats.accounts!, directory, 'late', -60_000);
      await expect(connectAs(file)).rejects.toThrow(/authorization|expired/i);
    });

    describe('the consumers of a pool', () => {
      const create = async (
        user: User,
        config: Record<string, unknown>,
      ): Promise<{ error?: { description: string } }> => {
        const subject = `$JS.API.CONSUMER.CREATE.STEPS.text-high.${subjects.stepFilter('text', 'high')}`;
        const answer = await as(user).request(subject, JSON.stringify({ stream_name: 'STEPS', config }), {
          timeout: 30_000,
        });
        return answer.json();
      };

      it('cannot have a filter for tasks of another pool, nor another name', async () => {
        const stream = { name: 'STEPS', subjects: [subjects.allSteps], retention: 'workqueue', storage: 'memory' };
        await as('execution').request('$JS.API.STREAM.CREATE.STEPS', JSON.stringify(stream), { timeout: 30_000 });
        const own = { name: 'text-high', durable_name: 'text-high', ack_policy: 'explicit' };
        const filter = subjects.stepFilter('text', 'high');
        for (const wrong of [
          { ...own },
          { ...own, filter_subject: subjects.allSteps },
          { ...own, filter_subject: subjects.stepFilter('default', 'high') },
          { ...own, filter_subject: subjects.stepFilter('text', 'normal') },
          { ...own, name: 'default-high', durable_name: 'default-high', filter_subject: filter },
        ]) {
          expect((await create('workers', wrong)).error?.description).toMatch(/match/);
        }
        expect((await create('workers', { ...own, filter_subject: filter })).error).toBeUndefined();
      });
    });
  });
}

describe('the table of subjects', () => {
  it('documents every subject of the platform', () => {
    const documented = new Set(TABLE.map((row) => filled(row['subject'] ?? '', 'text')));
    const known = [
      ...ALL_OPERATIONS.map(({ subject }) => subject.replace('.*.', '.x1.')),
      ...[subjects.command, subjects.result, subjects.check, subjects.heartbeat].map((of) =>
        of(1).replace('.1.', '.x1.'),
      ),
      subjects.ownerResult('x1'),
      subjects.step('text', 'high', 'x1', 'x1', 'x1'),
      subjects.runnerTasks('text', 'x1'),
      subjects.runnerBeat('text'),
      subjects.end('x1'),
      subjects.event('x1', 'x1'),
      subjects.lifecycle('x1', 'x1'),
      ...Object.values<unknown>(subjects).filter((value) => typeof value === 'string' && !value.includes('>')),
    ];
    expect(known.filter((subject) => !documented.has(String(subject)))).toEqual([]);
  });
});

/** Talks to nats-server without encryption. Ends when the server closes the connection. */
function talkPlainly(url: string, credentials: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let said = '';
    const socket = connect(Number(port), hostname);
    socket.setEncoding('utf8').setTimeout(60_000, () => socket.destroy(new Error('the server stays on the line')));
    socket.once('data', () =>
      socket.write(`CONNECT ${JSON.stringify({ jwt: credentials, verbose: true })}\r\nPING\r\n`),
    );
    socket.on('data', (text: string) => void (said += text));
    // The server may close or reset the connection.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET') reject(error);
    });
    socket.once('close', () => resolve(said));
  });
}

describe('the TLS of a deployment', () => {
  let deployed: DeployedNats;
  let other: string;

  beforeAll(async () => {
    deployed = await DeployedNats.start('Compose');
    other = join(directory, 'elsewhere');
    await writeDeployment({ directory: other });
  }, 300_000);

  afterAll(() => deployed?.close());

  const gateway = (): string => natsCredentialsFile(deployed.credentials, 'gateway') ?? '';

  it('refuses clients that do not encrypt', async () => {
    const said = await talkPlainly(deployed.url, readFileSync(gateway(), 'utf8'));
    expect(said).toMatch(/^INFO .*"tls_required":true/);
    expect(said).not.toContain('PONG');
    expect(said).not.toContain('+OK');
  });

  it.each([
    ['trusts no authority of this installation', undefined],
    ['trusts the authority of another one', 'elsewhere'],
  ])('is refused by a client that %s', async (_, elsewhere) => {
    const tlsCa = elsewhere === undefined ? {} : { tlsCa: join(other, 'gateway', 'ca.crt') };
    for (const url of [deployed.url, deployed.url.replace('tls:', 'nats:')]) {
      await expect(connectAs(gateway(), { url, ...tlsCa })).rejects.toThrow(
        /certificate of the NATS server at .*localhost.* is not trusted: .*BATUTA_NATS_TLS_CA/,
      );
    }
  });

  it('is obligatory for a client with an authority: it refuses a server without TLS', async () => {
    const plain = await startTestNats();
    try {
      const url = new URL(plain.url);
      for (const access of [{ url: plain.url, tlsCa: deployed.tlsCa }, { url: `tls://localhost:${url.port}` }]) {
        await expect(connectAs(undefined, access)).rejects.toThrow(
          /has no TLS, and "tls:\/\/" in NATS_URL or BATUTA_NATS_TLS_CA/,
        );
      }
    } finally {
      await plain.close();
    }
  });

  it('names the file of certificates that cannot be used', async () => {
    const url = deployed.url;
    await expect(connectAs(gateway(), { url, tlsCa: '/none/ca.crt' })).rejects.toThrow(
      /BATUTA_NATS_TLS_CA.*\/none\/ca\.crt/,
    );
    await expect(connectAs(gateway(), { url, tlsCa: gateway() })).rejects.toThrow(/holds no certificate in PEM/);
  });

  it('does not make users of another installation valid', async () => {
    for (const service of NATS_SERVICES) {
      await expect(connectAs(join(other, service, 'nats.creds'), deployed)).rejects.toThrow(/authorization/i);
    }
    await expect(connectAs(undefined, deployed)).rejects.toThrow(/authorization/i);
  });
});

describe('a worker with the credentials of its pool', () => {
  let platform: LocalPlatform;
  let worker: NatsConnection;
  let file: string;
  let enter: () => Promise<NatsConnection>;
  let revoke: () => Promise<void>;

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    const acme = await platform.user('acme', 'admin');
    expectStatus(await acme.call('PUT', '/api/v1/agents/word_count', { pool: 'text' }), 201);
    const made = expectStatus(await acme.post<{ id: string; file: string }>(CREDENTIALS, { name: 'stolen' }), 201);
    revoke = async () => void expectStatus(await acme.call('DELETE', `${CREDENTIALS}/${made.id}`), 200);
    file = join(directory, 'stolen.creds');
    writeFileSync(file, made.file);
    const run = JSON.parse(readFileSync(join(platform.dir, 'run.json'), 'utf8')) as { nats_url: string };
    enter = () =>
      connectNats({
        url: run.nats_url,
        credentials: file,
        name: 'worker',
        logger: createLogger({ service: 'test', level: 'silent' }),
      });
    worker = await enter();
  }, 300_000);

  afterAll(async () => {
    await worker?.close();
    await platform?.stop();
  }, 300_000);

  it.each([
    'batuta.config.key.create',
    'batuta.config.key.authenticate',
    'batuta.execution.query.log',
    'batuta.execution.query.events',
    'batuta.execution.query.export',
    'batuta.execution.0.command',
    'batuta.notifications.secret.rotate',
    '$JS.API.CONSUMER.MSG.NEXT.STEPS.default-normal',
    '$JS.API.STREAM.INFO.STEPS',
    '$JS.API.STREAM.MSG.GET.STEPS',
  ])('is refused %s', async (subject) => {
    await expect(worker.request(subject, '{}', { timeout: 10_000 })).rejects.toThrow(/permissions violation/i);
  });

  it('cannot end a step of another pool, nor learn whether it exists', async () => {
    const admin = platform.admin();
    const config = {
      name: 'waits',
      strategy: 'sequential',
      steps: [{ id: 'wait', name: 'Wait', agent: 'delay', input: { ms: 3_000, true: 'output' } }],
    };
    expectStatus(await admin.post('/api/v1/orchestrations/configs', config), 201);
    const started = expectStatus(
      await admin.post<{ execution_id: string }>('/api/v1/orchestrations/execute/waits', { input: {} }),
      202,
    );
    const { execution_id: executionId } = started;
    const id = { executionId, stepId: 'wait', attempt: 1 };
    const result = { ...id, ok: true, output: { forged: true }, startedAt: Date.now(), finishedAt: Date.now() };
    // The platform on one machine has 16 partitions.
    const partition = partitionOf(executionId, 16);
    for (const token of [undefined, 'x'.repeat(43)]) {
      const ask = async (subject: string, body: object): Promise<unknown> =>
        (await worker.request(subject, JSON.stringify(body), { timeout: 10_000 })).json();
      const forged = token === undefined ? {} : { token };
      expect(await ask(subjects.result(partition), { results: [{ ...result, ...forged }] })).toMatchObject({
        replies: [{ outcome: 'unknown_execution' }],
      });
      expect(await ask(subjects.check(partition), { ...id, ...forged })).toEqual({
        wanted: false,
        reason: 'unknown_execution',
      });
    }
    const path = `/api/v1/orchestrations/executions/${executionId}`;
    const ended = await eventually(
      async () => {
        const view = await admin.get<{ status: string; output?: unknown }>(path);
        const body = expectStatus(view, 200);
        return body.status === 'running' || body.status === 'pending' ? false : body;
      },
      { timeoutMs: 60_000 },
    );
    expect(ended.status).toBe('completed');
    expect(JSON.stringify(ended.output)).not.toContain('forged');
    expect(JSON.stringify(ended.output)).toContain('"output"');
  }, 300_000);

  it('is disconnected when its credentials are revoked', async () => {
    await revoke();
    // A busy server may give up on a client before it has checked the credentials, which says nothing about them.
    const refusal = await eventually(
      async () => {
        const outcome = await enter().then(
          async (entered) => {
            await entered.close();
            return 'let in';
          },
          (error: unknown) => String(error),
        );
        return /authentication timeout/i.test(outcome) ? false : outcome;
      },
      { timeoutMs: 150_000, describe: 'the server answers' },
    );
    expect(refusal).toMatch(/authorization|revoked/i);
  });
});
