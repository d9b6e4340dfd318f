import { subjects } from '@batuta/contracts';
import type { AttemptReply, AttemptResult, ResultReply, ResultRequest } from '@batuta/contracts';
import { JsonMessage, requestUntilAnswered, UnavailableError, writeAtOnce } from '@batuta/messaging';
import type { Log } from '@batuta/messaging';
import type { NatsConnection } from '@nats-io/nats-core';
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

interface ResultReporterOptions {
  readonly logger: Pick<Log, 'warn' | 'error'>;
  /** Milliseconds to wait for one answer. Default 1,000. */
  readonly timeoutMs?: number;
  /** Ends the repeats when the runner gives up. */
  readonly signal: AbortSignal;
  readonly onRepeat?: () => void;
}

interface Waiting {
  readonly partition: number;
  readonly result: AttemptResult;
  readonly length: number;
  readonly resolve: (outcome: AttemptReply['outcome']) => void;
  readonly reject: (error: unknown) => void;
}

/** Results that wait for one subject: a partition's, or an owner's for all its partitions. */
interface Queue {
  readonly waiting: Waiting[];
  /** Whether it is an owner's own subject, which may disappear at any time. */
  readonly shared: boolean;
  inFlight: number;
  scheduled: boolean;
}

/**
 * Several, so that a result does not wait for a commit that began before it; few, so that waiting results are sent
 * together.
 */
const REQUESTS_IN_FLIGHT = 4;
const LARGEST_BATCH = 200;
const LARGEST_BATCH_LENGTH = 1_500_000;
/**
 * Maximum number of characters of results that are being sent. Each takes several times its size until the server has
 * it (text, frame, socket).
 */
const LENGTH_IN_FLIGHT = 4 * 1024 * 1024;
/** Maximum number of characters of a result that is sent at once and alone, whatever else is being sent. */
const LARGEST_AT_ONCE = 64 * 1024;
/**
 * Additional time to answer for each character. A large result that is repeated too early only adds to the data that
 * are being sent.
 */
const MS_A_CHARACTER = 0.005;
/**
 * Milliseconds without an answer after which the results of a batch are sent one by one, so that one result cannot
 * block the others.
 */
const SPLIT_AFTER_MS = 10_000;

/**
 * Sends results to the owners of their partitions, and repeats each until it is answered. Waiting results are sent
 * together; once an owner has given its own subject, this includes all its partitions.
 */
export class ResultReporter {
  readonly #nc: NatsConnection;
  readonly #options: ResultReporterOptions;
  readonly #queues = new Map<string, Queue>();
  /** The owner's subject by partition, according to the last answer. */
  readonly #owners = new Map<number, string>();
  /** The last request had one result. */
  #alone = false;
  #lengthInFlight = 0;
  /** A queue found no room and waits for the next answer. */
  #crowded = false;

  constructor(nc: NatsConnection, options: ResultReporterOptions) {
    this.#nc = nc;
    this.#options = options;
    // Every request that waits before a repeat adds a listener.
    setMaxListeners(0, options.signal);
  }

  /**
   * Reports one result. `length` is the approximate number of characters of its JSON text, and nobody may change the
   * result any more. Resolves with the engine's answer after its commit. Rejects only when the signal fires or the
   * connection is closed. `atOnce`: sends it alone, before anything else happens in this process.
   */
  report(partition: number, result: AttemptResult, length: number, atOnce = false): Promise<AttemptReply['outcome']> {
    return new Promise((resolve, reject) => {
      const owner = this.#owners.get(partition);
      if (atOnce && length <= LARGEST_AT_ONCE) {
        const alone = [{ partition, result, length, resolve, reject }];
        const sent =
          owner === undefined ? this.#send(subjects.result(partition), alone) : this.#sendToOwner(owner, alone);
        sent.catch(reject);
        writeAtOnce(this.#nc);
        return;
      }
      this.#enqueue(owner ?? subjects.result(partition), owner !== undefined, {
        partition,
        result,
        length,
        resolve,
        reject,
      });
    });
  }

  #enqueue(subject: string, shared: boolean, one: Waiting): void {
    let queue = this.#queues.get(subject);
    if (queue === undefined) {
      queue = { waiting: [], shared, inFlight: 0, scheduled: false };
      this.#queues.set(subject, queue);
    }
    queue.waiting.push(one);
    this.#schedule(subject, queue);
  }

  #schedule(subject: string, queue: Queue): void {
    if (queue.scheduled || queue.inFlight >= REQUESTS_IN_FLIGHT || !this.#hasRoom(queue)) return;
    if (queue.waiting.length === 0) {
      // An owner has a new subject after each start.
      if (queue.shared && queue.inFlight === 0) this.#queues.delete(subject);
      return;
    }
    queue.scheduled = true;
    const sendBatch = (): void => {
      queue.scheduled = false;
      // Another queue may have taken the room in the meantime. Its answer starts all queues again.
      if (!this.#hasRoom(queue)) return;
      const batch = takeBatch(queue.waiting);
      const length = lengthOf(batch);
      this.#lengthInFlight += length;
      this.#alone = batch.length === 1;
      queue.inFlight += 1;
      (queue.shared ? this.#sendToOwner(subject, batch) : this.#send(subject, batch))
        .catch((error: unknown) => {
          for (const { reject } of batch) reject(error);
        })
        .finally(() => {
          queue.inFlight -= 1;
          this.#lengthInFlight -= length;
          if (this.#crowded) this.#scheduleAll(subject, queue);
          else this.#schedule(subject, queue);
        })
        // Neither of the two calls above throws, but every promise chain must handle errors.
        .catch((error: unknown) => this.#options.logger.error({ err: error }, 'reporting results failed'));
      this.#schedule(subject, queue);
    };
    // Waits for everything that finishes in this turn of the event loop, if more than one result is expected.
    if (this.#alone) process.nextTick(sendBatch);
    else setImmediate(sendBatch);
  }

  /**
   * Whether the first waiting result may be sent beside those that are being sent. A result beyond the limit is sent
   * alone.
   */
  #hasRoom({ waiting }: Queue): boolean {
    const [first] = waiting;
    if (first === undefined || this.#lengthInFlight === 0) return true;
    const fits = this.#lengthInFlight + first.length <= LENGTH_IN_FLIGHT;
    if (!fits) this.#crowded = true;
    return fits;
  }

  /** Schedules every queue. `last` comes after the others, because it has just had its turn. */
  #scheduleAll(lastSubject: string, last: Queue): void {
    this.#crowded = false;
    if (this.#queues.get(lastSubject) === last) {
      this.#queues.delete(lastSubject);
      this.#queues.set(lastSubject, last);
    }
    for (const [subject, queue] of this.#queues) this.#schedule(subject, queue);
  }

  /** Sends results to an owner once. Results without an answer go to their partition's subject. */
  async #sendToOwner(subject: string, batch: readonly Waiting[]): Promise<void> {
    const { signal, timeoutMs = 1_000, onRepeat } = this.#options;
    let outcomes: readonly AttemptReply[] | undefined;
    try {
      const answer = await requestUntilAnswered(this.#nc, subject, payloadOf(batch), {
        signal,
        timeoutMs: timeoutMs + lengthOf(batch) * MS_A_CHARACTER,
        attempts: 1,
      });
      outcomes = replyOf(answer.string(), batch.length)?.replies;
    } catch (error) {
      if (!(error instanceof UnavailableError) || this.#nc.isClosed()) throw error;
    }
    for (const [index, one] of batch.entries()) {
      const outcome = outcomes?.[index]?.outcome ?? 'elsewhere';
      if (outcome !== 'elsewhere') {
        one.resolve(outcome);
        continue;
      }
      onRepeat?.();
      if (this.#owners.get(one.partition) === subject) this.#owners.delete(one.partition);
      this.#enqueue(subjects.result(one.partition), false, one);
    }
  }

  /** Sends results to a partition until it answers. */
  async #send(subject: string, batch: readonly Waiting[]): Promise<void> {
    const payload = payloadOf(batch);
    const { signal, timeoutMs = 1_000, onRepeat, logger } = this.#options;
    const answerMs = timeoutMs + lengthOf(batch) * MS_A_CHARACTER;
    for (;;) {
      let reply: ResultReply | undefined;
      try {
        const answer = await requestUntilAnswered(this.#nc, subject, payload, {
          signal,
          timeoutMs: answerMs,
          ...(batch.length > 1 ? { deadlineMs: SPLIT_AFTER_MS } : {}),
          ...(onRepeat === undefined ? {} : { onRepeat }),
        });
        reply = replyOf(answer.string(), batch.length);
        if (reply === undefined) {
          logger.error({ subject, results: batch.length }, 'the engine’s answer to results cannot be read');
        }
      } catch (error) {
        if (!(error instanceof UnavailableError) || this.#nc.isClosed() || batch.length === 1) throw error;
      }
      if (reply !== undefined) {
        const { replies, ownerSubject } = reply;
        for (const [index, { partition, resolve }] of batch.entries()) {
          if (ownerSubject !== undefined && ownerSubject !== '') this.#owners.set(partition, ownerSubject);
          resolve(replies[index]?.outcome ?? 'stale');
        }
        return;
      }
      if (batch.length > 1) {
        logger.warn({ subject, results: batch.length }, 'a batch of results has no answer, sending them one by one');
        await Promise.all(batch.map((one) => this.#send(subject, [one]).catch((error: unknown) => one.reject(error))));
        return;
      }
      await delay(1_000, undefined, { signal });
    }
  }
}

const OUTCOMES: readonly string[] = [
  'recorded',
  'stale',
  'unknown_execution',
  'elsewhere',
] satisfies AttemptReply['outcome'][];

function payloadOf(batch: readonly Waiting[]): JsonMessage<ResultRequest> {
  return new JsonMessage({ results: batch.map(({ result }) => result) });
}

function replyOf(text: string, count: number): ResultReply | undefined {
  try {
    const reply = JSON.parse(text) as Partial<ResultReply>;
    const { replies } = reply;
    if (!Array.isArray(replies) || replies.length !== count) return undefined;
    return replies.every(({ outcome }) => OUTCOMES.includes(outcome)) ? (reply as ResultReply) : undefined;
  } catch {
    return undefined;
  }
}

function lengthOf(batch: readonly Waiting[]): number {
  let total = 0;
  for (const { length } of batch) total += length;
  return total;
}

function takeBatch(waiting: Waiting[]): Waiting[] {
  let total = 0;
  let count = 0;
  for (const { length } of waiting) {
    total += length;
    if (count > 0 && (total > LARGEST_BATCH_LENGTH || count >= LARGEST_BATCH)) break;
    count += 1;
  }
  return waiting.splice(0, count);
}
