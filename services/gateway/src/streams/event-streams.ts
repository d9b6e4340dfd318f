import type { Readable } from 'node:stream';
import type { OutputPlace } from '@batuta/contracts';
import type { Logger } from '@batuta/observability';
import type { FastifyRequest } from 'fastify';
import { bearerOf } from '../auth/bearer.js';
import { Authenticator } from '../auth/authenticator.js';
import type { Backend } from '../backend/backend.js';
import type { TenantLimitGate } from '../backend/tenant-limits.js';
import type { ExecutionHub } from '../executions/execution-hub.js';
import { Problem } from '../http/problem.js';
import { EventStream } from './event-stream.js';
import type { OutputHub } from './output-hub.js';
import { StreamFollow } from './stream-follow.js';

/** How often a stream shows that it lives and checks its key again. After this time a revoked key reads nothing more. */
const BEAT_MS = 5_000;

interface EventStreamsOptions {
  readonly backend: Pick<Backend, 'ask'>;
  readonly hub: ExecutionHub;
  readonly outputs: OutputHub;
  readonly authenticator: Pick<Authenticator, 'recheck'>;
  readonly limits: Pick<TenantLimitGate, 'openSocket'>;
  readonly logger: Logger;
  readonly bufferBytes: number;
  /** Beside WebSockets. */
  readonly mostStreams: number;
}

/** The content of one event stream. */
interface StreamWanted {
  readonly tenantId: string;
  readonly executionId: string;
  readonly stepId: string;
  readonly place: OutputPlace | undefined;
}

/** The event streams of this gateway. Each counts as a WebSocket of its tenant. */
export class EventStreams {
  readonly #options: EventStreamsOptions;
  readonly #open = new Set<EventStream>();
  #stopping = false;

  constructor(options: EventStreamsOptions) {
    this.#options = options;
  }

  /** @throws Problem unavailable, limit_reached. */
  async open(request: FastifyRequest, { tenantId, executionId, stepId, place }: StreamWanted): Promise<Readable> {
    const { authenticator, limits, bufferBytes, mostStreams, logger, ...rest } = this.#options;
    if (this.#stopping) throw new Problem('unavailable', 'The gateway is stopping.');
    if (this.#open.size >= mostStreams) {
      throw new Problem('unavailable', `This gateway serves at most ${mostStreams} event streams.`);
    }
    const keyHash = Authenticator.hashOf(bearerOf(request.headers.authorization) ?? '');
    const leave = await limits.openSocket(tenantId);
    const stream = new EventStream(
      bufferBytes,
      BEAT_MS,
      async () => (await authenticator.recheck(keyHash)) !== undefined,
    );
    this.#open.add(stream);
    const follow = new StreamFollow({
      ...rest,
      tenantId,
      executionId,
      steps: [stepId],
      places: new Map(place === undefined ? [] : [[stepId, place]]),
      sink: {
        get closed() {
          return stream.closed;
        },
        send: (items) => stream.send(items),
        drained: () => stream.drained(),
        finished: () => stream.end(),
        failed: (error) => {
          logger.warn({ err: error, execution_id: executionId }, 'an event stream ended early');
          stream.end();
        },
      },
    });
    stream.readable.once('close', () => {
      this.#open.delete(stream);
      follow.stop();
      leave();
    });
    follow.start().catch((error: unknown) => {
      logger.warn({ err: error, execution_id: executionId }, 'an event stream ended early');
      stream.end();
    });
    return stream.readable;
  }

  /** Ends all streams. Their clients connect to another gateway and continue after the last item. */
  close(): void {
    this.#stopping = true;
    for (const stream of this.#open) stream.end();
  }
}
