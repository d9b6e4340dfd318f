import { executeRoute } from './executions/execute-route.js';
import { monitorRoute } from './executions/monitor-route.js';
import { InboxHub } from './notifications/inbox-hub.js';
import { notificationsRoute } from './notifications/notifications-route.js';
import type { EdgeParts, Made } from './open-parts.js';
import { SocketServer } from './realtime/socket-server.js';
import { streamRoute } from './streams/stream-route.js';

/** The WebSockets and what they serve. */
export function openSockets({ settings, logger, requestTracing }: Made, parts: EdgeParts): SocketServer {
  const { backend, starter, hub, executions, outputs, limits, authenticator, audited } = parts;
  return new SocketServer({
    authenticator,
    audited,
    logger,
    bufferBytes: settings.socketBufferBytes,
    maxSockets: settings.maxSockets,
    limits,
    origins: settings.corsOrigins,
    pingEveryMs: settings.pingEveryMs,
    routes: [
      monitorRoute(hub, executions),
      streamRoute({ backend, hub, outputs, executions }),
      executeRoute({ hub, starter, executions, audited, logger, requestTracing, maxMessageBytes: settings.bodyLimit }),
      notificationsRoute(new InboxHub({ backend, logger }), logger),
    ],
  });
}
