import { operations } from '@batuta/contracts';
import type { JsonObject, JsonValue } from '@batuta/contracts';
import type { Logger } from '@batuta/observability';
import type { AuditedRequests, AuditedSocket } from '../audit/audited-requests.js';
import { requireRole } from '../auth/role.guard.js';
import type { ExecutionStarter } from './execution-starter.js';
import type { Executions } from './executions.js';
import { check } from '../dto/checked.js';
import { ExecuteMessage } from '../dto/execute.dto.js';
import { traceparentOf } from '../http/headers.js';
import { parseJsonText } from '../http/json-text.js';
import { Problem } from '../http/problem.js';
import { startOptionsOf } from './start-options.js';
import type { RequestTracing } from '../http/request-tracing.js';
import { resultOfView } from './result.js';
import type { ClientSocket } from '../realtime/client-socket.js';
import { CLOSE, closeCodeOf } from '../realtime/close-codes.js';
import { EventFollower } from './event-follower.js';
import type { AwaitedEnd, ExecutionHub } from './execution-hub.js';
import { queryObject } from './monitor-route.js';
import { parseQuery } from '../http/query.js';
import type { SocketRoute } from '../realtime/socket-server.js';

interface ExecuteRouteOptions {
  readonly hub: ExecutionHub;
  readonly starter: ExecutionStarter;
  readonly executions: Executions;
  readonly audited: AuditedRequests;
  readonly logger: Logger;
  readonly maxMessageBytes: number;
  /** Undefined when tracing is off. */
  readonly requestTracing?: RequestTracing | undefined;
  /** Time limit for the first message, in milliseconds. Default 10,000. */
  readonly firstMessageMs?: number;
}

/**
 * `/api/v1/orchestrations/ws/execute/{config_id}`: the first message is the body of a start. Then come the execution's
 * events as on the monitor, then `{"type":"result", …}`. With `enable_monitoring: false` only the result comes. A
 * mistake arrives as `{"type":"error","problem":…}` before the close. The execution continues when the client leaves.
 */
export function executeRoute(options: ExecuteRouteOptions): SocketRoute {
  return {
    action: START,
    pattern: /^\/api\/v1\/orchestrations\/ws\/execute\/([^/]+)$/,
    maxMessageBytes: options.maxMessageBytes,
    prepare({ identity, parameters, query, headers, request, requestId }) {
      parseQuery({}, queryObject(query));
      requireRole(identity.principal, operations.executions.start.role);
      const config = parameters[0] ?? '';
      const traceparent = traceparentOf(headers['traceparent']);
      return Promise.resolve((socket) => {
        const tooLate = setTimeout(
          () => socket.close(CLOSE.firstMessageLate, 'no first message came in time'),
          options.firstMessageMs ?? 10_000,
        );
        socket.signal.addEventListener('abort', () => clearTimeout(tooLate), { once: true });
        socket.ws.once('message', (data: Buffer) => {
          clearTimeout(tooLate);
          const { principal } = identity;
          const asked = { principal, action: START, url: request.url ?? '', request, requestId };
          run(options, socket, config, data, traceparent, asked).catch((error: unknown) =>
            fail(options, socket, error),
          );
        });
      });
    },
  };
}

const START = 'executions.start';
const ROUTE = '/api/v1/orchestrations/ws/execute/:config_id';

async function run(
  options: ExecuteRouteOptions,
  socket: ClientSocket,
  config: string,
  data: Buffer,
  traceparent: string | undefined,
  asked: Omit<AuditedSocket, 'status'>,
): Promise<void> {
  const { hub, starter, audited } = options;
  const { principal } = socket.identity;
  const { tenantId } = principal;
  const message = check(ExecuteMessage, parseJsonText(data));
  audited.requireRoom();
  const request = {
    principal,
    config,
    input: message.input,
    idempotencyKey: message.idempotency_key ?? undefined,
    traceparent,
    ...startOptionsOf(message),
  };
  const executionId = starter.executionId(request);
  // Listens from before the start, so that no event is missed and there is only one subscription.
  const hold = hub.awaitEnd(tenantId, executionId);
  try {
    const start = () => starter.start(executionId, request);
    const { enableMonitoring = true, repeated = false } = await recorded(
      options,
      asked,
      executionId,
      () => options.requestTracing?.socket(ROUTE, traceparent, start) ?? start(),
    );
    const started = { executionId, tenantId, repeated };
    if (socket.closed) return;
    if (!enableMonitoring) {
      // The config has no live feed: its client gets the result and no events.
      if (await endedBeforeClose(hold, socket)) await sendResult(options, socket, started);
      return;
    }
    const follower = new EventFollower(socket, 1, () => {
      sendResult(options, socket, started).catch((error: unknown) => fail(options, socket, error));
    });
    socket.signal.addEventListener('abort', () => hub.unfollow(tenantId, executionId, follower), { once: true });
    await hub.follow(tenantId, executionId, follower);
  } finally {
    hold.release();
  }
}

/** Does what the client asked for, and records the outcome. */
async function recorded<T>(
  { audited }: ExecuteRouteOptions,
  asked: Omit<AuditedSocket, 'status'>,
  executionId: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    const result = await work();
    audited.socket({ ...asked, url: `/api/v1/orchestrations/executions/${executionId}`, status: 202 });
    return result;
  } catch (error) {
    const problem = error instanceof Problem ? error : undefined;
    audited.socket({ ...asked, status: problem?.getStatus() ?? 500, code: problem?.code });
    throw error;
  }
}

/** Whether the execution ended while its client was connected. */
function endedBeforeClose(end: AwaitedEnd, socket: ClientSocket): Promise<boolean> {
  return new Promise((resolve) => {
    void end.ended.then(() => resolve(true));
    socket.signal.addEventListener('abort', () => resolve(false), { once: true });
  });
}

async function sendResult(
  options: ExecuteRouteOptions,
  socket: ClientSocket,
  started: { executionId: string; tenantId: string; repeated: boolean },
): Promise<void> {
  const { executionId, tenantId, repeated } = started;
  const result = resultOfView(await options.executions.view(tenantId, { executionId }, { payloads: 'own' }));
  // The earlier events may be large. A client that has received them is not too slow for one more message.
  await socket.drained();
  sendJson(socket, { type: 'result', ...result, ...(repeated ? { repeated } : {}) });
  socket.close(CLOSE.finished, 'the execution has ended');
}

function fail(options: ExecuteRouteOptions, socket: ClientSocket, error: unknown): void {
  const problem = error instanceof Problem ? error : new Problem('internal', 'Something went wrong on our side.');
  if (problem !== error) options.logger.error({ err: error }, 'execute socket failed');
  sendJson(socket, { type: 'error', problem: problem.body() as unknown as JsonValue });
  socket.close(closeCodeOf(problem.getStatus()), `${problem.code}: ${problem.detail}`);
}

function sendJson(socket: ClientSocket, value: JsonObject): void {
  socket.send([Buffer.from(JSON.stringify(value))]);
}
