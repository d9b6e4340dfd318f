import 'reflect-metadata';
import { CALLBACK_TYPES } from '@batuta/contracts';
import { natsMicroservice, serveRequests, secretSource } from '@batuta/control';
import { connectNats, controlClientOver, endProcess, isConnected, onLost } from '@batuta/messaging';
import { createLogger, nestLogger, startTracing } from '@batuta/observability';
import type { Logger, ReadinessCheck } from '@batuta/observability';
import { HostNames } from '@batuta/outbound-http';
import type { Resolve } from '@batuta/outbound-http';
import { Sandbox } from '@batuta/sandbox';
import { closeAll, opening, openOpsServer } from '@batuta/service';
import { natsAccessOf } from '@batuta/settings';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { NotificationsModule } from './app.module.js';
import type { CallbackRules } from './callbacks/callbacks.service.js';
import type { Channel } from './channels/channel.js';
import { DeliveryQueue } from './deliveries/delivery-queue.js';
import { loadNotificationsSettings } from './settings.js';
import type { NotificationsSettings } from './settings.js';
import { openChannels } from './start/open-channels.js';
import { openDatabase } from './start/open-database.js';
import { openDeliveries } from './start/open-deliveries.js';
import { openSecrets } from './start/open-secrets.js';
import { Templates } from './templates/templates.js';

export interface StartNotificationsOptions {
  /** Default: from the environment. */
  readonly settings?: NotificationsSettings;
  readonly logger?: Logger;
  /** Whether to serve /health and /metrics on a port of its own; default true. */
  readonly opsServer?: boolean;
  /** Looks up host names; default: `HostNames`. */
  readonly resolve?: Resolve;
  /** Called when a connection to NATS is lost for good; default: the process ends. */
  readonly onLost?: (error: Error) => void;
}

export interface RunningNotifications {
  /** Port of /health and /metrics, if it serves them. */
  readonly opsPort: number | undefined;
  readonly opsUrl: string | undefined;
  /** The readiness checks of the service, by name. */
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
  /** Finishes the running attempts, then closes every connection. */
  close(): Promise<void>;
}

/**
 * Starts the notifications service: brings its schema up to date, reads the log, delivers, and answers requests. Throws
 * when PostgreSQL or NATS cannot be reached or a setting is wrong; nothing stays open then.
 */
export async function startNotifications(options: StartNotificationsOptions = {}): Promise<RunningNotifications> {
  const settings = options.settings ?? loadNotificationsSettings();
  const logger = options.logger ?? createLogger({ service: 'notifications', level: settings.logLevel });
  const lost = options.onLost ?? endProcess(logger);
  return opening(async (opened) => {
    const tracing = await startTracing('notifications', logger);
    opened.push(() => tracing.shutdown());
    const rows = await openDatabase(settings, logger, opened);
    const access = natsAccessOf(settings, 'notifications');
    const nats = await connectNats({ ...access, name: 'notifications', logger });
    opened.push(() => nats.close());
    onLost(nats, lost);
    const control = controlClientOver(nats);
    const sandbox = new Sandbox({ threads: settings.sandboxThreads });
    opened.push(() => sandbox.close());
    const templates = new Templates(sandbox);
    const { secretCipher, secrets, headers } = await openSecrets(settings, rows, logger);
    const publish = (subject: string, payload: string): void => nats.publish(subject, payload);
    const names = new HostNames({ servers: settings.dnsServers, timeoutMs: settings.dnsTimeoutMs });
    const parts = {
      dataSource: rows.everybody,
      templates,
      secrets,
      secretSource: secretSource({ control }),
      headers,
      publish,
      logger,
      resolve: options.resolve ?? names.resolve,
      lookup: names.lookup,
    };
    const channels = openChannels(settings, parts, opened);
    const callbackRules = callbackRulesOf(settings, channels);
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(
      NotificationsModule.register({ rows, control, callbackRules, deliveryRules: settings, secretCipher, templates }),
      {
        ...(await natsMicroservice({ ...access, queue: 'notifications' })),
        logger: nestLogger(logger),
        abortOnError: false,
      },
    );
    opened.push(() => app.close());
    const { requests, end } = await serveRequests(app, { nats, logger, onLost: lost });
    opened.push(end);
    const queue = app.get(DeliveryQueue);
    openDeliveries({ settings, rows, nats, control, queue, channels, publish, logger, tracing }, opened);
    const checks: Record<string, ReadinessCheck> = {
      postgres: async () => {
        await rows.everybody.query('SELECT 1');
      },
      nats: () => {
        if (!isConnected(nats)) throw new Error('not connected');
      },
      requests,
    };
    const ops = options.opsServer === false ? undefined : await openOpsServer(settings, { checks, logger }, opened);
    logger.info({ port: ops?.port, channels: channels.map(({ type }) => type) }, 'notifications service started');
    let closed: Promise<void> | undefined;
    return {
      opsPort: ops?.port,
      opsUrl: ops === undefined ? undefined : `http://127.0.0.1:${ops.port}`,
      checks,
      close: () => (closed ??= closeAll(opened)),
    };
  });
}

const callbackRulesOf = ({ secretOverlapMs }: NotificationsSettings, channels: readonly Channel[]): CallbackRules => ({
  unavailable: new Set(CALLBACK_TYPES.filter((type) => !channels.some((channel) => channel.type === type))),
  secretOverlapMs,
});
