import { subjects } from '@batuta/contracts';
import type { AttemptCheckReply, AttemptCheckRequest, StopAttempts, Task } from '@batuta/contracts';
import { requestUntilAnswered } from '@batuta/messaging';
import type { NatsConnection, Subscription } from '@nats-io/nats-core';
import type { Attempt } from './attempt.js';
import type { Attempts } from './attempts.js';
import type { Logger } from './logger.js';
import { attemptOf } from './task.js';

const decoder = new TextDecoder();

interface NeededOptions {
  readonly nc: NatsConnection;
  readonly logger: Logger;
  /** Milliseconds between questions to the engine whether a long attempt is still needed. */
  readonly recheckMs: number;
  /** Ends every question. */
  readonly signal: AbortSignal;
}

/** Stops attempts that are not needed any more. The engine says which, and is asked about long ones. */
export class NeededAttempts {
  readonly #attempts: Attempts;
  readonly #options: NeededOptions;
  #stops: Subscription | undefined;
  #timer: NodeJS.Timeout | undefined;
  #rechecking = false;

  constructor(attempts: Attempts, options: NeededOptions) {
    this.#attempts = attempts;
    this.#options = options;
  }

  start(): void {
    this.#stops = this.#options.nc.subscribe(subjects.stop, {
      callback: (error, message) => {
        if (error === null) this.#hearStop(message.data);
      },
    });
    this.#timer = setInterval(() => void this.#recheckLongOnes(), Math.max(20, this.#options.recheckMs / 4));
  }

  /** Asks about no more attempts. */
  stopAsking(): void {
    clearInterval(this.#timer);
  }

  /** Hears no more stop messages. */
  unsubscribe(): void {
    this.#stops?.unsubscribe();
  }

  async #isWanted(task: Task): Promise<boolean> {
    return (await this.ask(task, {})).wanted === true;
  }

  async ask(
    task: Task,
    beginning: Pick<AttemptCheckRequest, 'incarnation' | 'redelivered' | 'alone'>,
  ): Promise<Partial<AttemptCheckReply>> {
    const request: AttemptCheckRequest = { ...attemptOf(task), ...beginning };
    const subject = subjects.check(task.partition);
    const answer = await requestUntilAnswered(this.#options.nc, subject, JSON.stringify(request), {
      signal: this.#options.signal,
    });
    return answer.json<Partial<AttemptCheckReply>>();
  }

  #hearStop(data: Uint8Array): void {
    let stopped: StopAttempts['attempts'];
    try {
      const message = JSON.parse(decoder.decode(data)) as Partial<StopAttempts>;
      stopped = Array.isArray(message.attempts) ? message.attempts : [];
    } catch (error) {
      this.#options.logger.error({ err: error }, 'an unreadable stop message was ignored');
      return;
    }
    for (const { executionId, stepId = '', attempt = 0, reason = '' } of stopped) {
      for (const running of this.#attempts.of(executionId)) {
        if (stepId !== '' && running.stepId !== stepId) continue;
        if (attempt !== 0 && running.attempt !== attempt) continue;
        // The message is only a hint: it may be late, and the attempt may have been dispatched again since.
        void this.#stopUnlessWanted(running, reason);
      }
    }
  }

  /** Covers stop messages that were lost. */
  async #recheckLongOnes(): Promise<void> {
    if (this.#rechecking) return;
    this.#rechecking = true;
    try {
      const before = performance.now() - this.#options.recheckMs;
      const due: Attempt[] = [];
      for (const attempt of this.#attempts.all()) {
        if (attempt.checkedAt <= before && attempt.ending === undefined) due.push(attempt);
      }
      await Promise.all(due.map((attempt) => this.#stopUnlessWanted(attempt, 'not wanted any more')));
    } finally {
      this.#rechecking = false;
    }
  }

  async #stopUnlessWanted(attempt: Attempt, reason: string): Promise<void> {
    attempt.checkedAt = performance.now();
    try {
      if (!(await this.#isWanted(attempt.task))) attempt.stop(reason);
    } catch (error) {
      if (!this.#options.signal.aborted) {
        attempt.logger.warn({ err: error }, 'the engine could not be asked about an attempt');
      }
    }
  }
}
