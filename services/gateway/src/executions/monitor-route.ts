import { integerParameter } from '@batuta/contracts';
import { isUuid } from '../http/ids.js';
import { Problem } from '../http/problem.js';
import { parseQuery } from '../http/query.js';
import type { Executions } from './executions.js';
import { CLOSE, closeCodeOf } from '../realtime/close-codes.js';
import { EventFollower } from './event-follower.js';
import type { ExecutionHub } from './execution-hub.js';
import type { SocketRoute } from '../realtime/socket-server.js';

const QUERY = { from_version: integerParameter('First version wanted.', 1, 2_147_483_647) } as const;

/** The client only listens. Its messages are read and dropped, and must be small. */
const MAX_MESSAGE_BYTES = 1024;

/** `/ws/executions/{id}/monitor?from_version=`: an execution's events from a version on, then live, until its end. */
export function monitorRoute(hub: ExecutionHub, executions: Executions): SocketRoute {
  return {
    action: 'executions.monitor',
    pattern: /^\/ws\/executions\/([^/]+)\/monitor$/,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    async prepare({ identity, parameters, query }) {
      const executionId = (parameters[0] ?? '').toLowerCase();
      const { tenantId } = identity.principal;
      const { from_version: fromVersion = 1 } = parseQuery(QUERY, queryObject(query));
      if (!isUuid(executionId)) throw new Problem('not_found', 'There is no such execution.');
      if (!hub.isFollowed(tenantId, executionId)) {
        const { enableMonitoring = true } = await executions.view(tenantId, { executionId }, { payloads: 'listed' });
        if (!enableMonitoring) {
          throw new Problem(
            'not_monitored',
            'The config says enable_monitoring: false, so nothing is live; read its events over REST.',
          );
        }
      }
      return (socket) => {
        const follower = new EventFollower(socket, fromVersion);
        socket.signal.addEventListener('abort', () => hub.unfollow(tenantId, executionId, follower), { once: true });
        hub.follow(tenantId, executionId, follower).catch((error: unknown) => {
          if (error instanceof Problem) socket.close(closeCodeOf(error.getStatus()), `${error.code}: ${error.detail}`);
          else socket.close(CLOSE.internal, 'something went wrong on our side');
        });
      };
    },
  };
}

/** Query parameters in Fastify's form: repeated ones become a list. */
export function queryObject(query: URLSearchParams): Record<string, string | string[]> {
  const result: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  for (const name of new Set(query.keys())) {
    const values = query.getAll(name);
    result[name] = values.length === 1 ? (values[0] ?? '') : values;
  }
  return result;
}
