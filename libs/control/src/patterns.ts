import { DATABASE_OUTAGE, isConnected, natsClientOptions, onLost, serveLocally, textOf } from '@batuta/messaging';
import type { Log } from '@batuta/messaging';
import type { NatsConnection } from '@nats-io/nats-core';
import type { ArgumentsHost, INestMicroservice } from '@nestjs/common';
import type { MessageHandler, NatsContext } from '@nestjs/microservices';
import { setTimeout as delay } from 'node:timers/promises';
import { isObservable, lastValueFrom, throwError } from 'rxjs';
import type { Observable } from 'rxjs';
import { isDatabaseOutage } from './database-outage.js';
import type { PatternServer } from './pattern-server.js';

/** Options for `NestFactory.createMicroservice`, with the server of message patterns as a custom transporter. */
interface PatternMicroservice {
  readonly strategy: PatternServer;
}

/**
 * Options for a microservice that answers message patterns over NATS request/reply. The replicas of a service share the
 * queue group `queue`, so each request is answered once. `graceMs`: milliseconds for which it still answers requests
 * that arrived before it was told to stop.
 */
export async function natsMicroservice(options: {
  url: string;
  queue: string;
  name?: string;
  credentials?: string | undefined;
  tlsCa?: string | undefined;
  graceMs?: number;
}): Promise<PatternMicroservice> {
  const { queue, name = `${queue} patterns`, graceMs } = options;
  // Imported here, because it loads all of Nest's transports. Processes that only send requests do not need them.
  const { PatternServer: Server } = await import('./pattern-server.js');
  return {
    strategy: new Server({
      ...natsClientOptions({ ...options, name }),
      queue,
      // The service's own connection has found the server and was accepted. A slow moment of the server must not end
      // the start.
      waitOnFirstConnect: true,
      ...(graceMs === undefined ? {} : { gracefulShutdown: true, gracePeriod: graceMs }),
    }),
  };
}

/**
 * The server that `natsMicroservice` made for a microservice.
 * @throws TypeError when the microservice has another server.
 */
async function patternServer(app: INestMicroservice): Promise<PatternServer> {
  const { PatternServer: Server } = await import('./pattern-server.js');
  const server = app.getTransportServer();
  if (!(server instanceof Server)) throw new TypeError('the microservice was not made with natsMicroservice');
  return server;
}

interface PatternsOptions {
  /** Called at most once, when requests cannot reach the patterns any more; see `onLost`. */
  readonly onLost: (error: Error) => void;
  /** See `onLost`. */
  readonly refusedMs?: number;
}

/**
 * Watches the connection of a Nest microservice that listens. Nest opens this connection in addition to the service's
 * own. Resolves when the server has its subscriptions, with a readiness check that throws while requests do not reach
 * the patterns. Throws when the server refuses a subscription.
 */
export async function watchPatterns(app: INestMicroservice, options: PatternsOptions): Promise<() => Promise<void>> {
  const nc = app.unwrap<NatsConnection>();
  let lost: Error | undefined;
  let served = false;
  const lose = (error: Error): void => {
    if (lost !== undefined) return;
    lost = error;
    if (served) options.onLost(error);
  };
  onLost(nc, lose, options.refusedMs);
  for (const subscription of (await patternServer(app)).bound) {
    void subscription.closed.then((error) => {
      // The client never subscribes to it again, even if it may later.
      if (error instanceof Error) lose(error);
    });
  }
  const throwIfLost = (): void => {
    if (lost !== undefined) throw lost;
  };
  const check = async (): Promise<void> => {
    throwIfLost();
    if (!isConnected(nc)) throw new Error('not connected');
    // A connection that was cut silently counts as connected until pings are missing.
    await nc.flush();
    throwIfLost();
  };
  // A restart of the server at this moment must not end the start.
  for (let arrived = false; !arrived;) {
    arrived = await nc.flush().then(
      () => true,
      () => false,
    );
    throwIfLost();
    if (nc.isClosed()) throw new Error('closed while it was started');
    if (!arrived) await delay(50);
  }
  served = true;
  return check;
}

/**
 * Serves the message patterns of a Nest microservice to this process directly too, as `serveLocally` does for a
 * subject. Call the returned function to stop. `straight`: handlers that bypass Nest's pipeline, for patterns that are
 * requested so often that the pipeline would cost more than they do.
 */
export async function servePatternsLocally(
  nc: NatsConnection,
  app: INestMicroservice,
  straight: Readonly<Record<string, (data: never) => Promise<unknown>>> = {},
): Promise<() => void> {
  // Imported here, because it loads all of Nest's transports. Processes that only send requests do not need them.
  const { NatsContext: Context } = await import('@nestjs/microservices');
  const handlers = (await patternServer(app)).getHandlers();
  const ends = [...handlers]
    .filter(([, handler]) => handler.isEventHandler !== true)
    .map(([pattern, handler]) =>
      serveLocally(nc, pattern, ({ payload, headers, reply }) => {
        const { data, id } = JSON.parse(textOf(payload)) as { data: unknown; id: string };
        const own = straight[pattern];
        const answer = own === undefined ? handled(handler, data, new Context([pattern, headers])) : own(data as never);
        answer.then(
          (response) => reply?.(JSON.stringify({ response, isDisposed: true, id })),
          (err: unknown) => reply?.(JSON.stringify({ err: told(err) ?? 'failed', isDisposed: true, id })),
        );
      }),
    );
  return () => {
    for (const end of ends) end();
  };
}

/** The error that the requester gets for an error in a handler. */
function told(error: unknown): unknown {
  return isDatabaseOutage(error) ? { status: 'error', message: DATABASE_OUTAGE } : error;
}

/**
 * Makes a Nest microservice report an outage of its database to requesters, instead of an internal error. Call it
 * before the microservice listens. `logger` logs each outage.
 */
async function tellDatabaseOutages(app: INestMicroservice, logger: Pick<Log, 'warn'>): Promise<INestMicroservice> {
  // Imported here, because it loads all of Nest's transports. Processes that only send requests do not need them.
  const { BaseRpcExceptionFilter } = await import('@nestjs/microservices');
  class OutageFilter extends BaseRpcExceptionFilter {
    override catch(exception: unknown, host: ArgumentsHost): Observable<unknown> {
      // eslint-disable-next-line promise/valid-params -- Nest's catch is no promise's
      if (!isDatabaseOutage(exception)) return super.catch(exception, host);
      logger.warn({ err: exception }, 'the database does not answer');
      return throwError(() => told(exception));
    }
  }
  return app.useGlobalFilters(new OutageFilter());
}

async function handled(handler: MessageHandler, data: unknown, context: NatsContext): Promise<unknown> {
  const result: unknown = await handler(data, context);
  return isObservable(result) ? lastValueFrom(result, { defaultValue: undefined }) : result;
}

interface ServingOptions extends PatternsOptions {
  /** The service's own connection. Callers in this process need no server. */
  readonly nats: NatsConnection;
  /** Logs outages of the database. */
  readonly logger: Pick<Log, 'warn'>;
  /** Handlers that bypass Nest's pipeline; see `servePatternsLocally`. */
  readonly straight?: Readonly<Record<string, (data: never) => Promise<unknown>>>;
}

/**
 * Makes a Nest microservice answer requests, over NATS and from callers in this process. Returns a readiness check, and
 * a function that ends the answers to this process. Throws when the server refuses a subscription.
 */
export async function serveRequests(
  app: INestMicroservice,
  { nats, logger, straight, ...watched }: ServingOptions,
): Promise<{ readonly requests: () => Promise<void>; readonly end: () => void }> {
  await tellDatabaseOutages(app, logger);
  await app.listen();
  const requests = await watchPatterns(app, watched);
  return { requests, end: await servePatternsLocally(nats, app, straight) };
}
