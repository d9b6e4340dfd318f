import type { Caller, CallOptions } from './caller.js';
import { followExecution } from './follow.js';
import type { FollowOptions, WebSocketConstructor } from './follow.js';
import { ExecutionsOperations } from './generated/operations.js';
import type { ExecutionsStartOptions } from './generated/operations.js';
import type { Event, ExecuteBody, ExecutionResult, Started } from './generated/schemas.js';

export interface WaitOptions extends CallOptions {
  /** Milliseconds to wait in all. Default: as long as it takes. */
  readonly withinMs?: number | undefined;
}

/** An execution did not end in the time that its caller would wait. */
export class WaitedTooLongError extends Error {
  override readonly name = 'WaitedTooLongError';

  constructor(
    readonly executionId: string,
    readonly status: string,
    withinMs: number,
  ) {
    super(`execution ${executionId} is still ${status} after ${withinMs} ms`);
  }
}

/** How long one request waits for the end; the platform takes no more. */
const ONE_WAIT_MS = 60_000;
/** An answer comes this much later than it was asked for at most. */
const ANSWER_MS = 30_000;

const ENDED: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled']);
const isResult = (answer: ExecutionResult | Started): answer is ExecutionResult => ENDED.has(answer.status);

/** Executions: what OpenAPI has of them, and what takes more than one request. */
export class Executions extends ExecutionsOperations {
  readonly #webSocket: () => WebSocketConstructor;

  constructor(caller: Caller, webSocket: () => WebSocketConstructor) {
    super(caller);
    this.#webSocket = webSocket;
  }

  /** The result of an execution once it has ended, whichever way. @throws WaitedTooLongError. */
  async wait(id: string, { withinMs = Infinity, ...options }: WaitOptions = {}): Promise<ExecutionResult> {
    const until = Date.now() + withinMs;
    for (;;) {
      const left = Math.min(ONE_WAIT_MS, Math.max(1, Math.round(until - Date.now())));
      const result = await this.result(id, { timeoutMs: left + ANSWER_MS, ...options, wait: `${left}ms` });
      if (ENDED.has(result.status)) return result;
      if (Date.now() >= until) throw new WaitedTooLongError(id, result.status, withinMs);
    }
  }

  /** Starts an execution and waits for its result. */
  async run(
    config: string,
    body: ExecuteBody = {},
    { withinMs, ...options }: ExecutionsStartOptions & WaitOptions = {},
  ): Promise<ExecutionResult> {
    const started = await this.start(config, body, options);
    if (isResult(started)) return started;
    const { signal, timeoutMs, headers } = options;
    return await this.wait(started.execution_id, { signal, timeoutMs, headers, withinMs });
  }

  /** Its events, past ones first, then as they happen, until the last. A connection that breaks is made again. */
  follow(id: string, options: FollowOptions = {}): AsyncGenerator<Event, void, undefined> {
    return followExecution(this.caller, this.#webSocket(), id, options);
  }
}
