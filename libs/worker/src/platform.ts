import type { JsonValue, Task } from '@batuta/contracts';
import type { AgentContext } from './agent.js';

/** A call that an agent makes, as the execution's trace shows it. */
export interface OutboundCall {
  /** W3C trace context to send along; empty when there is none. */
  readonly traceparent: string;
  /** The call is over; `error` says what kind of failure it was. */
  end(attributes: Readonly<Record<string, string | number | readonly string[]>>, error?: string): void;
}

/** What the agents of the platform's own runner know besides. */
export interface PlatformContext extends AgentContext {
  /** A text without the values of secrets that the attempt was given; to be called before a text is cut. */
  readonly redact: (text: string) => string;
  /**
   * Values of the tenant's secrets, which nothing that the attempt tells holds from then on. Throws a `TerminalError` when there is
   * no such secret.
   */
  useSecrets(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Begins a call to another system, so that the execution's trace shows it. */
  beginCall(name: string, attributes: Readonly<Record<string, string | number | readonly string[]>>): OutboundCall;
}

/** Takes values that nobody may see out of what is told. */
export interface Hidden {
  text(text: string): string;
  json<T extends JsonValue>(value: T): T;
}

/** An input with the values of its secrets in their places. */
export interface ResolvedInput {
  readonly input: JsonValue;
  readonly hidden: Hidden;
  /** The attempt has no use for the values any more. */
  readonly release: () => void;
}

/** Secrets that an agent asked for itself. */
export interface UsedSecrets extends Pick<ResolvedInput, 'hidden' | 'release'> {
  readonly values: ReadonlyMap<string, string>;
}

/** Counts what a runner does. */
export interface Meter {
  /** An attempt is over, or was not begun: then without `seconds`. */
  ended(agent: string, outcome: string, seconds?: number): void;
  running(change: 1 | -1): void;
  /** A result was sent again. */
  repeated(): void;
  /** Agents that ignore their signal and still run after their attempt ended. */
  abandoned(change: 1 | -1): void;
}

/** What the platform's own runner can do and workers with the credentials of one pool cannot, or need not. */
export interface PlatformPorts {
  readonly meter?: Meter;
  /** Default: a task that refers to secrets fails. */
  resolveSecrets?(task: Task, signal: AbortSignal): Promise<ResolvedInput>;
  /** Default: an agent that asks for secrets fails. */
  useSecrets?(task: Task, names: readonly string[], signal: AbortSignal): Promise<UsedSecrets>;
  /** Default: nothing is traced. */
  beginCall?(
    task: Task,
    name: string,
    attributes: Readonly<Record<string, string | number | readonly string[]>>,
  ): OutboundCall;
}
