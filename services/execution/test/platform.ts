import { createServer, connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { partitionOf, subjects, operations } from '@batuta/contracts';
import type { CommandReply, CommandRequest, Event, ExecutionView, ResultReply, Task } from '@batuta/contracts';
import { migrateEventStore } from '@batuta/event-store';
import { connectNats, controlClientOver, ensurePoolConsumers, requestUntilAnswered } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import { createLogger } from '@batuta/observability';
import { createTestDatabase, startTestNats, templateFor, urlAs } from '@batuta/testing';
import type { TestDatabase, TestNats } from '@batuta/testing';
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import pg from 'pg';
import type { AgentCopy } from '../src/store/port.js';
import { loadExecutionSettings, startExecution } from '../src/index.js';
import type { RunningExecution } from '../src/index.js';
import { DEFINITIONS, TENANT, failure, success } from './fixtures.js';

const NO_RESPONDERS = 503;

export const logger = createLogger({ service: 'test', level: 'silent', pretty: false });

/** The answer of a test's runner to a task. Undefined leaves the task without an answer. */
export type Agent = (task: Task) => 'succeed' | 'fail' | undefined;

/** Real servers, a config service and a runner of the tests, and any number of execution services. */
export class Platform {
  readonly tasks: Task[] = [];
  agent: Agent = (task) => (task.agent === 'fail' ? 'fail' : 'succeed');
  /** The agents in the config service. */
  readonly registry = new Map<string, AgentCopy>();
  readonly #services: RunningExecution[] = [];
  readonly #configService: Subscription[] = [];
  readonly #ends: (() => Promise<unknown>)[] = [];
  #pulling = true;

  private constructor(
    readonly database: TestDatabase,
    readonly nats: TestNats,
    readonly connection: NatsConnection,
    readonly control: ControlClient,
    readonly sql: pg.Pool,
  ) {}

  static async start(options: Parameters<typeof startTestNats>[0] = {}): Promise<Platform> {
    const database = await createTestDatabase({ template: await templateFor('execution', migrateEventStore) });
    const nats = await startTestNats(options);
    const connection = await connectNats({ url: nats.url, name: 'test', logger });
    const sql = new pg.Pool({ connectionString: database.url, max: 2 });
    const platform = new Platform(database, nats, connection, controlClientOver(connection), sql);
    const versions = connection.subscribe(operations.configs.definition.subject, {
      callback: (_error, message) => {
        const { id, data } = message.json<{ id: string; data: { configId: string } }>();
        const definition = DEFINITIONS[data.configId];
        const response =
          definition === undefined ? { refused: { code: 'not_found', message: 'none' } } : { definition };
        message.respond(JSON.stringify({ response, isDisposed: true, id }));
      },
    });
    const agents = connection.subscribe(operations.agents.get.subject, {
      callback: (_error, message) => {
        const { id, data } = message.json<{ id: string; data: { name: string } }>();
        const agent = platform.registry.get(data.name);
        const response = agent === undefined ? { refused: { code: 'not_found' } } : { agent };
        message.respond(JSON.stringify({ response, isDisposed: true, id }));
      },
    });
    platform.#configService.push(versions, agents);
    return platform;
  }

  /** From now on the config service does not answer. */
  async endConfigService(): Promise<void> {
    for (const subscription of this.#configService.splice(0)) subscription.unsubscribe();
    await this.connection.flush();
  }

  /** Starts an execution service with short times. */
  async execution(
    name: string,
    env: Readonly<Record<string, string>> = {},
    opsServer = false,
  ): Promise<RunningExecution> {
    const service = await startExecution({
      settings: loadExecutionSettings({
        DATABASE_URL: urlAs('execution', this.database.url),
        NATS_URL: this.nats.url,
        BATUTA_EXECUTION_NAME: name,
        BATUTA_EXECUTION_PARTITIONS: '8',
        BATUTA_EXECUTION_LEASE: '1s',
        BATUTA_EXECUTION_RENEW: '100ms',
        BATUTA_EXECUTION_GRACE: '0ms',
        BATUTA_EXECUTION_WAKE_SCAN: '50ms',
        BATUTA_EXECUTION_QUEUE_WATCH: '50ms',
        BATUTA_EXECUTION_AUDIT: '50ms',
        BATUTA_EXECUTION_AUDIT_AGE: '200ms',
        BATUTA_EXECUTION_PROJECTION: '50ms',
        BATUTA_EXECUTION_PUBLISH_TIMEOUT: '300ms',
        ...env,
      }),
      logger,
      opsServer,
      onSuperseded: () => undefined,
    });
    this.#services.push(service);
    return service;
  }

  async stop(service: RunningExecution): Promise<void> {
    this.#services.splice(this.#services.indexOf(service), 1);
    await service.close();
  }

  async end(): Promise<void> {
    this.#pulling = false;
    for (const service of this.#services.splice(0)) await service.close();
    for (const end of this.#ends) await end();
    await this.sql.end();
    await this.connection.close();
    await this.nats.close();
    await this.database.drop();
  }

  /** Runs tasks until the end of the test. */
  async run(): Promise<void> {
    await this.#ensureConsumers();
    const inbox = `_INBOX.runner.${Math.random().toString(36).slice(2)}`;
    const pull = (): void => {
      if (!this.#pulling || this.connection.isClosed()) return;
      this.connection.publish(
        `$JS.API.CONSUMER.MSG.NEXT.STEPS.${subjects.stepConsumer('default', 'normal')}`,
        JSON.stringify({ batch: 50, expires: 200_000_000 }),
        { reply: inbox },
      );
    };
    this.connection.subscribe(inbox, {
      callback: (_error, message) => {
        const { code = 0 } = message.headers ?? {};
        // The consumer may have been deleted with its stream a moment ago.
        if (code === NO_RESPONDERS) void this.#ensureConsumers().catch(() => undefined);
        if (code !== 0) return;
        const task = message.json<Task>();
        this.tasks.push(task);
        const outcome = this.agent(task);
        if (outcome === undefined) return;
        this.report(task, outcome).then(
          () => message.respond('+ACK'),
          (error: unknown) => {
            // A repeat may be in transit when the test ends.
            if (this.#pulling) throw error;
          },
        );
      },
    });
    const timer = setInterval(pull, 100);
    this.#ends.push(() => Promise.resolve(clearInterval(timer)));
    pull();
  }

  async #ensureConsumers(): Promise<void> {
    await ensurePoolConsumers(this.connection, 'default', { ackWaitMs: 2_000 });
  }

  async report(task: Task, outcome: 'succeed' | 'fail'): Promise<ResultReply> {
    const result =
      outcome === 'succeed' ? success(task, { step: task.stepId, input: task.input ?? null }) : failure(task);
    const reply = await requestUntilAnswered(
      this.connection,
      subjects.result(task.partition),
      JSON.stringify({ results: [result] }),
      { timeoutMs: 500 },
    );
    return reply.json<ResultReply>();
  }

  async command(request: CommandRequest, partitions = 8): Promise<CommandReply> {
    const subject = subjects.command(partitionOf(request.executionId, partitions));
    const reply = await requestUntilAnswered(this.connection, subject, JSON.stringify(request), { timeoutMs: 500 });
    return reply.json<CommandReply>();
  }

  async get(executionId: string): Promise<ExecutionView | undefined> {
    const reply = await this.control.request<{ execution?: ExecutionView }>(operations.executions.get.subject, {
      tenantId: TENANT,
      executionId,
    });
    return reply.execution;
  }

  async events(executionId: string): Promise<Event[]> {
    const reply = await this.control.request<{ events: Event[] }>(operations.executions.events.subject, {
      tenantId: TENANT,
      executionId,
    });
    return reply.events;
  }

  /** Problems in the whole log: gaps, and attempts without exactly one outcome. */
  async logProblems(): Promise<string[]> {
    const { rows } = await this.sql.query<{ problem: string }>(`
      SELECT 'versions of ' || execution_id AS problem FROM execution.events
      GROUP BY execution_id HAVING max(version) <> count(*) OR min(version) <> 1
      UNION ALL
      SELECT 'positions of partition ' || e.partition FROM execution.events e
      JOIN execution.partitions p ON p.id = e.partition
      GROUP BY e.partition, p.last_position HAVING max(position) <> count(*) OR max(position) <> p.last_position
      UNION ALL
      SELECT 'outcomes of ' || execution_id || ' ' || (data->>'stepId') FROM execution.events
      WHERE type IN ('StepCompleted', 'StepAttemptFailed') AND data->>'attempt' <> '0'
      GROUP BY execution_id, data->>'stepId', data->>'attempt' HAVING count(*) <> 1`);
    return rows.map((row) => row.problem);
  }
}

/** A TCP proxy whose connections a test can cut. */
export class CuttableProxy {
  readonly #close_: () => Promise<void>;
  readonly #sockets = new Set<Socket>();
  /** Called with data from a client. True drops the answer and closes the connection after the server has the data. */
  cutAfter: (bytes: Buffer) => boolean = () => false;
  /** Called with data from a client. True closes the connection before the server has the data. */
  cutBefore: (bytes: Buffer) => boolean = () => false;

  #refuse = false;

  private constructor(
    readonly url: string,
    close_: () => Promise<void>,
  ) {
    this.#close_ = close_;
  }

  static async start(databaseUrl: string): Promise<CuttableProxy> {
    const target = new URL(databaseUrl);
    // eslint-disable-next-line prefer-const -- the server's handler and the proxy know each other
    let proxy: CuttableProxy;
    const server = createServer((client) => {
      if (proxy.#refuse) return void client.destroy();
      const upstream = connect(Number(target.port), target.hostname);
      let cut = false;
      proxy.#sockets.add(client);
      proxy.#sockets.add(upstream);
      const end = (): void => {
        client.destroy();
        upstream.destroy();
        proxy.#sockets.delete(client);
        proxy.#sockets.delete(upstream);
      };
      client.on('error', end).on('close', end);
      upstream.on('error', end).on('close', end);
      client.on('data', (bytes) => {
        if (proxy.cutBefore(bytes)) return end();
        cut ||= proxy.cutAfter(bytes);
        upstream.write(bytes);
      });
      upstream.on('data', (bytes) => {
        if (cut) end();
        else client.write(bytes);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = new URL(databaseUrl);
    url.hostname = '127.0.0.1';
    url.port = String((server.address() as AddressInfo).port);
    proxy = new CuttableProxy(url.href, () => new Promise((resolve) => server.close(() => resolve())));
    return proxy;
  }

  /** True closes every connection, including new ones. */
  set refuse(refuse: boolean) {
    this.#refuse = refuse;
    if (refuse) for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.#close_();
  }
}
