import { PRIORITIES, STEPS_STREAM, subjects } from '@batuta/contracts';
import type { Priority } from '@batuta/contracts';
import type { NatsConnection } from '@nats-io/transport-node';
import type { EngineCounters } from '../ports/counters.js';
import type { PoolConsumerState, StreamIdentity } from '../ports/ports.js';

export interface ApiError {
  readonly err_code: number;
  readonly description?: string;
}

/** JetStream error codes: https://github.com/nats-io/nats-server/blob/main/server/errors.json */
export const STREAM_NOT_FOUND = 10059;
const CONSUMER_NOT_FOUND = 10014;
const NO_MESSAGE_FOUND = 10037;
/** A request in flight when the connection broke is never answered, so a long timeout only delays the recovery. */
const API_TIMEOUT_MS = 1_500;

interface JetStreamQueueParts {
  readonly connection: NatsConnection;
  readonly counters: Pick<EngineCounters, 'natsIn' | 'natsOut'>;
}

/** What JetStream says about the stream of tasks: what it holds, and what workers have taken. */
export class JetStreamQueue {
  readonly #parts: JetStreamQueueParts;

  constructor(parts: JetStreamQueueParts) {
    this.#parts = parts;
  }

  async streamIdentity(): Promise<StreamIdentity | undefined> {
    const info = await this.#api<{ created: string; state: { last_seq: number; messages: number } }>(
      `STREAM.INFO.${STEPS_STREAM}`,
      '',
    );
    if ('error' in info) {
      if (info.error.err_code === STREAM_NOT_FOUND) return undefined;
      throw new Error(`JetStream: ${info.error.description ?? info.error.err_code}`);
    }
    return { created: info.created, lastSequence: info.state.last_seq, messages: info.state.messages };
  }

  async placeOf(subject: string): Promise<number | undefined> {
    const answer = await this.#api<{ message: { seq: number } }>(
      `STREAM.MSG.GET.${STEPS_STREAM}`,
      JSON.stringify({ last_by_subj: subject }),
    );
    if (!('error' in answer)) return answer.message.seq;
    if (answer.error.err_code === NO_MESSAGE_FOUND || answer.error.err_code === STREAM_NOT_FOUND) return undefined;
    throw new Error(`JetStream: ${answer.error.description ?? answer.error.err_code}`);
  }

  async consumer(pool: string, priority: Priority): Promise<PoolConsumerState | undefined> {
    const name = subjects.stepConsumer(pool, priority);
    const answer = await this.#api<{
      num_pending: number;
      num_ack_pending: number;
      num_waiting: number;
      delivered: { stream_seq: number };
    }>(`CONSUMER.INFO.${STEPS_STREAM}.${name}`, '');
    if (!('error' in answer)) {
      const { num_pending: waiting, num_ack_pending: taken, num_waiting: requests, delivered } = answer;
      return { waiting, taken, requests, takenUpTo: delivered.stream_seq };
    }
    if (answer.error.err_code === STREAM_NOT_FOUND) return undefined;
    if (answer.error.err_code !== CONSUMER_NOT_FOUND) {
      throw new Error(`JetStream: ${answer.error.description ?? answer.error.err_code}`);
    }
    // No worker has ever served the pool, so all of its messages wait.
    const waiting = await this.#stored(subjects.stepFilter(pool, priority));
    return { waiting, taken: 0, requests: 0, takenUpTo: 0 };
  }

  /** How many tasks of a pool workers have taken and not finished, of all priorities. */
  async takenOf(pool: string): Promise<number> {
    const consumers = await Promise.all(PRIORITIES.map((priority) => this.consumer(pool, priority)));
    return consumers.reduce((sum, consumer) => sum + (consumer?.taken ?? 0), 0);
  }

  /** How many messages with these subjects the stream of tasks has. */
  async #stored(filter: string): Promise<number> {
    const info = await this.#api<{ state: { subjects?: Record<string, number> | null } }>(
      `STREAM.INFO.${STEPS_STREAM}`,
      JSON.stringify({ subjects_filter: filter }),
    );
    if ('error' in info) return 0;
    return Object.values(info.state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
  }

  /** Deletes the stream of tasks. */
  async deleteStream(): Promise<void> {
    const answer = await this.#api<{ success: boolean }>(`STREAM.DELETE.${STEPS_STREAM}`, '');
    if ('error' in answer && answer.error.err_code !== STREAM_NOT_FOUND) {
      throw new Error(`JetStream: ${answer.error.description ?? answer.error.err_code}`);
    }
  }

  async #api<T>(operation: string, body: string): Promise<T | { readonly error: ApiError }> {
    const { counters } = this.#parts;
    counters.natsOut += 1;
    const answer = await this.#parts.connection.request(`$JS.API.${operation}`, body, { timeout: API_TIMEOUT_MS });
    counters.natsIn += 1;
    return answer.json<T | { error: ApiError }>();
  }
}
