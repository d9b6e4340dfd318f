import { randomBytes, randomUUID } from 'node:crypto';
import type {
  AttemptResult,
  CommandReply,
  CommandRequest,
  JsonValue,
  OrchestrationDefinition,
  Task,
} from '@batuta/contracts';
import type { AgentCopy } from '../src/store/port.js';

export const TENANT = 'default';

/** The agent of the config `strict`. */
export const STRICT: AgentCopy = {
  pool: 'default',
  inputSchema: { type: 'object', properties: { question: { type: 'integer' } }, required: ['question'] },
  outputSchema: {
    type: 'object',
    properties: { answer: { type: 'string' } },
    required: ['answer'],
    additionalProperties: false,
  },
};

/** A UUIDv7 for `at` (epoch ms), in the gateway's form. */
export function executionId(at = Date.now()): string {
  const time = at.toString(16).padStart(12, '0');
  const random = randomBytes(10).toString('hex');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-8${random.slice(3, 6)}-${random.slice(6, 18)}`;
}

export const DEFINITIONS: Readonly<Record<string, OrchestrationDefinition>> = {
  three: {
    name: 'three',
    strategy: 'sequential',
    steps: ['a', 'b', 'c'].map((id) => ({ id, name: `Step ${id}`, agent: 'echo' })),
  },
  lonely: {
    name: 'lonely',
    strategy: 'sequential',
    steps: [{ id: 'a', name: 'Step a', agent: 'lonely' }],
  },
  unmonitored: {
    name: 'unmonitored',
    strategy: 'sequential',
    steps: [{ id: 'a', name: 'Step a', agent: 'echo' }],
    settings: { enable_monitoring: false },
  },
  wide: {
    name: 'wide',
    strategy: 'parallel',
    steps: [
      ...Array.from({ length: 20 }, (_, index) => ({ id: `w${index}`, name: `Wide ${index}`, agent: 'echo' })),
      {
        id: 'join',
        name: 'Join',
        agent: 'echo',
        dependencies: Array.from({ length: 20 }, (_, index) => `w${index}`),
      },
    ],
  },
  /** Twelve outputs, which together are the execution's own output. */
  broad: {
    name: 'broad',
    strategy: 'parallel',
    steps: Array.from({ length: 12 }, (_, index) => ({ id: `s${index}`, name: `Broad ${index}`, agent: 'echo' })),
  },
  /** Concurrent steps of 300 ms with the built-in agent. */
  brief: {
    name: 'brief',
    strategy: 'parallel',
    steps: Array.from({ length: 12 }, (_, index) => ({
      id: `b${index}`,
      name: `Brief ${index}`,
      agent: 'delay',
      input: { ms: 300 },
    })),
  },
  /** The same, long enough for other events meanwhile. */
  long: {
    name: 'long',
    strategy: 'parallel',
    steps: Array.from({ length: 6 }, (_, index) => ({
      id: `l${index}`,
      name: `Long ${index}`,
      agent: 'delay',
      input: { ms: 2_500 },
    })),
  },
  /** Two of a customer at once. */
  limited: {
    name: 'limited',
    strategy: 'sequential',
    steps: [{ id: 'a', name: 'Step a', agent: 'echo' }],
    settings: { concurrency: { key: '{% input.customer %}', limit: 2 } },
  },
  /** One at once. The newest counts. */
  newest: {
    name: 'newest',
    strategy: 'sequential',
    steps: [{ id: 'a', name: 'Step a', agent: 'echo' }],
    settings: { concurrency: { limit: 1, on_limit: 'cancel_oldest' } },
  },
  exclusive: {
    name: 'exclusive',
    strategy: 'sequential',
    steps: [{ id: 'a', name: 'Step a', agent: 'echo' }],
    settings: { concurrency: { limit: 1, on_limit: 'reject' } },
  },
  retried: {
    name: 'retried',
    strategy: 'sequential',
    steps: [
      { id: 'a', name: 'Retried', agent: 'fail', retry: { max_attempts: 3, backoff_ms: 200, jitter: 'none' } },
      { id: 'b', name: 'After', agent: 'echo' },
    ],
  },
  gated: {
    name: 'gated',
    strategy: 'sequential',
    steps: [
      {
        id: 'gate',
        name: 'Gate',
        input: { amount: '{% input.amount %}' },
        approval: {
          message: '{% "Pay " & input.amount & "?" %}',
          approvers: ['user-1', 'user-2'],
          timeout_ms: 600_000,
        },
      },
      { id: 'pay', name: 'Pay', agent: 'echo', dependencies: ['gate'] },
    ],
  },
  /** So many approvers that a page of the list would not fit into a message. */
  crowded: {
    name: 'crowded',
    strategy: 'sequential',
    steps: [
      {
        id: 'gate',
        name: 'Gate',
        approval: { approvers: Array.from({ length: 1_000 }, (_, index) => String(index).padEnd(255, 'x')) },
      },
    ],
  },
  hasty: {
    name: 'hasty',
    strategy: 'sequential',
    steps: [{ id: 'gate', name: 'Gate', approval: { timeout_ms: 700 } }],
  },
  elsewhere: {
    name: 'elsewhere',
    strategy: 'sequential',
    steps: [{ id: 'a', name: 'Nobody serves it', agent: 'stranger' }],
  },
  strict: {
    name: 'strict',
    strategy: 'sequential',
    steps: [
      { id: 'a', name: 'Strict', agent: 'strict', retry: { max_attempts: 2, backoff_ms: 20, jitter: 'none' } },
      { id: 'b', name: 'After', agent: 'echo' },
    ],
  },
};

export function startRequest(id: string, configId: string, input: JsonValue = { question: 1 }): CommandRequest {
  return {
    commandId: randomUUID(),
    executionId: id,
    principal: { tenantId: TENANT, userId: 'user-1', role: 'operator', keyId: 'key-1' },
    start: { configId, configVersion: 1, input, traceId: randomBytes(16).toString('hex') },
  };
}

export function cancelRequest(id: string, tenantId = TENANT): CommandRequest {
  return {
    commandId: randomUUID(),
    executionId: id,
    principal: { tenantId, userId: 'user-1', role: 'operator', keyId: 'key-1' },
    cancel: { reason: 'not needed' },
  };
}

export function decisionRequest(
  id: string,
  stepId: string,
  approved: boolean,
  more: { userId?: string; comment?: string; data?: JsonValue } = {},
): CommandRequest {
  const { userId = 'user-1', ...rest } = more;
  return {
    commandId: randomUUID(),
    executionId: id,
    principal: { tenantId: TENANT, userId, role: 'operator', keyId: 'key-1' },
    decideApproval: { stepId, approved, ...rest },
  };
}

export function success(
  task: Pick<Task, 'executionId' | 'stepId' | 'attempt' | 'token'>,
  output: JsonValue = { done: true },
): AttemptResult {
  const now = Date.now();
  return {
    executionId: task.executionId,
    stepId: task.stepId,
    attempt: task.attempt,
    ...(task.token === undefined ? {} : { token: task.token }),
    ok: true,
    output,
    startedAt: now,
    finishedAt: now,
    workerId: 'test',
  };
}

export function failure(task: Task): AttemptResult {
  const { output: _output, ...rest } = success(task);
  return { ...rest, ok: false, failure: { code: 'agent_error', message: 'it broke', retryable: true } };
}

export type { CommandReply, Task };
