import { setTimeout as delay } from 'node:timers/promises';

export interface EventuallyOptions {
  /** 120,000 unless told: a limit says that something hangs, and a busy machine is slow. */
  readonly timeoutMs?: number | undefined;
  /** 20 unless told. */
  readonly intervalMs?: number | undefined;
  /** What is waited for, for the error: "the step is completed". */
  readonly describe?: string | undefined;
  /** Asked after each vain try: why it makes no sense to wait on, such as the end of the process that should answer. */
  readonly pointless?: (() => Error | undefined) | undefined;
}

/**
 * Calls `condition` until it neither throws nor returns `false`, and returns what it returned. Assertions may stand in it.
 *
 * Throws after `timeoutMs` with `describe`; the cause is the last thing that `condition` threw. Throws at once what
 * `pointless` gives.
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
