import { FAILURE_CODES, subjects } from '@batuta/contracts';
import type { AttemptCheckReply, AttemptHeartbeat, Failure, JsonValue, Task } from '@batuta/contracts';
import { requestUntilAnswered } from '@batuta/messaging';
import type { Delivery } from '@batuta/messaging';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Agent } from './agent.js';
import { bounded, failureOf } from './failure.js';
import type { Logger } from './logger.js';
import { checkOutput } from './output.js';
import { OutputSender } from './output-sender.js';
import type { OutputOptions } from './output-options.js';
import type { Hidden, HiddenText, OutboundCall, PlatformContext, PlatformPorts, ResolvedInput } from './platform.js';
import { spentOf } from './spent.js';
import { attemptOf } from './task.js';

/** How an attempt ended for the runner. */
export type Ending =
  | { readonly kind: 'output'; readonly value: JsonValue; readonly length: number }
  | { readonly kind: 'failure'; readonly failure: Failure }
  /** The engine does not need the attempt any more. Nothing is reported. */
  | { readonly kind: 'unwanted'; readonly reason: string }
  /** The runner is stopping. Another runner has to run the task. */
  | { readonly kind: 'handed_back' };

/** The reason of an attempt's signal when its time is over. */
class AttemptTimeoutError extends Error {
  override readonly name = 'TimeoutError';
}

/** The reason of an attempt's signal when the attempt is not needed any more. */
class AttemptStoppedError extends Error {
  override readonly name = 'AbortError';
}

/** The trace id in a W3C `traceparent`. */
const TRACE_ID = /^[0-9a-f]{2}-([0-9a-f]{32})-/;

/**
 * Minimum pause between heartbeats. The newest heartbeat is always sent. The pause shrinks so that at least three
 * heartbeats fit into the time for which the engine waits.
 */
const HEARTBEAT_PAUSE_MS = 1_000;
const LONGEST_HEARTBEAT = 500;
/** How long a result waits for what the attempt has said. */
const OUTPUT_LIMIT_MS = 3_000;

interface AttemptOptions {
  readonly nc: NatsConnection;
  readonly logger: Logger;
  readonly platform?: PlatformPorts;
}

/**
 * One attempt of one step while it runs in this process. It ends once: by the agent, by its time limit, by a stop or by
 * the runner's end, whichever comes first. Later actions of the agent have no effect.
 */
export class Attempt implements PlatformContext {
  readonly #options: AttemptOptions;
  readonly startedAt = Date.now();
  /** Every delivery of its task. All of them are acknowledged together. */
  readonly deliveries: Delivery[];
  readonly ended: Promise<Ending>;
  /** Settles when the agent itself has finished. That may be long after the attempt's end, or never. */
  agentDone: Promise<void> = Promise.resolve();
  agentSettled = false;
  /** When the engine last confirmed that the attempt is needed, by `performance.now()`. */
  checkedAt = performance.now();
  ending: Ending | undefined;
  #resolveEnded: (ending: Ending) => void = () => undefined;
  // Created when needed: two controllers, and the error that fires one, took a quarter of the time of a short attempt.
  #abort: AbortController | undefined;
  #over: AbortController | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #heartbeatTimer: NodeJS.Timeout | undefined;
  #beatTimer: NodeJS.Timeout | undefined;
  #lastBeat = -Infinity;
  #beat: { progress: number; message: string } | undefined;
  /** The newest heartbeat, and whether there was an earlier one. */
  #said: { progress: number; message: string } | undefined;
  #saidBefore = false;
  #ownLogger: Logger | undefined;
  #abortedWith: Error | undefined;
  /** Hides the secrets that the attempt was given; undefined when it has none. */
  #hidden: Hidden | undefined;
  readonly #releases: (() => void)[] = [];
  /** What it says while it is made; undefined while it has said nothing. */
  #outputs: OutputSender | undefined;

  constructor(
    readonly key: string,
    readonly task: Task,
    delivery: Delivery,
    options: AttemptOptions,
  ) {
    this.#options = options;
    this.deliveries = [delivery];
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    const { timeoutMs = 0 } = task;
    if (timeoutMs > 0) {
      this.#timer = setTimeout(() => this.#runOutOfTime(timeoutMs), timeoutMs);
    }
    this.#expectHeartbeat();
  }

  get executionId(): string {
    return this.task.executionId;
  }
  get executionName(): string {
    return this.task.executionName ?? '';
  }
  get stepId(): string {
    return this.task.stepId;
  }
  get stepName(): string {
    return this.task.stepName ?? this.task.stepId;
  }
  get tenantId(): string {
    return this.task.tenantId;
  }
  get attempt(): number {
    return this.task.attempt;
  }
  get idempotencyKey(): string {
    return this.task.idempotencyKey;
  }
  get traceparent(): string {
    return this.task.traceparent ?? '';
  }
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#abortedWith !== undefined) this.#abort.abort(this.#abortedWith);
    }
    return this.#abort.signal;
  }
  get logger(): Logger {
    this.#ownLogger ??= this.#options.logger.child({
      trace_id: TRACE_ID.exec(this.task.traceparent ?? '')?.[1],
      execution_id: this.executionId,
      step_id: this.stepId,
      attempt: this.attempt,
      agent: this.task.agent,
    });
    return this.#ownLogger;
  }

  /** Starts the agent. Never throws: the result is in `ended`. */
  start(agent: Agent<PlatformContext>): void {
    if (this.task.reportStart === true) void this.#reportStart();
    this.agentDone = this.#runAgent(agent);
  }

  /**
   * Reports the agent's start to the engine, which ends the deadline for the start. So the message must not be lost.
   */
  async #reportStart(): Promise<void> {
    const { partition } = this.task;
    const beat: AttemptHeartbeat = attemptOf(this.task);
    this.#over = new AbortController();
    try {
      const answer = await requestUntilAnswered(this.#options.nc, subjects.heartbeat(partition), JSON.stringify(beat), {
        signal: this.#over.signal,
      });
      if (!answer.json<AttemptCheckReply>().wanted) this.stop('not wanted any more');
    } catch (error) {
      if (this.ending === undefined) this.logger.warn({ err: error }, 'the start could not be reported');
    }
  }

  async #runAgent(agent: Agent<PlatformContext>): Promise<void> {
    try {
      let input = this.task.input ?? null;
      if (this.task.secrets !== undefined && this.task.secrets.length > 0) {
        const { platform } = this.#options;
        if (platform?.resolveSecrets === undefined) throw new Error('this worker cannot read secrets');
        const resolved = await platform.resolveSecrets(this.task, this.signal);
        this.#hide(resolved);
        input = resolved.input;
        if (this.ending !== undefined) return;
      }
      const output = await agent.run(input, this);
      if (this.ending === undefined) {
        const whole = checkOutput(output);
        // Checked again, because the text that replaces a value may be longer than the value.
        const checked = whole.ok && this.#hidden !== undefined ? checkOutput(this.#hidden.json(whole.value)) : whole;
        if (checked.ok) {
          this.#end({ kind: 'output', value: checked.value, length: checked.length });
        } else {
          const { code } = checked;
          const message = this.#shown(checked.message);
          const spent = spentOf(output);
          this.#end({
            kind: 'failure',
            failure: { code, message, retryable: false, ...(spent === undefined ? {} : { details: spent }) },
          });
        }
      }
    } catch (error) {
      if (this.ending === undefined) this.#end({ kind: 'failure', failure: failureOf(error, this.#hidden) });
    } finally {
      for (const release of this.#releases) release();
      this.agentSettled = true;
    }
  }

  async useSecrets(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const { platform } = this.#options;
    if (platform?.useSecrets === undefined) throw new Error('this worker cannot read secrets');
    const used = await platform.useSecrets(this.task, names, this.signal);
    this.#hide(used);
    return used.values;
  }

  #hide({ hidden, release }: Pick<ResolvedInput, 'hidden' | 'release'>): void {
    const before = this.#hidden;
    this.#hidden =
      before === undefined
        ? hidden
        : {
            text: (text) => hidden.text(before.text(text)),
            json: (value) => hidden.json(before.json(value)),
            stream: () => chained(before.stream(), hidden.stream()),
          };
    this.#outputs?.hideMore();
    if (this.agentSettled) release();
    else this.#releases.push(release);
  }

  #shown(text: string): string {
    return this.#hidden?.text(text) ?? text;
  }

  /** The engine does not need the attempt any more: fires the signal, and nothing will be reported. */
  stop(reason: string): void {
    this.#end({ kind: 'unwanted', reason }, new AttemptStoppedError(reason));
  }

  /** The runner stops before the agent is done: fires the signal, and the task goes back to the queue. */
  handBack(): void {
    this.#end({ kind: 'handed_back' }, new AttemptStoppedError('the worker is stopping'));
  }

  readonly redact = (text: string): string => this.#shown(text);

  beginCall(name: string, attributes: Readonly<Record<string, string | number | readonly string[]>>): OutboundCall {
    const call = this.#options.platform?.beginCall?.(this.task, name, attributes);
    return call ?? { traceparent: this.traceparent, end: () => undefined };
  }

  /** An arrow function, so that agents may use it without its context. */
  readonly heartbeat = (progress: number, message = ''): void => {
    if (this.ending !== undefined) return;
    this.#expectHeartbeat();
    this.#beat = {
      progress: Number.isFinite(progress) ? Math.min(1, Math.max(0, progress)) : 0,
      message: bounded(this.#shown(String(message)), LONGEST_HEARTBEAT),
    };
    this.#saidBefore = this.#said !== undefined;
    this.#said = this.#beat;
    const { heartbeatMs = 0 } = this.task;
    const between = heartbeatMs > 0 ? Math.min(HEARTBEAT_PAUSE_MS, heartbeatMs / 4) : HEARTBEAT_PAUSE_MS;
    const pause = this.#lastBeat + between - performance.now();
    if (pause <= 0) {
      this.#sendBeat();
    } else {
      this.#beatTimer ??= setTimeout(() => this.#sendBeat(), pause);
    }
  };

  /** Bound, as `heartbeat`. */
  readonly output = (text: string, options?: OutputOptions): void => {
    if (this.ending !== undefined) return;
    this.#outputs ??= new OutputSender(this.#options.nc, this.task, this.logger, () => this.#hidden);
    this.#outputs.say(text, options);
  };

  /** Resolves when what it has said is stored, or shortly after: the result comes behind it. Undefined when it has said nothing. */
  outputSent(): Promise<void> | undefined {
    return this.#outputs?.finish(OUTPUT_LIMIT_MS);
  }

  #sendBeat(): void {
    this.#beatTimer = undefined;
    if (this.#beat === undefined) return;
    this.#lastBeat = performance.now();
    this.#publishBeat(this.#beat);
    this.#beat = undefined;
  }

  /**
   * Repeats the last heartbeat. The engine keeps the last one, and may have skipped it if it came soon after another.
   */
  #sendLastBeat(): void {
    if (this.#said !== undefined && this.#saidBefore) this.#publishBeat({ ...this.#said, last: true });
  }

  #publishBeat(beat: Pick<AttemptHeartbeat, 'progress' | 'message' | 'last'>): void {
    if (this.#options.nc.isClosed()) return;
    const { partition } = this.task;
    const message: AttemptHeartbeat = { ...attemptOf(this.task), ...beat };
    this.#options.nc.publish(subjects.heartbeat(partition), JSON.stringify(message));
  }

  #expectHeartbeat(): void {
    const { heartbeatMs = 0 } = this.task;
    if (heartbeatMs <= 0) return;
    if (this.#heartbeatTimer !== undefined) {
      this.#heartbeatTimer.refresh();
      return;
    }
    this.#heartbeatTimer = setTimeout(() => {
      const message = `The agent ${this.task.agent} gave no sign of life for ${heartbeatMs} ms (heartbeat_ms).`;
      this.#end(
        { kind: 'failure', failure: { code: FAILURE_CODES.heartbeatTimeout, message, retryable: true } },
        new AttemptTimeoutError(message),
      );
    }, heartbeatMs);
  }

  #runOutOfTime(timeoutMs: number): void {
    const message = `The agent ${this.task.agent} did not finish within ${timeoutMs} ms (timeout_ms).`;
    this.#end(
      { kind: 'failure', failure: { code: FAILURE_CODES.timeout, message, retryable: true } },
      new AttemptTimeoutError(message),
    );
  }

  #end(ending: Ending, abortWith?: Error): void {
    if (this.ending !== undefined) return;
    this.ending = ending;
    this.#over?.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#heartbeatTimer);
    clearTimeout(this.#beatTimer);
    this.#sendLastBeat();
    if (ending.kind === 'unwanted' || ending.kind === 'handed_back') this.#outputs?.close();
    this.#abortedWith = abortWith;
    if (abortWith !== undefined) this.#abort?.abort(abortWith);
    this.#resolveEnded(ending);
  }
}

/** One after the other. */
function chained(first: HiddenText, second: HiddenText): HiddenText {
  return {
    push: (piece) => second.push(first.push(piece)),
    end: () => second.push(first.end()) + second.end(),
  };
}
