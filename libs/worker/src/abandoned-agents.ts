import type { Attempt } from './attempt.js';
import type { RunnerOptions } from './runner-options.js';

/** Agents that ignore their abort signal. */
export class AbandonedAgents {
  readonly #options: Pick<RunnerOptions, 'graceMs' | 'maxAbandoned' | 'platform'>;
  readonly #signal: AbortSignal;
  #abandoned = 0;
  readonly #freed: (() => void)[] = [];

  /** `signal` ends every wait. */
  constructor(options: Pick<RunnerOptions, 'graceMs' | 'maxAbandoned' | 'platform'>, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  get areTooMany(): boolean {
    return this.#abandoned >= this.#options.maxAbandoned;
  }

  /**
   * An agent that ignores its signal keeps its slot for a grace period. Then the slot is given to others and the agent
   * is counted. Beyond `maxAbandoned` such agents, slots are kept, because each agent still takes memory and time.
   */
  async wait(attempt: Attempt): Promise<void> {
    if (await settledWithin(attempt.agentDone, this.#options.graceMs, this.#signal)) return;
    this.#abandoned += 1;
    this.#options.platform?.meter?.abandoned(1);
    attempt.logger.warn('the agent ignores its abort signal and is left to itself');
    void attempt.agentDone.then(() => {
      this.#abandoned -= 1;
      this.#options.platform?.meter?.abandoned(-1);
      for (const resolve of this.#freed.splice(0)) resolve();
    });
    while (this.#abandoned > this.#options.maxAbandoned && !this.#signal.aborted) {
      const freed = new Promise<void>((resolve) => this.#freed.push(resolve));
      await settledWithin(freed, 1_000, this.#signal);
    }
  }
}

/** Whether `work` settles within `ms`. Returns early when the signal fires. `work` must not reject. */
async function settledWithin(work: Promise<void>, ms: number, signal: AbortSignal): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  let finish: () => void = () => undefined;
  const limit = new Promise<false>((resolve) => {
    finish = () => resolve(false);
    timer = setTimeout(finish, ms);
    signal.addEventListener('abort', finish, { once: true });
  });
  try {
    return await Promise.race([work.then(() => true), limit]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', finish);
  }
}
