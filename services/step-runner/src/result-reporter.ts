import { subjects } from '@batuta/contracts';
import type { AttemptReply, ResultReply } from '@batuta/contracts';
import type { Logger } from '@batuta/observability';
import { requestUntilAnswered, UnavailableError } from '@batuta/messaging';
import type { NatsConnection } from '@nats-io/nats-core';
import { setTimeout as delay } from 'node:timers/promises';

export interface ResultReporterOptions {
  readonly logger: Pick<Logger, 'warn' | 'error'>;
  /** Milliseconds for one answer. Default 1,000. */
  readonly timeoutMs?: number;
  /** Ends the repeating when the runner gives up. */
  readonly signal: AbortSignal;
  readonly onRepeat?: () => void;
}

interface Waiting {
  readonly json: string;
  readonly resolve: (outcome: AttemptReply['outcome']) => void;
  readonly reject: (error: unknown) => void;
}

interface PartitionQueue {
  waiting: Waiting[];
  inFlight: number;
  scheduled: boolean;
}

/** More than one, so that a result does not wait for a commit that began before it; few, so that waiting ones go together. */
const REQUESTS_IN_FLIGHT = 4;
const LARGEST_BATCH = 200;
const LARGEST_BATCH_LENGTH = 1_500_000;
/** Milliseconds after which a batch without an answer is sent one by one: one result must not hold back the others. */
const SPLIT_AFTER_MS = 10_000;

/** Sends results to the owners of their partitions and repeats each until it is answered. What waits anyway goes together. */
export class ResultReporter {
  private readonly queues = new Map<number, PartitionQueue>();

  constructor(
    private readonly nc: NatsConnection,
    private readonly options: ResultReporterOptions,
  ) {}

  /**
   * Reports one result (an AttemptResult in proto-JSON text); resolves with the engine's answer, after its commit. Rejects
   * only when the signal fires or the connection is closed.
   */
  report(partition: number, json: string): Promise<AttemptReply['outcome']> {
    return new Promise((resolve, reject) => {
      let queue = this.queues.get(partition);
      if (queue === undefined) {
        queue = { waiting: [], inFlight: 0, scheduled: false };
        this.queues.set(partition, queue);
      }
      queue.waiting.push({ json, resolve, reject });
      this.schedule(partition, queue);
    });
  }

  private schedule(partition: number, queue: PartitionQueue): void {
    if (queue.scheduled || queue.waiting.length === 0 || queue.inFlight >= REQUESTS_IN_FLIGHT) return;
    queue.scheduled = true;
    // After everything that this turn of the event loop finishes.
    setImmediate(() => {
      queue.scheduled = false;
      const batch = takeBatch(queue.waiting);
      queue.inFlight += 1;
      this.send(partition, batch, SPLIT_AFTER_MS)
        .catch((error: unknown) => {
          for (const { reject } of batch) reject(error);
        })
        .finally(() => {
          queue.inFlight -= 1;
          this.schedule(partition, queue);
        })
        // Neither of the two above throws; the chain must end handled all the same.
        .catch((error: unknown) => this.options.logger.error({ err: error }, 'reporting results failed'));
      this.schedule(partition, queue);
    });
  }

  private async send(partition: number, batch: readonly Waiting[], splitAfterMs: number): Promise<void> {
    const payload = `{"results":[${batch.map(({ json }) => json).join(',')}]}`;
    const { signal, timeoutMs, onRepeat, logger } = this.options;
    for (;;) {
      let outcomes: AttemptReply[] | undefined;
      try {
        const answer = await requestUntilAnswered(this.nc, subjects.result(partition), payload, {
          signal,
          ...(timeoutMs === undefined ? {} : { timeoutMs }),
          ...(batch.length > 1 ? { deadlineMs: splitAfterMs } : {}),
          ...(onRepeat === undefined ? {} : { onRepeat }),
        });
        outcomes = repliesOf(answer.string(), batch.length);
        if (outcomes === undefined) {
          logger.error({ partition, results: batch.length }, 'the engine answered results in a way nobody understands');
        }
      } catch (error) {
        if (!(error instanceof UnavailableError) || this.nc.isClosed() || batch.length === 1) throw error;
      }
      if (outcomes !== undefined) {
        for (const [index, { resolve }] of batch.entries()) resolve(outcomes[index]?.outcome ?? 'stale');
        return;
      }
      if (batch.length > 1) {
        logger.warn({ partition, results: batch.length }, 'a batch of results has no answer, sending them one by one');
        await Promise.all(
          batch.map((one) => this.send(partition, [one], splitAfterMs).catch((error: unknown) => one.reject(error))),
        );
        return;
      }
      await delay(1_000, undefined, { signal });
    }
  }
}

const OUTCOMES: readonly string[] = ['recorded', 'stale', 'unknown_execution'] satisfies AttemptReply['outcome'][];

function repliesOf(text: string, count: number): AttemptReply[] | undefined {
  try {
    const { replies } = JSON.parse(text) as Partial<ResultReply>;
    if (!Array.isArray(replies) || replies.length !== count) return undefined;
    return replies.every((reply) => OUTCOMES.includes(reply?.outcome)) ? replies : undefined;
  } catch {
    return undefined;
  }
}

function takeBatch(waiting: Waiting[]): Waiting[] {
  let length = 0;
  let count = 0;
  for (const { json } of waiting) {
    length += json.length;
    if (count > 0 && (length > LARGEST_BATCH_LENGTH || count >= LARGEST_BATCH)) break;
    count += 1;
  }
  return waiting.splice(0, count);
}
