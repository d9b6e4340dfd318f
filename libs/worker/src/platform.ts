import type { JsonValue, Task } from '@batuta/contracts';
import type { AgentContext } from './agent.js';

/** A call by an agent, as the execution's trace shows it. */
export interface OutboundCall {
  /** W3C trace context to send with the call; empty when there is none. */
  readonly traceparent: string;
  /** Ends the call. `error` is the kind of failure. */
  end(attributes: Readonly<Record<string, string | number | readonly string[]>>, error?: string): void;
}

/** The context for agents of the platform's own runner. */
export interface PlatformContext extends AgentContext {
  /** Returns a text without the secrets that the attempt was given. Call it before a text is cut. */
  readonly redact: (text: string) => string;
  /**
   * Values of the tenant's secrets. From then on they are removed from everything that the attempt reports. Throws a
   * `TerminalError` when there is no such secret.
   */
  useSecrets(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Starts a call to another system, so that the execution's trace shows it. */
  beginCall(name: string, attributes: Readonly<Record<string, string | number | readonly string[]>>): OutboundCall;
}

/** Removes values that nobody may see from texts and JSON. */
export interface Hidden {
  text(text: string): string;
  json<T extends JsonValue>(value: T): T;
  /** For a text that comes in pieces. */
  stream(): HiddenText;
}

/** Takes values that nobody may see out of a text that comes in pieces, also where a value is divided. */
export interface HiddenText {
  /** What can be shown now. */
  push(piece: string): string;
  /** The rest: nothing more comes. */
  end(): string;
}

/** An input in which the values of its secrets are filled in. */
export interface ResolvedInput {
  readonly input: JsonValue;
  readonly hidden: Hidden;
  /** Call it when the attempt does not need the values any more. */
  readonly release: () => void;
}

/** Secrets that an agent requested itself. */
export interface UsedSecrets extends Pick<ResolvedInput, 'hidden' | 'release'> {
  readonly values: ReadonlyMap<string, string>;
}

/** Counts the work of a runner. */
export interface Meter {
  /** An attempt has ended. Without `seconds`, it was never started. */
  ended(agent: string, outcome: string, seconds?: number): void;
  running(change: 1 | -1): void;
  /** A result was sent again. */
  repeated(): void;
  /** Change in the number of agents that ignore their signal and still run after their attempt's end. */
  abandoned(change: 1 | -1): void;
}

/**
 * Abilities of the platform's own runner. Workers with the credentials of one pool cannot do these things, or need not.
 */
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
