import { setTimeout as delay } from 'node:timers/promises';

export interface EventuallyOptions {
  /** Default 120,000. The limit only detects that something hangs, because a busy machine is slow. */
  readonly timeoutMs?: number | undefined;
  /** Default 20. */
  readonly intervalMs?: number | undefined;
  /** The awaited condition, for the error: "the step is completed". */
  readonly describe?: string | undefined;
  /**
   * Called after each failed try. Returns an error when waiting is useless, for example because the process that should
   * answer has ended.
   */
  readonly pointless?: (() => Error | undefined) | undefined;
}

/**
 * Calls `condition` until it neither throws nor returns `false`, and returns its result. It may contain assertions.
 *
 * Throws after `timeoutMs`, with `describe` in the message and the last error of `condition` as the cause. Throws an
 * error of `pointless` at once.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<Exclude<T, false>> {
  const { timeoutMs = 120_000, intervalMs = 20, describe = 'the condition holds' } = options;
  const limit = performance.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const value = await condition();
      if (value !== false) return value as Exclude<T, false>;
    } catch (error) {
      failure = error;
    }
    const pointless = options.pointless?.();
    if (pointless !== undefined) throw pointless;
    if (performance.now() > limit) {
      const last = failure instanceof Error ? ` Last: ${failure.message}` : '';
      throw new Error(`Waited ${timeoutMs} ms in vain until ${describe}.${last}`, { cause: failure });
    }
    await delay(intervalMs);
  }
}
