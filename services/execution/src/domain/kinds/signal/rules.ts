import type { JsonValue, StepDefinition } from '@batuta/contracts';
import type { Unit } from '../../graph/compiled.js';

/** The signal that a step waits for, and what the passing of time does. */
export interface SignalRules {
  readonly name: string;
  /** Milliseconds from the step's start; 0 for no limit of its own. */
  readonly timeoutMs: number;
  /** What the step gives when nothing came in time; undefined when it fails. */
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

/** The rules of a step that waits for a signal; undefined for any other. */
export function signalOf({ work }: Pick<Unit, 'work'>): SignalRules | undefined {
  return work.kind === 'signal' ? work.rules : undefined;
}
