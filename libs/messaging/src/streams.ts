import { LIFECYCLE_STREAM, PRIORITIES, STEPS_STREAM, subjects } from '@batuta/contracts';
import type { Priority } from '@batuta/contracts';
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  jetstreamManager,
} from '@nats-io/jetstream';
import type { ConsumerConfig, ConsumerInfo, JetStreamManager, StreamConfig, StreamInfo } from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Log } from './log.js';

type DifferenceLog = Pick<Log, 'warn' | 'error'>;

export interface StreamSettings {
  /** Copies of the stream in a NATS cluster: 1, 3 or 5. Default 1. */
  readonly replicas?: number;
  /**
   * Bytes; -1 for no limit except the server's own. Publishing beyond it is refused (`discard: new`). Default: the
   * stream's present limit stays.
   */
  readonly maxBytes?: number;
  readonly logger?: DifferenceLog | undefined;
}

export interface PoolConsumerSettings {
  /** Milliseconds after which a task that nobody works on is delivered again. Default 2,000. */
  readonly ackWaitMs?: number;
  /** Maximum number of tasks of one pool and priority that all runners together work on at once. Default 20,000. */
  readonly maxAckPending?: number;
  readonly replicas?: number;
  readonly logger?: DifferenceLog | undefined;
}

// JetStream error codes: https://github.com/nats-io/nats-server/blob/main/server/errors.json
const STREAM_NOT_FOUND = 10059;
const CONSUMER_NOT_FOUND = 10014;
const STREAM_NAME_IN_USE = 10058;
const CONSUMER_NAME_IN_USE = [10013, 10105, 10148];

const managers = new WeakMap<NatsConnection, Promise<JetStreamManager>>();

function managerOf(nc: NatsConnection): Promise<JetStreamManager> {
  let manager = managers.get(nc);
  if (manager === undefined) {
    // Without `checkAPI`, because its failure (JetStream is not ready yet) would be remembered for the life of the
    // connection.
    manager = jetstreamManager(nc, { checkAPI: false, timeout: 5_000 });
    managers.set(nc, manager);
  }
  return manager;
}

function isApiError(error: unknown, ...codes: number[]): boolean {
  return error instanceof JetStreamApiError && codes.includes(error.code);
}

/** Whether the error says that the stream does not exist. */
export function isStreamMissing(error: unknown): boolean {
  // A request about a consumer of a missing stream fails with an error of another class, so the code is compared.
  return isApiError(error, STREAM_NOT_FOUND);
}

/**
 * Creates the stream of tasks, or updates it to the settings: a work queue on disk that refuses tasks that do not fit.
 * Idempotent.
 */
export function ensureStepsStream(nc: NatsConnection, settings: StreamSettings = {}): Promise<StreamInfo> {
  return ensureStream(
    nc,
    {
      name: STEPS_STREAM,
      subjects: [subjects.allSteps],
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      storage: StorageType.File,
      num_replicas: settings.replicas ?? 1,
      // Without a setting, an existing stream keeps its limit.
      ...(settings.maxBytes === undefined ? {} : { max_bytes: settings.maxBytes }),
      // Long enough to recognise the repeat of a publish whose acknowledgement was lost. A deliberate repeat has
      // another dispatch number, so it counts as another message.
      duplicate_window: nanos(120_000),
    },
    settings.logger,
  );
}

/**
 * Creates or updates the stream of lifecycle notices. A notice is kept for an hour, and wakes those who read the log.
 * Idempotent.
 */
export function ensureLifecycleStream(nc: NatsConnection, settings: StreamSettings = {}): Promise<StreamInfo> {
  return ensureStream(
    nc,
    {
      name: LIFECYCLE_STREAM,
      subjects: [subjects.allLifecycle],
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      storage: StorageType.File,
      num_replicas: settings.replicas ?? 1,
      max_bytes: settings.maxBytes ?? 256 * 1024 * 1024,
      max_age: nanos(3_600_000),
      duplicate_window: nanos(120_000),
    },
    settings.logger,
  );
}

/** The error for a stream that cannot be created: it says why, and how much storage the stream needs. */
function notMade(
  { name, max_bytes: bytes = -1, num_replicas: copies = 1 }: Partial<StreamConfig>,
  error: unknown,
): Error {
  const room =
    bytes > 0 ? `${Math.ceil(bytes / 1024 / 1024)} MiB of its storage, which JetStream sets aside` : 'room on its disk';
  const message =
    `JetStream cannot make the stream ${name}: ${(error as Error).message}. It needs ${room}` +
    `${copies > 1 ? ` on each of ${copies} servers` : ''}: give nats-server a larger \`max_file_store\` and disk, or free some.`;
  // An answer from JetStream is a mistake in its configuration. Any other failure may pass, so it is tried again.
  return error instanceof JetStreamApiError
    ? Object.assign(new Error(message, { cause: error }), { mistake: true })
    : (error as Error);
}

async function ensureStream(
  nc: NatsConnection,
  wanted: Partial<StreamConfig> & { name: string },
  logger: DifferenceLog | undefined,
): Promise<StreamInfo> {
  const manager = await managerOf(nc);
  let info: StreamInfo;
  try {
    info = await manager.streams.info(wanted.name);
  } catch (error) {
    if (!isApiError(error, STREAM_NOT_FOUND)) throw error;
    try {
      info = await manager.streams.add(wanted);
    } catch (raced) {
      // Another process made it in between.
      if (!isApiError(raced, STREAM_NAME_IN_USE)) throw notMade(wanted, raced);
      info = await manager.streams.info(wanted.name);
    }
  }
  let different = differences(wanted, info.config);
  if (different.length > 0) {
    logger?.warn({ stream: wanted.name, different }, 'the JetStream stream differs from what is wanted, updating it');
    try {
      info = await manager.streams.update(wanted.name, wanted);
    } catch (error) {
      logger?.error({ stream: wanted.name, err: error }, 'the JetStream stream cannot be updated');
    }
    different = differences(wanted, info.config);
  }
  // The client silently leaves out of a request what an old server does not support.
  if (different.length > 0) {
    logger?.error({ stream: wanted.name, different }, 'the JetStream stream is not what was asked for');
  }
  return info;
}

/**
 * Creates or updates the durable consumers of a pool, one per priority. Idempotent. Throws when the stream is missing,
 * so call `ensureStepsStream` first.
 */
export async function ensurePoolConsumers(
  nc: NatsConnection,
  pool: string,
  settings: PoolConsumerSettings = {},
): Promise<Readonly<Record<Priority, ConsumerInfo>>> {
  const [high, normal, low] = await Promise.all(
    PRIORITIES.map((priority) => ensurePoolConsumer(nc, pool, priority, settings)),
  );
  return { high, normal, low } as Record<Priority, ConsumerInfo>;
}

async function ensurePoolConsumer(
  nc: NatsConnection,
  pool: string,
  priority: Priority,
  settings: PoolConsumerSettings,
): Promise<ConsumerInfo> {
  const manager = await managerOf(nc);
  const name = subjects.stepConsumer(pool, priority);
  const wanted: ConsumerConfig = {
    name,
    durable_name: name,
    filter_subject: subjects.stepFilter(pool, priority),
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    replay_policy: ReplayPolicy.Instant,
    ack_wait: nanos(settings.ackWaitMs ?? 2_000),
    max_deliver: -1,
    max_ack_pending: settings.maxAckPending ?? 20_000,
    max_waiting: 2_048,
    num_replicas: settings.replicas ?? 0,
  };
  let info: ConsumerInfo;
  try {
    info = await manager.consumers.info(STEPS_STREAM, name);
  } catch (error) {
    if (!isApiError(error, CONSUMER_NOT_FOUND)) throw error;
    try {
      info = await manager.consumers.add(STEPS_STREAM, wanted);
    } catch (raced) {
      if (!isApiError(raced, ...CONSUMER_NAME_IN_USE)) throw raced;
      info = await manager.consumers.info(STEPS_STREAM, name);
    }
  }
  let different = differences(wanted, info.config);
  if (different.length > 0) {
    settings.logger?.warn(
      { consumer: name, different },
      'the JetStream consumer differs from what is wanted, updating it',
    );
    try {
      info = await manager.consumers.update(STEPS_STREAM, name, wanted);
    } catch (error) {
      settings.logger?.error({ consumer: name, err: error }, 'the JetStream consumer cannot be updated');
    }
    different = differences(wanted, info.config);
  }
  if (different.length > 0) {
    settings.logger?.error({ consumer: name, different }, 'the JetStream consumer is not what was asked for');
  }
  return info;
}

/** One durable consumer of a pool, as the server describes it. Throws when it is missing. */
export async function poolConsumerInfo(nc: NatsConnection, pool: string, priority: Priority): Promise<ConsumerInfo> {
  const manager = await managerOf(nc);
  return manager.consumers.info(STEPS_STREAM, subjects.stepConsumer(pool, priority));
}

/**
 * Deletes one durable consumer of a pool. Its tasks stay in the stream, and those that are being run will be delivered
 * again.
 */
export async function deletePoolConsumer(nc: NatsConnection, pool: string, priority: Priority): Promise<void> {
  const manager = await managerOf(nc);
  await manager.consumers.delete(STEPS_STREAM, subjects.stepConsumer(pool, priority));
}

/** Deletes the stream of tasks with its content. */
export async function deleteStepsStream(nc: NatsConnection): Promise<void> {
  const manager = await managerOf(nc);
  await manager.streams.delete(STEPS_STREAM);
}

/** The fields in which the server's answer differs from `wanted`, as "field: wanted …, is …". */
function differences(wanted: object, actual: object): string[] {
  return Object.entries(wanted)
    .map(([field, value]): [string, unknown, unknown] => [field, value, (actual as Record<string, unknown>)[field]])
    .filter(([, value, is]) => JSON.stringify(is ?? emptyLike(value)) !== JSON.stringify(value))
    .map(([field, value, is]) => `${field}: wanted ${JSON.stringify(value)}, is ${JSON.stringify(is) ?? 'absent'}`);
}

/** The value that the server means when it leaves out a field. */
function emptyLike(value: unknown): unknown {
  if (typeof value === 'number') return 0;
  if (typeof value === 'string') return '';
  return typeof value === 'boolean' ? false : undefined;
}
