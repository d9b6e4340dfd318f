import { RetryableError } from '@batuta/worker';
import type { Agent } from '@batuta/worker';

/** An agent whose attempts wait until the test releases them. With the input `{"fail": true}` they then fail. */
export class Gate implements Agent {
  readonly name = 'gate';
  readonly version = '1';
  /** Step ids, in the order of arrival. */
  readonly entered: string[] = [];
  readonly signals: AbortSignal[] = [];
  readonly #waiting: (() => void)[] = [];

  async run(input: unknown, context: { stepId: string; signal: AbortSignal }): Promise<string> {
    this.entered.push(context.stepId);
    this.signals.push(context.signal);
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if ((input as { fail?: boolean } | null)?.fail === true) throw new RetryableError('gated', 'The test says no.');
    return 'through';
  }

  /** Releases all attempts that wait now. */
  open(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
