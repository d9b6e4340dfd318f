import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CALLBACK_EVENTS, isTerminalEventType, subjects, operations } from '@batuta/contracts';
import type {
  CallbackEvent,
  Event,
  EventType,
  LifecycleNotice,
  Principal,
  Role,
  ReadLogRequest,
} from '@batuta/contracts';
import { connectNats, controlClientOver } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import { loadNotificationsSettings, startNotifications } from '@batuta/notifications';
import type { RunningNotifications, StartNotificationsOptions } from '@batuta/notifications';
import { createLogger } from '@batuta/observability';
import { createTestDatabase, startTestNats, urlAs } from '@batuta/testing';
import type { TestDatabase, TestNats } from '@batuta/testing';
import type { NatsConnection, Subscription } from '@nats-io/nats-core';
import { randomUUID } from 'node:crypto';
import pg from 'pg';

export const logger = createLogger({ service: 'notifications-test', level: 'silent', pretty: false });

interface Packet {
  readonly pattern: string;
  readonly data: Record<string, unknown>;
  readonly id: string;
}

export function principal(tenantId = 'default', role: Role = 'admin', userId = 'ada'): Principal {
  return { tenantId, userId, role, keyId: 'key' };
}

/** An execution log in memory, answered over NATS as the execution service does, and configs that exist. */
export class FakeEngine {
  readonly #nats: NatsConnection;
  readonly logs: Event[][];
  /** Config id → its tenant. */
  readonly configs = new Map<string, string>();
  readonly executions = new Map<string, { tenantId: string; partition: number; version: number }>();
  readonly asked: string[] = [];
  /** Of each reading of the log, whether it left out starts without a callback_url. */
  readonly quietReadings: boolean[] = [];
  /** The executions of each request for starts. */
  readonly startsAsked: string[][] = [];
  #startsServed: Subscription | undefined;
  /** How often a notice of an event is published: 0 lost, 2 doubled. */
  notices = 1;
  /** Whether notices come among the others of one that says nothing new. */
  gathered = false;

  constructor(
    nats: NatsConnection,
    readonly partitions = 4,
  ) {
    this.#nats = nats;
    this.logs = Array.from({ length: partitions }, () => []);
    this.#serve(operations.engine.topology.subject, () => ({ partitions }));
    this.#serve(operations.engine.log.subject, (data) => this.#log(data));
    this.serveStarts('answer');
    this.#serve(operations.engine.versions.subject, (data) => {
      const ids = data['executionIds'] as string[];
      return {
        versions: ids.map((id) => this.executions.get(id)?.version ?? 0),
        ended: ids.map((id) => isTerminalEventType(this.#eventsOf(id).at(-1)?.type ?? '')),
      };
    });
    this.#serve(operations.configs.get.subject, (data) => {
      const id = String(data['id']);
      return this.configs.get(id) === (data['principal'] as Principal).tenantId
        ? { config: { id } }
        : { refused: { code: 'not_found', message: 'There is no such config.' } };
    });
  }

  /** Answers how executions began, or with an error, or not at all. */
  serveStarts(how: 'answer' | 'error' | 'silence'): void {
    this.#startsServed?.unsubscribe();
    this.#startsServed = undefined;
    if (how === 'silence') return;
    this.#startsServed = this.#serve(operations.engine.starts.subject, (data) => {
      if (how === 'error') throw new Error('the log cannot be read');
      return this.#starts(data);
    });
  }

  addConfig(tenantId = 'default'): string {
    const id = randomUUID();
    this.configs.set(id, tenantId);
    return id;
  }

  /** Starts an execution. Gives its id. */
  start(configId: string, more: { callbackUrl?: string; partition?: number; userId?: string } = {}): string {
    const id = randomUUID();
    const tenantId = this.configs.get(configId) ?? 'default';
    this.executions.set(id, {
      tenantId,
      partition: more.partition ?? this.executions.size % this.partitions,
      version: 0,
    });
    this.append(id, 'ExecutionStarted', {
      tenantId,
      traceId: 'a'.repeat(32),
      configId,
      configName: 'incident',
      configVersion: 1,
      input: { secret: 'of the user' },
      userId: more.userId ?? 'ada',
      createdBy: 'ada',
      deadlineAt: Date.now() + 1000,
      priority: 'normal',
      ...(more.callbackUrl === undefined ? {} : { callbackUrl: more.callbackUrl }),
    });
    return id;
  }

  tell(executionId: string, name: CallbackEvent, data: object = {}): void {
    const whole: Record<CallbackEvent, object> = {
      started: {},
      completed: { output: { answer: 42 } },
      failed: { failure: { code: 'timeout', message: 'too slow', retryable: true } },
      cancelled: { reason: 'enough' },
      paused: { reason: 'lunch' },
      step_failed: {
        stepId: 'a',
        failure: { code: 'timeout', message: 'too slow', retryable: true },
        handling: 'abort',
      },
      approval_requested: {
        stepId: 'a',
        message: 'May it go out?',
        deadlineAt: Date.now() + 1000,
        approvers: ['grace'],
      },
      budget_exceeded: { resource: 'cost', limit: 0.5, spent: 0.75 },
    };
    this.append(executionId, CALLBACK_EVENTS[name], { ...whole[name], ...data });
  }

  append(executionId: string, type: EventType, data: object): void {
    const execution = this.executions.get(executionId);
    if (execution === undefined) throw new Error('no such execution');
    const { partition, tenantId } = execution;
    const log = this.logs[partition]!;
    execution.version += 1;
    const position = log.length + 1;
    const event = {
      executionId,
      version: execution.version,
      type,
      at: Date.now(),
      commandId: randomUUID(),
      position,
      partition,
      data,
    } as unknown as Event;
    log.push(event);
    const notice: LifecycleNotice = { executionId, tenantId, type, partition, position };
    const first: LifecycleNotice = { executionId, tenantId, type, partition: 0, position: 0, others: [notice] };
    for (let sent = 0; sent < this.notices; sent += 1) {
      this.#nats.publish(subjects.lifecycle(tenantId, type), JSON.stringify(this.gathered ? first : notice));
    }
  }

  #eventsOf(executionId: string): Event[] {
    const partition = this.executions.get(executionId)?.partition ?? 0;
    return this.logs[partition]!.filter((event) => event.executionId === executionId);
  }

  #starts(data: Record<string, unknown>) {
    const ids = data['executionIds'] as string[];
    this.startsAsked.push(ids);
    const starts = ids.flatMap((executionId) => {
      const [first] = this.#eventsOf(executionId);
      if (first?.type !== 'ExecutionStarted') return [];
      const { tenantId, traceId, configId, configName, userId, callbackUrl } = first.data;
      return [{ executionId, tenantId, traceId, configId, configName, userId, callbackUrl }];
    });
    return { starts };
  }

  #log(data: Record<string, unknown>) {
    const { cursors = [], types = [], limit = 1000, onlyCalledBackStarts } = data as unknown as ReadLogRequest;
    this.quietReadings.push(onlyCalledBackStarts === true);
    const pages = cursors.map(({ partition, afterPosition: after }) => {
      const log = this.logs[partition] ?? [];
      const wanted = log
        .filter((event) => event.position > after && (types.length === 0 || types.includes(event.type)))
        .filter(
          (event) =>
            onlyCalledBackStarts !== true || event.type !== 'ExecutionStarted' || Boolean(event.data.callbackUrl),
        );
      const events = wanted.slice(0, limit);
      const position = events.length < wanted.length ? events.at(-1)!.position : Math.max(after, log.length);
      return { events, position };
    });
    return { events: [], position: 0, pages };
  }

  #serve(pattern: string, answer: (data: Record<string, unknown>) => unknown): Subscription {
    return this.#nats.subscribe(pattern, {
      callback: (_, message) => {
        const { id, data } = message.json<Packet>();
        this.asked.push(pattern);
        message.respond(JSON.stringify({ ...answered(answer, data), isDisposed: true, id }));
      },
    });
  }
}

function answered(
  answer: (data: Record<string, unknown>) => unknown,
  data: Record<string, unknown>,
): { response: unknown } | { err: string } {
  try {
    return { response: answer(data) };
  } catch (error) {
    return { err: String(error) };
  }
}

export interface Received {
  readonly path: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** An HTTP server on loopback that keeps what it gets. */
export class Receiver {
  readonly #server: Server;
  readonly received: Received[] = [];
  /** Gives the status, or nothing to leave the request without an answer. */
  answer: (
    received: Received,
    count: number,
  ) => { status: number; body?: string; headers?: Record<string, string> } | undefined = () => ({ status: 200 });

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<Receiver> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const one: Received = {
          path: request.url ?? '',
          method: request.method ?? '',
          headers: request.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        };
        receiver.received.push(one);
        const answer = receiver.answer(one, receiver.received.length);
        if (answer !== undefined) response.writeHead(answer.status, answer.headers ?? {}).end(answer.body ?? '');
      });
    });
    const receiver = new Receiver(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  at(path: string): Received[] {
    return this.received.filter((one) => one.path === path);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

export interface UnderTest {
  readonly database: TestDatabase;
  readonly natsServer: TestNats;
  readonly nats: NatsConnection;
  readonly engine: FakeEngine;
  readonly client: ControlClient;
  readonly pool: pg.Pool;
  readonly services: RunningNotifications[];
  readonly env: Readonly<Record<string, string>>;
  start(env?: Record<string, string>, more?: Partial<StartNotificationsOptions>): Promise<RunningNotifications>;
  rows<T extends object = Record<string, unknown>>(sql: string, values?: unknown[]): Promise<T[]>;
  close(): Promise<void>;
}

/** A database, a nats-server and a fake engine; services are started by the test. */
export async function startUnderTest(): Promise<UnderTest> {
  const database = await createTestDatabase();
  const natsServer = await startTestNats();
  const nats = await connectNats({ url: natsServer.url, name: 'test', logger });
  const engine = new FakeEngine(nats);
  await nats.flush();
  const pool = new pg.Pool({ connectionString: database.url, max: 2 });
  const services: RunningNotifications[] = [];
  const env = {
    DATABASE_URL: urlAs('notifications', database.url),
    DATABASE_OWNER_URL: database.url,
    NATS_URL: natsServer.url,
    BATUTA_NOTIFICATIONS_POLL: '200ms',
    BATUTA_NOTIFICATIONS_DUE: '20ms',
    BATUTA_NOTIFICATIONS_RETRY_BASE: '5ms',
    BATUTA_NOTIFICATIONS_RETRY_MAX: '50ms',
    // What a busy machine answers late must not be sent again.
    BATUTA_NOTIFICATIONS_ATTEMPT_TIMEOUT: '30s',
    BATUTA_NOTIFICATIONS_LEASE: '60s',
    BATUTA_NOTIFICATIONS_BREAKER_OPEN: '100ms',
    BATUTA_NOTIFICATIONS_ALLOWED_ADDRESSES: '127.0.0.1',
  };
  return {
    database,
    natsServer,
    nats,
    engine,
    client: controlClientOver(nats),
    pool,
    services,
    env,
    async start(own = {}, more = {}) {
      const settings = loadNotificationsSettings({ ...env, ...own });
      const service = await startNotifications({ settings, logger, opsServer: false, ...more });
      services.push(service);
      return service;
    },
    async rows<T extends object>(sql: string, values: unknown[] = []) {
      return (await pool.query<T>(sql, values)).rows;
    },
    async close() {
      await Promise.all(services.map((service) => service.close()));
      await pool.end();
      await nats.close();
      await natsServer.close();
      await database.drop();
    },
  };
}
