import type { JsonValue, StepDefinition } from '@batuta/contracts';
import type { Unit } from '../../graph/compiled.js';

/** The signal that a step waits for, and the effect of a timeout. */
export interface SignalRules {
  readonly name: string;
  /** Milliseconds from the step's start. 0 means no limit of its own. */
  readonly timeoutMs: number;
  /** The step's output when no signal came in time. Undefined when it fails. */
  readonly otherwise: JsonValue | undefined;
}

export function compileSignal({ signal }: StepDefinition): SignalRules | undefined {
  if (signal === undefined) {
    return undefined;
  }
  return {
    name: signal.name,
    timeoutMs: signal.timeout_ms ?? 0,
    otherwise: signal.on_timeout === 'continue' ? (signal.default ?? null) : undefined,
  };
}

/** The rules of a step that waits for a signal. Undefined for any other step. */
export function signalOf({ work }: Pick<Unit, 'work'>): SignalRules | undefined {
  return work.kind === 'signal' ? work.rules : undefined;
}
