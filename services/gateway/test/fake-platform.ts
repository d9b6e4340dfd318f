import {
  ALL_OPERATIONS,
  headers as headerNames,
  isTerminalEventType,
  preconditionRefusal,
  subjects,
  operations,
} from '@batuta/contracts';
import type {
  ApprovalSummary,
  CommandReply,
  CommandRequest,
  Event,
  EventsPublished,
  ExecutionView,
  JsonValue,
  Preconditions,
  OrchestrationDefinition,
  Principal,
  Refusal,
} from '@batuta/contracts';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/nats-core';
import { createHash } from 'node:crypto';

export const KEYS = {
  viewer: 'batuta_test_viewer_key',
  operator: 'batuta_test_operator_key',
  /** Another user of the same tenant. */
  colleague: 'batuta_test_colleague_key',
  admin: 'batuta_test_admin_key',
  stranger: 'batuta_test_other_tenant_key',
} as const;

const PARTITIONS = 4;
const hash = (key: string): string => createHash('sha256').update(key).digest('hex');

interface FakeExecution {
  readonly tenantId: string;
  readonly traceId: string;
  readonly configId: string;
  readonly requestHash: string | undefined;
  readonly startedBy: string;
  readonly events: Event[];
}

/** How the fake delivers each published message, to imitate a network. */
export type Delivery = (message: EventsPublished, publish: (message: EventsPublished) => void) => void;

interface Packet {
  readonly pattern: string;
  readonly data: Record<string, unknown>;
  readonly id: string;
}

type Handler = (data: never) => unknown;

const notFound: Refusal = { code: 'not_found', message: 'There is no such thing.' };

/**
 * The config and execution services as the gateway sees them, on a real NATS: an in-memory engine that starts
 * executions, appends events, answers queries, and publishes as `deliver` says.
 */
export class FakePlatform {
  readonly executions = new Map<string, FakeExecution>();
  readonly configs = new Map<string, { id: string; version: number; definition: OrchestrationDefinition }>();
  readonly asked: { pattern: string; data: Record<string, unknown> }[] = [];
  readonly revoked = new Set<string>();
  readonly handlers = new Map<string, Handler>();
  /** Runs each started execution to its end at once. Otherwise the test appends events. */
  finishAtOnce = true;
  /** The answer of the list of waiting approvals. */
  approvals: ApprovalSummary[] = [];
  /** Where to report an execution's end. When cleared, it acts like an owner that has just taken over. */
  readonly ends = new Map<string, string>();
  deliver: Delivery = (message, publish) => publish(message);
  /** Awaited before a command is answered. The command has taken effect by then. */
  holdCommands: Promise<void> | undefined;
  /** Called after a command was answered. */
  afterCommand: () => void = () => undefined;
  /** Awaited before an answer is sent. The answer is read before that. */
  hold: Promise<void> | undefined;
  #position = 0;

  private constructor(readonly nats: NatsConnection) {
    this.#serve();
  }

  static async start(url: string): Promise<FakePlatform> {
    const nats = await connect({
      servers: url.replace(/^nats:\/\/(?:[^@]*@)?/, ''),
      ...credentials(url),
      name: 'fake',
    });
    const fake = new FakePlatform(nats);
    await nats.flush();
    return fake;
  }

  count(pattern: string): number {
    return this.asked.filter((question) => question.pattern === pattern).length;
  }

  putConfig(id: string, definition: Partial<OrchestrationDefinition> = {}): void {
    const version = (this.configs.get(id)?.version ?? 0) + 1;
    const full = { name: id, strategy: 'sequential', steps: [], ...definition } as OrchestrationDefinition;
    this.configs.set(id, { id, version, definition: full });
  }

  /** Appends one event and publishes it. */
  append(executionId: string, type: Event['type'], data: unknown): Event {
    return this.appendAll(executionId, [[type, data]])[0] as Event;
  }

  /** Appends events in one commit and publishes them in one message. */
  appendAll(executionId: string, events: readonly (readonly [Event['type'], unknown])[], publish = true): Event[] {
    const execution = this.executions.get(executionId);
    if (execution === undefined) throw new Error('no such execution');
    const appended = events
      .map(
        ([type, data]) =>
          ({
            executionId,
            version: execution.events.length + 1,
            type,
            at: 1_700_000_000_000 + execution.events.length,
            commandId: 'c',
            position: (this.#position += 1),
            partition: 0,
            data,
          }) as unknown as Event,
      )
      .map((event, index) => ({ ...event, version: execution.events.length + 1 + index }));
    execution.events.push(...(appended as Event[]));
    if (publish) this.publish({ executionId, tenantId: execution.tenantId, events: appended as Event[] });
    return appended as Event[];
  }

  /** A running execution that was not started through the gateway. */
  seed(executionId: string, tenantId = 'default', events = 1): void {
    this.executions.set(executionId, {
      tenantId,
      traceId: executionId.replaceAll('-', ''),
      configId: 'seeded',
      requestHash: undefined,
      startedBy: 'seed',
      events: [],
    });
    this.appendAll(executionId, [['ExecutionStarted', { tenantId, traceId: 't', configId: 'seeded' }]], false);
    for (let step = 2; step <= events; step += 1) {
      this.appendAll(executionId, [['StepScheduled', { stepId: `s${step}`, attempt: 1 }]], false);
    }
  }

  publish(message: EventsPublished): void {
    this.deliver(message, (out) =>
      this.nats.publish(subjects.event(out.tenantId, out.executionId), JSON.stringify(out)),
    );
    const end = this.ends.get(message.executionId);
    const last = message.events.at(-1);
    if (end === undefined || last === undefined || !isTerminalEventType(last.type)) return;
    this.ends.delete(message.executionId);
    this.nats.publish(end, JSON.stringify({ ...message, events: [last] }));
  }

  changed(kind: 'config' | 'agent' | 'key'): void {
    this.nats.publish(subjects.configChanged, JSON.stringify({ kind, tenantId: 'default', id: 'x' }));
  }

  async stop(): Promise<void> {
    await this.nats.close();
  }

  #principal(keyHash: string): Principal | undefined {
    for (const [role, key] of Object.entries(KEYS)) {
      if (hash(key) !== keyHash || this.revoked.has(key)) continue;
      if (role === 'colleague') {
        return { tenantId: 'default', userId: 'grace', role: 'operator', keyId: 'k-colleague' };
      }
      return role === 'stranger'
        ? { tenantId: 'other', userId: 'eve', role: 'admin', keyId: 'k-stranger' }
        : { tenantId: 'default', userId: 'ada', role: role as 'viewer', keyId: `k-${role}` };
    }
    return undefined;
  }

  #serve(): void {
    this.#answer(operations.tenants.terms.subject, () => ({ defaults: {}, tenants: {} }));
    this.#answer(operations.apiKeys.authenticate.subject, ({ keyHash }: { keyHash: string }) => {
      const principal = this.#principal(keyHash);
      return principal === undefined ? {} : { principal, expiresAt: 0 };
    });
    this.#answer(operations.configs.resolve.subject, ({ id, version }: { id: string; version?: number }) => {
      const config = this.configs.get(id);
      if (config === undefined || (version ?? 0) > config.version) return { refused: notFound };
      const hasInputSchema = config.definition.input_schema !== undefined;
      return { configId: config.id, version: version ?? config.version, hasInputSchema };
    });
    this.#answer(
      operations.configs.definition.subject,
      ({ configId, version }: { configId: string; version: number }) => {
        const config = this.configs.get(configId);
        return config === undefined
          ? { refused: notFound }
          : { configId, version, tenantId: 'default', definition: config.definition };
      },
    );
    this.#answer(operations.configs.get.subject, ({ id, version }: { id: string; version?: number }) => {
      const config = this.configs.get(id);
      if (config === undefined || (version ?? 0) > config.version) return { refused: notFound };
      return { config: this.#shown(config, version), etag: String(version || config.version) };
    });
    this.#answer(operations.configs.create.subject, ({ definition }: { definition: OrchestrationDefinition }) => {
      if (this.configs.has(definition.name)) return { refused: { code: 'name_taken', message: 'The name is taken.' } };
      if (definition.steps === undefined) {
        const violations = [{ path: '/steps', message: 'steps is required', code: 'required' }];
        return { refused: { code: 'validation_failed', message: 'The config has 1 mistake.', violations } };
      }
      this.putConfig(definition.name, definition);
      return { config: this.#shown(this.configs.get(definition.name)), etag: '1' };
    });
    this.#answer(
      operations.configs.update.subject,
      (request: { id: string; definition: JsonValue; preconditions?: Preconditions }) => {
        const config = this.configs.get(request.id);
        if (config === undefined) return { refused: notFound };
        const refused = preconditionRefusal(request.preconditions, { etag: String(config.version) });
        if (refused !== undefined) return { refused };
        this.putConfig(request.id, request.definition as unknown as OrchestrationDefinition);
        return { config: this.#shown(this.configs.get(request.id)), etag: String(config.version + 1) };
      },
    );
    this.#answer(operations.configs.list.subject, () => ({
      configs: [...this.configs.values()].map((config) => this.#shown(config)),
      nextCursor: '',
    }));
    this.#answer(operations.engine.topology.subject, () => ({ partitions: PARTITIONS }));
    this.#answer(
      operations.executions.get.subject,
      (by: { tenantId: string; executionId?: string; traceId?: string }) => {
        const found = [...this.executions].find(
          ([id, execution]) =>
            execution.tenantId === by.tenantId &&
            (id === by.executionId || (by.traceId !== undefined && execution.traceId === by.traceId)),
        );
        return found === undefined ? { refused: notFound } : { execution: this.#view(...found) };
      },
    );
    this.#answer(
      operations.executions.events.subject,
      (page: { tenantId: string; executionId: string; fromVersion: number; limit: number }) => {
        const execution = this.executions.get(page.executionId);
        if (execution === undefined || execution.tenantId !== page.tenantId) return { refused: notFound, events: [] };
        const events = execution.events.slice(page.fromVersion - 1, page.fromVersion - 1 + page.limit);
        const next = page.fromVersion + events.length;
        return { events, nextVersion: next <= execution.events.length ? next : 0 };
      },
    );
    this.#answer(operations.engine.versions.subject, ({ executionIds }: { executionIds: string[] }) => ({
      versions: executionIds.map((id) => this.executions.get(id)?.events.length ?? 0),
    }));
    this.#answer(operations.executions.list.subject, () => ({ executions: [], nextCursor: '' }));
    this.#answer(operations.executions.approvals.subject, () => ({ approvals: this.approvals, nextCursor: 'next' }));
    for (const { subject } of ALL_OPERATIONS) {
      if (subject.includes('*') || this.handlers.has(subject)) continue;
      this.#answer(subject, () => ({ refused: notFound }));
    }
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      this.nats.subscribe(subjects.command(partition), {
        callback: (_error, message) => {
          const request = message.json<CommandRequest>();
          this.asked.push({ pattern: 'command', data: request as unknown as Record<string, unknown> });
          const reply = JSON.stringify(this.#command(request, message.headers?.get(headerNames.end) ?? ''));
          const respond = (): void => {
            message.respond(reply);
            this.afterCommand();
          };
          if (this.holdCommands === undefined) respond();
          else void this.holdCommands.then(respond);
        },
      });
    }
  }

  #command(request: CommandRequest, end: string): CommandReply {
    const { executionId, principal, start, cancel } = request;
    const known = this.executions.get(executionId);
    if (start !== undefined) {
      if (known !== undefined) {
        // Like the engine: a known command id is a repeat, whatever else the request contains.
        if (known.startedBy !== request.commandId && known.requestHash !== start.requestHash) {
          return { rejected: { code: 'idempotency_mismatch', message: 'Another body.' } };
        }
        return { accepted: this.#accepted(executionId, known, true) };
      }
      const execution: FakeExecution = {
        tenantId: principal.tenantId,
        traceId: start.traceId,
        configId: start.configId,
        requestHash: start.requestHash,
        startedBy: request.commandId,
        events: [],
      };
      this.executions.set(executionId, execution);
      if (end !== '') this.ends.set(executionId, end);
      this.append(executionId, 'ExecutionStarted', {
        tenantId: principal.tenantId,
        traceId: start.traceId,
        configId: start.configId,
        input: start.input,
        ...(start.budget === undefined ? {} : { budget: start.budget }),
      });
      if (this.finishAtOnce) {
        this.append(executionId, 'ExecutionCompleted', { output: { echoed: start.input ?? null } });
      }
      return { accepted: this.#accepted(executionId, execution, false) };
    }
    if (known === undefined || known.tenantId !== principal.tenantId) return { rejected: notFound };
    if (known.events.some(({ type }) => isTerminalEventType(type))) {
      return { rejected: { code: 'already_completed', message: 'The execution has completed.' } };
    }
    // Only the engine knows whether a step waits, so the fake accepts every decision.
    if (request.decideApproval !== undefined) return { accepted: this.#accepted(executionId, known, false) };
    this.append(executionId, 'ExecutionCancelled', { reason: cancel?.reason ?? '', by: principal.userId });
    return { accepted: this.#accepted(executionId, known, false) };
  }

  #accepted(executionId: string, execution: FakeExecution, repeated: boolean) {
    const { status } = this.#view(executionId, execution);
    return { executionId, traceId: execution.traceId, status, version: execution.events.length, repeated };
  }

  #view(id: string, execution: FakeExecution): ExecutionView {
    const last = execution.events.at(-1);
    const status =
      last?.type === 'ExecutionCompleted'
        ? 'completed'
        : last?.type === 'ExecutionFailed'
          ? 'failed'
          : last?.type === 'ExecutionCancelled'
            ? 'cancelled'
            : 'running';
    const output = last?.type === 'ExecutionCompleted' ? last.data.output : undefined;
    const [first] = execution.events;
    const limits = first?.type === 'ExecutionStarted' ? first.data.budget : undefined;
    return {
      id,
      traceId: execution.traceId,
      configId: execution.configId,
      configName: execution.configId,
      configVersion: 1,
      strategy: 'sequential',
      status,
      ...(output === undefined ? {} : { output }),
      tenantId: execution.tenantId,
      userId: 'ada',
      createdBy: 'ada',
      createdAt: 1_700_000_000_000,
      startedAt: 1_700_000_000_000,
      estimatedCost: 0.25,
      tokenCount: 7,
      ...(limits === undefined ? {} : { budget: { ...limits, spentTokens: 7, spentCost: 0.25 } }),
      version: execution.events.length,
      steps: [
        {
          stepIndex: 0,
          stepId: 'one',
          stepName: 'One',
          agentId: 'echo',
          status: 'completed',
          output: { big: true },
          dependencies: [],
          attempt: 1,
          retryCount: 0,
          outputKey: 'one',
        },
      ],
    } as unknown as ExecutionView;
  }

  #shown(config: { id: string; version: number; definition: OrchestrationDefinition } | undefined, version?: number) {
    return {
      id: config?.id,
      tenantId: 'default',
      ownerId: 'ada',
      version: version !== undefined && version > 0 ? version : config?.version,
      isActive: true,
      createdAt: 1_700_000_000_000,
      updatedAt: 1_700_000_000_000,
      definition: config?.definition,
    };
  }

  #answer(pattern: string, handler: Handler): void {
    const first = !this.handlers.has(pattern);
    this.handlers.set(pattern, handler);
    if (!first) return;
    this.nats.subscribe(pattern, {
      callback: (_error, message) => {
        const { data, id } = message.json<Packet>();
        this.asked.push({ pattern, data });
        let reply: unknown;
        try {
          reply = { response: (this.handlers.get(pattern) as (data: unknown) => unknown)(data), isDisposed: true, id };
        } catch (error) {
          reply = { err: { status: 'error', message: String(error) }, isDisposed: true, id };
        }
        const respond = (): void => {
          message.respond(JSON.stringify(reply));
        };
        if (this.hold === undefined) respond();
        else void this.hold.then(respond);
      },
    });
  }
}

function credentials(url: string): { user?: string; pass?: string } {
  const { username, password } = new URL(url);
  return username === '' ? {} : { user: decodeURIComponent(username), pass: decodeURIComponent(password) };
}
