import type { JsonObject, JsonValue } from '@batuta/contracts';
import type { JsonSchema } from './json-schema.js';
import type { Logger } from './logger.js';
import type { OutputOptions } from './output-options.js';

/** The attempt as its agent sees it. */
export interface AgentContext {
  readonly executionId: string;
  readonly executionName: string;
  readonly stepId: string;
  readonly stepName: string;
  readonly tenantId: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** The same for all attempts of the step. Pass it on to other systems, so that a side effect happens once. */
  readonly idempotencyKey: string;
  /** W3C trace context to pass on; empty when the execution is not traced. */
  readonly traceparent: string;
  /** Fires when the time is over, when the step is cancelled and when the worker stops. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** Reports that the attempt is alive, with its progress from 0 to 1. It is cheap, so call it as often as you like. */
  readonly heartbeat: (progress: number, message?: string) => void;
  /**
   * Shows a piece of text to those who follow the step, while the agent works. Pieces come in their order; at most 1 MiB is kept. It is
   * no part of the step's output, and void when the attempt fails.
   */
  readonly output: (text: string, options?: OutputOptions) => void;
}

/** One kind of work. `run` returns the step's output: JSON of at most 1 MiB. */
export interface Agent<in Context extends AgentContext = AgentContext> {
  readonly name: string;
  readonly version: string;
  /** Its purpose, for people. */
  readonly description?: string;
  /** JSON Schemas of its input and output. */
  readonly input?: JsonSchema;
  readonly output?: JsonSchema;
  /**
   * Returns the output or a promise of it. Throws `RetryableError` or `TerminalError`. Any other error counts as
   * retryable with the code `agent_error`.
   */
  run(input: JsonValue, context: Context): unknown;
}

interface AgentErrorOptions {
  /** For machines and people. Must be small and JSON. */
  readonly details?: JsonObject;
  readonly cause?: unknown;
}

/** The attempt failed, but another may succeed. `code` is stable, because retry policies name it. */
export class RetryableError extends Error {
  override readonly name = 'RetryableError';
  readonly details: JsonObject | undefined;

  constructor(
    readonly code: string,
    message: string,
    options: AgentErrorOptions = {},
  ) {
    super(message, { cause: options.cause });
    this.details = options.details;
  }
}

/**
 * The attempt failed, and every other attempt would fail too: the input is wrong, or it names something that does not
 * exist.
 */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';
  readonly details: JsonObject | undefined;

  constructor(
    readonly code: string,
    message: string,
    options: AgentErrorOptions = {},
  ) {
    super(message, { cause: options.cause });
    this.details = options.details;
  }
}
