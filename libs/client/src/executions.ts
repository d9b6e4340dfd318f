import type { Caller, CallOptions } from './caller.js';
import { followExecution } from './follow.js';
import { followOutput } from './follow-output.js';
import type { FollowOutputOptions } from './follow-output.js';
import type { FollowOptions, WebSocketConstructor } from './follow.js';
import { ExecutionsOperations } from './generated/operations.js';
import type { ExecutionsStartOptions } from './generated/operations.js';
import type { Event, ExecuteBody, ExecutionResult, Started, StreamItem } from './generated/schemas.js';

export interface WaitOptions extends CallOptions {
  /** Total milliseconds to wait. Default: no limit. */
  readonly withinMs?: number | undefined;
}

/** An execution did not end in the time for which the caller wanted to wait. */
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

/** The longest time for which the platform keeps one request waiting. */
const ONE_WAIT_MS = 60_000;
/** The longest additional time until an answer arrives. */
const ANSWER_MS = 30_000;

const ENDED: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled']);
const isResult = (answer: ExecutionResult | Started): answer is ExecutionResult => ENDED.has(answer.status);

/** Operations on executions: those of OpenAPI, and those that take several requests. */
export class Executions extends ExecutionsOperations {
  readonly #webSocket: () => WebSocketConstructor;

  constructor(caller: Caller, webSocket: () => WebSocketConstructor) {
    super(caller);
    this.#webSocket = webSocket;
  }

  /** Waits for the end of an execution and returns its result. @throws WaitedTooLongError. */
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

  /**
   * The events of an execution: past events first, then new ones as they happen, until the last. Reconnects when the
   * connection breaks.
   */
  follow(id: string, options: FollowOptions = {}): AsyncGenerator<Event, void, undefined> {
    return followExecution(this.caller, this.#webSocket(), id, options);
  }

  /**
   * What its steps say while they run, such as the text of a model as it is written: what was said first, then as it comes, until they are
   * over. A connection that breaks is made again; no item is left out and none comes twice.
   */
  followOutput(id: string, options: FollowOutputOptions = {}): AsyncGenerator<StreamItem, void, undefined> {
    return followOutput(this.caller, this.#webSocket(), id, options);
  }
}
