import 'reflect-metadata';
import { CALLBACK_TYPES, subjects } from '@batuta/contracts';
import { natsMicroservice, serveRequests, secretSource } from '@batuta/control';
import { connectNats, controlClientOver, endProcess, isConnected, onLost, onReconnect } from '@batuta/messaging';
import { createLogger, nestLogger, startOpsServer, startTracing } from '@batuta/observability';
import type { Logger, ReadinessCheck } from '@batuta/observability';
import { HostNames } from '@batuta/outbound-http';
import type { Resolve } from '@batuta/outbound-http';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { NotificationsModule } from './app.module.js';
import { CallbackHeaders } from './callbacks/callback-headers.js';
import { encryptionKeysOf, SecretCipher, tellUnsecured } from '@batuta/service';
import { SIGNING_KEYS, SigningSecrets } from './callbacks/signing-secrets.js';
import { CHANNELS } from './channels/index.js';
import type { ChannelKind } from './channels/kind.js';
import {
  NotificationsRows,
  migrate,
  migrateAsOwner,
  notificationsDataSource,
  requestDriver,
} from './database/data-source.js';
import { DeliveryQueue } from './deliveries/delivery-queue.js';
import { exposeOverdue } from './deliveries/overdue.js';
import { Sender } from './deliveries/sender.js';
import { deliveryLogReader } from './log/delivery-maker.js';
import { loadNotificationsSettings } from './settings.js';
import type { NotificationsSettings } from './settings.js';
import { Templates } from './templates/templates.js';
import { Sandbox } from '@batuta/sandbox';
import { databaseUrlOf, natsAccessOf } from '@batuta/settings';

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
  const opened: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (let end = opened.pop(); end !== undefined; end = opened.pop()) await end();
  };
  try {
    const tracing = await startTracing('notifications', logger);
    opened.push(() => tracing.shutdown());
    const dataSource = notificationsDataSource({
      databaseUrl: databaseUrlOf(settings, 'notifications'),
      connections: settings.databaseConnections,
      driver: requestDriver,
    });
    const rows = new NotificationsRows(dataSource);
    await dataSource.initialize();
    opened.push(async () => {
      if (dataSource.isInitialized) await dataSource.destroy();
    });
    if (settings.databaseOwnerUrl !== undefined) await migrateAsOwner(settings.databaseOwnerUrl);
    await migrate(rows.everybody);
    await tellUnsecured((sql) => rows.everybody.query(sql), 'notifications', logger);
    const hideOverdue = exposeOverdue(rows.everybody);
    opened.push(() => {
      hideOverdue();
      return Promise.resolve();
    });
    const access = natsAccessOf(settings, 'notifications');
    const nats = await connectNats({ ...access, name: 'notifications', logger });
    opened.push(() => nats.close());
    onLost(nats, lost);
    const control = controlClientOver(nats);
    const sandbox = new Sandbox({ threads: settings.sandboxThreads });
    opened.push(() => sandbox.close());
    const templates = new Templates(sandbox);
    const secretCipher = new SecretCipher(
      encryptionKeysOf(settings.encryptionKeys?.reveal() ?? '') ?? [],
      SIGNING_KEYS,
    );
    const secrets = new SigningSecrets(rows, secretCipher);
    const headers = new CallbackHeaders(rows, secretCipher);
    await renewSecrets(secrets, headers, secretCipher, logger);
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
    const channels = Object.values<ChannelKind<NotificationsSettings>>(CHANNELS).flatMap(
      (kind) => kind.open(settings, parts) ?? [],
    );
    for (const channel of channels) opened.push(async () => channel.close?.());
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(
      NotificationsModule.register({
        rows,
        control,
        callbackRules: {
          unavailable: new Set(CALLBACK_TYPES.filter((type) => !channels.some((channel) => channel.type === type))),
          secretOverlapMs: settings.secretOverlapMs,
        },
        deliveryRules: settings,
        secretCipher,
        templates,
      }),
      {
        ...(await natsMicroservice({ ...access, queue: 'notifications' })),
        logger: nestLogger(logger),
        abortOnError: false,
      },
    );
    opened.push(() => app.close());
    const { requests, end } = await serveRequests(app, { nats, logger, onLost: lost });
    opened.push(() => Promise.resolve(end()));
    const queue = app.get(DeliveryQueue);
    const { concurrency, attemptTimeoutMs, dueMs, pollMs, giveUpMs: maxAgeMs } = settings;
    const sender = new Sender({ queue, channels, publish, logger, concurrency, attemptTimeoutMs, dueMs, tracing });
    opened.push(() => sender.close());
    const reader = deliveryLogReader({
      dataSource: rows.everybody,
      control,
      queue,
      logger,
      pollMs,
      maxAgeMs,
      onDeliveries: (added) => sender.added(added),
    });
    opened.push(() => reader.close());
    // Notices of the stream LIFECYCLE as they are published, shared among the replicas. Missed notices do no harm: the
    // log is read at the start, after a reconnect and by the poll. So no consumer is needed.
    const notices = nats.subscribe(subjects.allLifecycle, {
      queue: 'notifications',
      callback: (error, message) => {
        if (error === null) reader.heard(message.data);
      },
    });
    opened.push(() => {
      notices.unsubscribe();
      return Promise.resolve();
    });
    onReconnect(nats, () => reader.wake());
    sender.start();
    reader.start();
    const checks: Record<string, ReadinessCheck> = {
      postgres: async () => {
        await rows.everybody.query('SELECT 1');
      },
      nats: () => {
        if (!isConnected(nats)) throw new Error('not connected');
      },
      requests,
    };
    const ops =
      options.opsServer === false
        ? undefined
        : await startOpsServer({
            port: settings.httpPort,
            host: settings.httpHost,
            checks,
            logger,
            token: settings.opsToken?.reveal(),
          });
    if (ops !== undefined) opened.push(() => ops.close());
    logger.info({ port: ops?.port, channels: channels.map(({ type }) => type) }, 'notifications service started');
    let closed: Promise<void> | undefined;
    return {
      opsPort: ops?.port,
      opsUrl: ops === undefined ? undefined : `http://127.0.0.1:${ops.port}`,
      checks,
      close: () => (closed ??= close()),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Encrypts stored secrets with the newest key. If the service cannot read some of them, it starts anyway and logs this.
 */
async function renewSecrets(
  secrets: SigningSecrets,
  headers: CallbackHeaders,
  cipher: SecretCipher,
  logger: Logger,
): Promise<void> {
  if (!cipher.enabled) {
    logger.warn(
      'signing secrets and headers of callbacks are stored in the clear: set BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS',
    );
  }
  const { renewed, unreadable } = await secrets.renew();
  if (renewed > 0) logger.info({ count: renewed }, 'signing secrets encrypted with the newest key');
  if (unreadable > 0) {
    logger.error(
      { count: unreadable },
      'signing secrets cannot be read with BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS: their webhooks fail until the key is set or the secret is rotated',
    );
  }
  const ofHeaders = await headers.renew();
  if (ofHeaders.renewed > 0) {
    logger.info({ count: ofHeaders.renewed }, 'headers of callbacks encrypted with the newest key');
  }
  if (ofHeaders.unreadable > 0) {
    logger.error(
      { count: ofHeaders.unreadable },
      'headers of callbacks cannot be read with BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS: their webhooks fail until the key is set or the callback is made again',
    );
  }
}
