import { subjects } from '@batuta/contracts';
import { onReconnect } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import type { Logger, Tracing } from '@batuta/observability';
import type { Opened } from '@batuta/service';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Channel } from '../channels/channel.js';
import type { NotificationsRows } from '../database/data-source.js';
import type { DeliveryQueue } from '../deliveries/delivery-queue.js';
import { Sender } from '../deliveries/sender.js';
import { deliveryLogReader } from '../log/delivery-maker.js';
import type { NotificationsSettings } from '../settings.js';

interface DeliveryParts {
  readonly settings: NotificationsSettings;
  readonly rows: NotificationsRows;
  readonly nats: NatsConnection;
  readonly control: ControlClient;
  readonly queue: DeliveryQueue;
  readonly channels: readonly Channel[];
  readonly publish: (subject: string, payload: string) => void;
  readonly logger: Logger;
  readonly tracing: Tracing;
}

/** Starts to read the log and to send what follows from it. */
export function openDeliveries(parts: DeliveryParts, opened: Opened): void {
  const { settings, rows, nats, control, queue, channels, publish, logger, tracing } = parts;
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
  opened.push(() => notices.unsubscribe());
  onReconnect(nats, () => reader.wake());
  sender.start();
  reader.start();
}
