import { LIMITS, operations } from '@batuta/contracts';
import type {
  Accepted,
  Budget,
  Dependency,
  GetExecutionReply,
  GetExecutionRequest,
  JsonObject,
  JsonValue,
  Principal,
  Priority,
  ResolveConfigReply,
  StartExecution,
} from '@batuta/contracts';
import { sessionIn } from './start-options.js';
import { canonicalJson, executionIdOfKey, newTraceId, sha256, uuidV7 } from '../http/ids.js';
import { Problem, accepted, problemOfRefusal } from '../http/problem.js';
import type { Admitted } from '../http/rate-limit.js';
import type { Backend } from '../backend/backend.js';
import type { ConfigSchemas } from './config-schemas.js';
import type { TenantLimitGate } from '../backend/tenant-limits.js';
import { StrictLookup } from '../caches/lookup.js';

export interface StartRequest {
  readonly principal: Principal;
  /** Id or name. */
  readonly config: string;
  readonly input?: JsonValue | undefined;
  readonly sessionId?: string | undefined;
  readonly metadata?: JsonObject | undefined;
  readonly callbackUrl?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  /** The caller's W3C traceparent. */
  readonly traceparent?: string | undefined;
  /** Epoch milliseconds. Nothing runs before this time. */
  readonly startAt?: number | undefined;
  readonly priority?: Priority | undefined;
  /** What it may spend. The config's own limits also apply. */
  readonly budget?: Budget | undefined;
  readonly fork?: Fork | undefined;
  /** Executions that have to end first. */
  readonly after?: readonly Dependency[] | undefined;
  /** Executions that wait for this one already. */
  readonly waiters?: readonly string[] | undefined;
}

/** A source execution, to continue from one of its steps with the source's config version. */
interface Fork {
  readonly executionId: string;
  readonly fromStepId: string;
  readonly configId: string;
  readonly configVersion: number;
  /** Whether the input differs from the source's. */
  readonly edited: boolean;
}

/** The engine's answer to a start, and what remains of the tenant's limits. */
export type AcceptedStart = Accepted & { readonly admitted?: Admitted | undefined };

interface Target {
  readonly configId: string;
  readonly version: number;
}

const SEPARATOR = '\n';
/** How many configs have a leased newest version in the cache. */
const KNOWN_VERSIONS = 1_000;

/** Turns a request to start into a command: newest config version, input check, ids, idempotency. */
export class ExecutionStarter {
  readonly #backend: Backend;
  readonly #schemas: ConfigSchemas;
  readonly #limits: TenantLimitGate;
  readonly #versions: StrictLookup<ResolveConfigReply>;

  constructor(backend: Backend, schemas: ConfigSchemas, limits: TenantLimitGate) {
    this.#backend = backend;
    this.#schemas = schemas;
    this.#limits = limits;
    this.#versions = new StrictLookup(async (key) => {
      const [tenantId, id] = key.split(SEPARATOR);
      const sentAt = performance.now();
      const value = await backend.ask<ResolveConfigReply>(operations.configs.resolve.subject, { tenantId, id });
      return { value, until: value.leaseMs === undefined ? undefined : sentAt + value.leaseMs };
    }, KNOWN_VERSIONS);
  }

  /** The id that the execution of this request has or will have. */
  executionId(request: Pick<StartRequest, 'principal' | 'idempotencyKey'>): string {
    const { principal, idempotencyKey } = request;
    return idempotencyKey === undefined ? uuidV7() : executionIdOfKey(principal.tenantId, idempotencyKey);
  }

  /**
   * Starts the execution and returns the engine's answer, which comes after the commit. `repeated` is true when the
   * same idempotency key started it before. @throws Problem not_found, execution_deleted, input_invalid,
   * idempotency_mismatch, payload_too_large, limit_reached, unavailable.
   */
  async start(executionId: string, request: StartRequest, endSubject?: string): Promise<AcceptedStart> {
    const { principal, idempotencyKey } = request;
    const target = await this.#target(executionId, request);
    const hash = idempotencyKey === undefined ? undefined : requestHash(target.configId, request);
    const sessionId = request.sessionId ?? sessionIn(request.input);
    const start: StartExecution = {
      configId: target.configId,
      configVersion: target.version,
      traceId: newTraceId(),
      ...(request.input === undefined ? {} : { input: request.input }),
      ...(sessionId === undefined ? {} : { sessionId }),
      ...(request.callbackUrl === undefined ? {} : { callbackUrl: request.callbackUrl }),
      ...(request.metadata === undefined ? {} : { metadata: request.metadata }),
      ...(request.traceparent === undefined ? {} : { traceparent: request.traceparent }),
      ...(hash === undefined ? {} : { requestHash: hash }),
      ...(request.startAt === undefined ? {} : { startAt: request.startAt }),
      ...(request.priority === undefined ? {} : { priority: request.priority }),
      ...(request.budget === undefined ? {} : { budget: request.budget }),
      ...(request.after === undefined ? {} : { after: [...request.after] }),
      ...(request.waiters === undefined ? {} : { waiters: [...request.waiters] }),
      ...(request.fork === undefined
        ? {}
        : { fork: { executionId: request.fork.executionId, fromStepId: request.fork.fromStepId } }),
    };
    // The id contains the hash, so only a true repeat is answered as one. A different body makes another command, which
    // is refused.
    const commandId = hash === undefined ? uuidV7() : `${executionId}:start:${hash.slice(0, 32)}`;
    const { tenantId } = principal;
    const admitted = this.#limits.limitsStarts(tenantId)
      ? await this.#limits.admit({ tenantId, commandId, executionId, start: true, input: request.input })
      : undefined;
    const reply = await this.#backend.command(
      {
        commandId,
        executionId,
        principal,
        start,
      },
      endSubject,
    );
    if (reply.rejected !== undefined) throw problemOfRefusal(reply.rejected);
    if (reply.accepted === undefined) throw new Error('the engine answered a start with nothing');
    return admitted === undefined ? reply.accepted : { ...reply.accepted, admitted };
  }

  async #target(executionId: string, request: StartRequest): Promise<Target> {
    try {
      const { tenantId } = request.principal;
      if (request.after !== undefined) await this.#checkDependencies(tenantId, request.after);
      if (request.fork !== undefined) return await this.#copied(tenantId, request.fork, request.input);
      const resolved = accepted(await this.#versions.get(`${tenantId}${SEPARATOR}${request.config}`));
      const { configId, version } = resolved;
      if (configId === undefined || version === undefined) throw new Error('a resolved config names no version');
      if (resolved.hasInputSchema === true) await this.#checkInput(tenantId, configId, version, request.input);
      checkSize(request.input);
      return { configId, version };
    } catch (error) {
      // A repeat must get the first answer, even when the config is gone or its schema has changed.
      const earlier =
        request.idempotencyKey !== undefined && error instanceof Problem && error.code !== 'unavailable'
          ? await this.#startedBefore(executionId, request)
          : undefined;
      if (earlier === undefined) throw error;
      return earlier;
    }
  }

  /** @throws Problem validation_failed for each that the tenant does not have. */
  async #checkDependencies(tenantId: string, after: readonly Dependency[]): Promise<void> {
    // A run of a process that was never started is waited for by the id that it will have.
    const found = await Promise.all(
      after.map(({ executionId, process }) =>
        process === undefined ? this.#exists(tenantId, executionId) : Promise.resolve(true),
      ),
    );
    const errors = found.flatMap((exists, index) =>
      exists
        ? []
        : [
            {
              path: `/after/${index}/execution`,
              code: 'unknown_execution' as const,
              message: `there is no execution ${after[index]?.executionId ?? ''}`,
            },
          ],
    );
    if (errors.length === 0) return;
    throw new Problem('validation_failed', 'The execution would wait for what is not there.', { errors });
  }

  async #exists(tenantId: string, executionId: string): Promise<boolean> {
    const asked: GetExecutionRequest = { tenantId, executionId, payloads: 'listed' };
    const { refused } = await this.#backend.ask<GetExecutionReply>(operations.executions.get.subject, asked);
    if (refused === undefined) return true;
    if (refused.code === 'not_found' || refused.code === 'execution_deleted') return false;
    throw problemOfRefusal(refused);
  }

  /** The version of the source execution, if the tenant may still use it. */
  async #copied(tenantId: string, fork: Fork, input: JsonValue | undefined): Promise<Target> {
    const { configId, configVersion: version, edited } = fork;
    const asked = { tenantId, id: configId, version, includeDeleted: true };
    accepted(await this.#backend.ask<ResolveConfigReply>(operations.configs.resolve.subject, asked));
    if (edited) {
      await this.#checkInput(tenantId, configId, version, input);
      checkSize(input);
    }
    return { configId, version };
  }

  async #startedBefore(executionId: string, request: StartRequest): Promise<Target | undefined> {
    const { tenantId } = request.principal;
    const asked: GetExecutionRequest = { tenantId, executionId, payloads: 'listed' };
    const { execution, refused } = await this.#backend.ask<GetExecutionReply>(operations.executions.get.subject, asked);
    if (refused?.code === 'execution_deleted') throw problemOfRefusal(refused);
    return execution !== undefined && [execution.configId, execution.configName].includes(request.config)
      ? { configId: execution.configId, version: execution.configVersion }
      : undefined;
  }

  #checkInput(tenantId: string, configId: string, version: number, input: JsonValue | undefined): Promise<void> {
    return this.#schemas.checkInput({ tenantId, configId, version, value: input ?? null });
  }
}

/** SHA-256 of the request: a different body with the same key has a different hash. */
function requestHash(configId: string, request: StartRequest): string {
  const { input, sessionId, metadata, callbackUrl, startAt, priority, fork, budget, after } = request;
  const always = [configId, input ?? null, sessionId ?? null, metadata ?? null, callbackUrl ?? null];
  // Added only when they are given, so that the hashes of starts before these fields existed stay the same.
  const added =
    startAt === undefined && priority === undefined && fork === undefined
      ? []
      : [startAt ?? null, priority ?? null, fork === undefined ? null : [fork.executionId, fork.fromStepId]];
  const limits = budget === undefined ? [] : [{ budget: { ...budget } }];
  const waits = after === undefined ? [] : [{ after: after.map(({ executionId, on }) => [executionId, on]) }];
  return sha256(canonicalJson([...always, ...added, ...limits, ...waits]));
}

function checkSize(input: JsonValue | undefined): void {
  if (input === undefined || input === null || typeof input === 'number' || typeof input === 'boolean') return;
  const bytes = Buffer.byteLength(JSON.stringify(input));
  if (bytes > LIMITS.payloadBytes) {
    throw new Problem(
      'payload_too_large',
      `The input has ${bytes} bytes as JSON; at most ${LIMITS.payloadBytes} are allowed.`,
      {
        errors: [{ path: '/input', message: `is larger than ${LIMITS.payloadBytes} bytes`, code: 'too_large' }],
      },
    );
  }
}
