import { placeOf } from '@batuta/contracts';
import type { OutputPlace, Parameter } from '@batuta/contracts';
import type { Backend } from '../backend/backend.js';
import type { ExecutionHub } from '../executions/execution-hub.js';
import type { Executions } from '../executions/executions.js';
import { queryObject } from '../executions/monitor-route.js';
import { isUuid } from '../http/ids.js';
import { Problem } from '../http/problem.js';
import { parseQuery } from '../http/query.js';
import { CLOSE, closeCodeOf } from '../realtime/close-codes.js';
import type { SocketRoute } from '../realtime/socket-server.js';
import type { OutputHub } from './output-hub.js';
import { StreamFollow } from './stream-follow.js';

/** The id of a step, or of a place for calls of a tool: `step:tool:1`. */
export const STEP = /^[A-Za-z0-9_:-]{1,200}$/;

interface StepPlace {
  readonly stepId: string;
  readonly place: OutputPlace;
}

/** Each step is read separately, again and again, while the client follows. */
const MOST_STEPS = 20;
/** A client that follows all steps sends its place in each of them. */
const MOST_PLACES = 1_000;

const stepParameter: Parameter<string> & { readonly repeatable: true } = {
  description: `What this step says; may be given up to ${MOST_STEPS} times. All steps when left out.`,
  most: MOST_STEPS,
  schema: { type: 'string', pattern: STEP.source },
  repeatable: true,
  expected: 'the id of a step',
  read: (text) => (STEP.test(text) ? text : undefined),
};

const afterParameter: Parameter<StepPlace> & { readonly repeatable: true } = {
  description: 'How far a step was read, as `<step>:<place>`; may be given for each step.',
  most: MOST_PLACES,
  schema: { type: 'string' },
  repeatable: true,
  expected: 'a step and a place, such as draft:1.20',
  read(text) {
    const colon = text.lastIndexOf(':');
    const stepId = text.slice(0, Math.max(0, colon));
    const place = placeOf(text.slice(colon + 1));
    return STEP.test(stepId) && place !== undefined ? { stepId, place } : undefined;
  },
};

/** Of the query. */
export const QUERY = { step: stepParameter, after: afterParameter } as const;
/** The client only listens. */
const MAX_MESSAGE_BYTES = 1024;

interface StreamRouteOptions {
  readonly backend: Pick<Backend, 'ask'>;
  readonly hub: ExecutionHub;
  readonly outputs: OutputHub;
  readonly executions: Executions;
}

/** `/ws/executions/{id}/output?step=&after=`: the output of steps while they run, from the client's place, until the steps are over. */
export function streamRoute({ backend, hub, outputs, executions }: StreamRouteOptions): SocketRoute {
  return {
    action: 'executions.stream',
    pattern: /^\/ws\/executions\/([^/]+)\/output$/,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    async prepare({ identity, parameters, query }) {
      const executionId = (parameters[0] ?? '').toLowerCase();
      const { tenantId } = identity.principal;
      const { step, after } = parseQuery(QUERY, queryObject(query));
      if (!isUuid(executionId)) throw new Problem('not_found', 'There is no such execution.');
      await requireMonitored(executions, tenantId, executionId);
      return (socket) => {
        const follow = new StreamFollow({
          backend,
          hub,
          outputs,
          tenantId,
          executionId,
          steps: step.length === 0 ? undefined : step,
          places: new Map(after.map(({ stepId, place }) => [stepId, place])),
          sink: {
            get closed() {
              return socket.closed;
            },
            send: (items) => socket.send(items.map(({ shown }) => Buffer.from(JSON.stringify(shown)))),
            drained: () => socket.drained(),
            finished: () => socket.close(CLOSE.finished, 'nothing more comes'),
            failed,
          },
        });
        function failed(error: unknown): void {
          if (error instanceof Problem) socket.close(closeCodeOf(error.getStatus()), `${error.code}: ${error.detail}`);
          else socket.close(CLOSE.internal, 'something went wrong on our side');
        }
        socket.signal.addEventListener('abort', () => follow.stop(), { once: true });
        follow.start().catch(failed);
      };
    },
  };
}

/** @throws Problem not_found, execution_deleted, not_monitored. */
export async function requireMonitored(executions: Executions, tenantId: string, executionId: string): Promise<void> {
  const { enableMonitoring = true } = await executions.view(tenantId, { executionId }, { payloads: 'listed' });
  if (enableMonitoring) return;
  throw new Problem(
    'not_monitored',
    'The config says enable_monitoring: false, so nothing is live; read what its steps have said as JSON.',
  );
}
